"""Metrics for Prometheus: the site's figures as gauges, in the OpenMetrics text format, or in the older one for who asks for it.

They are figures to watch by, and no bill: a sample is a 64-bit float, exact up to 2^53. A time is seconds since 1970; what is not
known has no sample, and is never 0. Servers are named, accounts are not: those of `ACCOUNTS` alone carry names.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, NamedTuple, Sequence

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics

from swiftstats import fields
from swiftstats.names import text_of
from swiftstats.query.busiest import Busiest
from swiftstats.query.site import Site
from swiftstats.store.losses import Lost
from swiftstats.store.status import STATES

#: What tells an account's row of all the others together; no account of Swift's can be called so, since it has no prefix.
OTHER = "(other)"
PLAIN_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[tuple[str, ...], float]


class Watched(NamedTuple):
    """What the database knows, at a scrape."""

    site: Site
    lost: Sequence[Lost]


class Gauge(NamedTuple):
    """One metric: its name with unit, its labels, what it says, and how its samples (labels, value) are had."""

    name: str
    labels: tuple[str, ...]
    help: str
    samples: Callable[[Any], Iterable[Sample]]


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [((), value)]


def _of_servers(read: Callable[[Any], float | None]) -> Callable[[Watched], Iterator[Sample]]:
    """Read a figure of each server that is not retired; one that has none is left out."""

    def samples(watched: Watched) -> Iterator[Sample]:
        for server in watched.site.servers:
            value = None if server.retired_at is not None else read(server)
            if value is not None:
                yield (server.name,), value

    return samples


def _of_losses(read: Callable[[Lost], float]) -> Callable[[Watched], list[Sample]]:
    return lambda watched: [((each.server, each.kind), read(each)) for each in watched.lost]


def _of_runs(read: Callable[[Any], float | None]) -> Callable[[Watched], Iterator[Sample]]:
    """Read a figure of the last run of each crawler; one that has none is left out."""

    def samples(watched: Watched) -> Iterator[Sample]:
        for run in watched.site.space.runs:
            value = read(run)
            if value is not None:
                yield (run.server, run.method), value

    return samples


def _states(watched: Watched) -> list[Sample]:
    states = [server.state for server in watched.site.servers]
    return [((state,), states.count(state)) for state in STATES]


def _coverage(watched: Watched) -> list[Sample]:
    lately = watched.site.space.coverage
    return [] if lately is None else [(("known",), lately.known), (("read",), lately.read)]


#: What every scrape tells of the site, while the database is there.
SITE = (
    Gauge("swiftstats_complete_through_timestamp_seconds", (), "Up to when the whole site is complete.",
          lambda watched: _one(watched.site.freshness.complete_through)),
    Gauge("swiftstats_servers", ("state",), "Servers by state: live, announced, ended, retired.", _states),
    Gauge("swiftstats_server_closed_through_timestamp_seconds", ("server",), "Up to when a server has closed.",
          _of_servers(lambda server: server.closed_through)),
    Gauge("swiftstats_server_last_flush_timestamp_seconds", ("server",), "When a server's flusher last reached the database.",
          _of_servers(lambda server: server.last_flush)),
    Gauge("swiftstats_server_backlog_periods", ("server",), "Periods that were over and not closed at its last flush.",
          _of_servers(lambda server: server.backlog_periods)),
    Gauge("swiftstats_server_spool_bytes", ("server",), "What its counter files took at its last flush.",
          _of_servers(lambda server: server.spool_bytes)),
    Gauge("swiftstats_losses", ("server", "kind"), "Recorded losses that stand, by kind.", _of_losses(lambda lost: lost.losses)),
    Gauge("swiftstats_lost_requests", ("server", "kind"), "Requests in them, as far as they are known.",
          _of_losses(lambda lost: lost.requests)),
    Gauge("swiftstats_lost_bytes", ("server", "kind"), "Bytes in and out in them, as far as they are known.",
          _of_losses(lambda lost: lost.bytes_in + lost.bytes_out)),
    Gauge("swiftstats_loss_recorded_timestamp_seconds", ("server", "kind"), "When the last of them was recorded.",
          _of_losses(lambda lost: lost.recorded_at)),
    Gauge("swiftstats_space_complete_through_timestamp_seconds", (), "The end of the last period in which all were read.",
          lambda watched: _one(watched.site.space.complete_through)),
    Gauge("swiftstats_space_period_accounts", ("state",), "Accounts of the last crawled period: known, and read.", _coverage),
    Gauge("swiftstats_crawler_run_start_timestamp_seconds", ("server", "method"), "When a crawler's last run began.",
          _of_runs(lambda run: run.started_at)),
    Gauge("swiftstats_crawler_run_duration_seconds", ("server", "method"), "How long it took; none while it runs, or was killed.",
          _of_runs(lambda run: None if run.ended_at is None else run.ended_at - run.started_at)),
    Gauge("swiftstats_crawler_run_complete", ("server", "method"), "1: it came to the end of its walk.",
          _of_runs(lambda run: run.complete)),
    Gauge("swiftstats_crawler_run_read_accounts", ("server", "method"), "Accounts that it read.", _of_runs(lambda run: run.read)),
    Gauge("swiftstats_crawler_run_failed_accounts", ("server", "method"), "Accounts that it could not read.",
          _of_runs(lambda run: run.failed)),
)


def _of_field(name: str) -> Callable[[Busiest], Iterator[Sample]]:
    """Read a figure of the busiest accounts, and of all the others together."""
    at = [field.name for field in fields.FIELDS].index(name)

    def samples(found: Busiest) -> Iterator[Sample]:
        for row in found.rows:
            yield (text_of(row.account),), fields.values(row.cells)[at]
        yield (OTHER,), fields.values(found.others)[at]

    return samples


def _requests(found: Busiest) -> Iterator[Sample]:
    for row in found.rows:
        yield (text_of(row.account),), row.requests
    yield (OTHER,), fields.requests(found.others)


#: With `metrics_accounts`: the busiest accounts of the last complete period, and the rest together.
ACCOUNTS = (
    Gauge("swiftstats_accounts_period_timestamp_seconds", (), "The start of the last complete period, which these are of.",
          lambda found: _one(found.begin)),
    Gauge("swiftstats_account_requests", ("account",), "Requests in it, billable or not.", _requests),
    Gauge("swiftstats_account_in_bytes", ("account",), "Billable bytes in.", _of_field("bytes_in")),
    Gauge("swiftstats_account_out_bytes", ("account",), "Billable bytes out.", _of_field("bytes_out")),
)


def families(gauges: Iterable[Gauge], known: object) -> Iterator[Metric]:
    """Yield each gauge with what is known of it; one without a sample too, so that its name is there."""
    for gauge in gauges:
        family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
        for labels, value in gauge.samples(known):
            family.add_metric([_text(label) for label in labels], float(value))
        yield family


def write(collectors: Iterable[Iterable[Metric]], accept: str | None) -> tuple[bytes, str]:
    """Write metrics; return them and their content type. The older text format goes to who accepts that, and not OpenMetrics."""
    everything = _Given(collectors)
    if accept and "text/plain" in accept and "openmetrics" not in accept:
        return exposition.generate_latest(everything), PLAIN_TYPE
    return openmetrics.generate_latest(everything), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]


class _Given(CollectorRegistry):
    """What is written: metrics that are given, and none that register themselves."""

    def __init__(self, collectors: Iterable[Iterable[Metric]]) -> None:
        super().__init__()
        self._given = collectors

    def collect(self) -> Iterator[Metric]:
        for collector in self._given:
            yield from collector


def _text(label: str) -> str:
    """Return a name as UTF-8 can hold it: one of a server may be any bytes."""
    return label.encode("utf-8", "backslashreplace").decode()
