"""Metrics of this host's space crawler, in a file for node_exporter: how its last crawl went, or has gone so far.

Crawlers of other hosts, and what the database has of all of them, are told by the service. No account is named.
"""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from swiftstats import metrics_file
from swiftstats.collect.space import Outcome

logger = logging.getLogger("swiftstats.space")

FILE = "swiftstats-space.prom"


def write(directory: str | None, method: str, outcome: Outcome) -> None:
    """Write the file, where there is a directory for it; one that cannot be written is said, and no crawl fails for it."""
    if directory is None:
        return
    try:
        metrics_file.replace(directory, FILE, generate_latest(registry_of(method, outcome)))
    except OSError as error:
        logger.warning("metrics cannot be written into metrics_dir: %s", error)


def registry_of(method: str, outcome: Outcome) -> CollectorRegistry:
    """Return what there is to tell of a crawl that has ended."""
    registry = CollectorRegistry()
    ended = outcome.ended_at or outcome.started_at
    for name, help, value in (
        ("swiftstats_space_crawl_start_timestamp_seconds", "When the last crawl of this host began.", outcome.started_at),
        ("swiftstats_space_crawl_end_timestamp_seconds", "When it ended, or last read one that had failed.", ended),
        ("swiftstats_space_crawl_complete", "1: it came to the end of its walk.", int(outcome.complete)),
        ("swiftstats_space_crawl_seen_accounts", "Accounts that it found to read.", outcome.seen),
        ("swiftstats_space_crawl_read_accounts", "Accounts that it read.", outcome.read),
        ("swiftstats_space_crawl_failed_accounts", "Accounts that it could not read: unknown in this period.", outcome.failed),
    ):
        Gauge(name, help, ["method"], registry=registry).labels(method).set(value)
    return registry
