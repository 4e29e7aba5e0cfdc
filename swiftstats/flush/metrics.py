"""Metrics of this host's flusher and spool, in a file for node_exporter: written after each sweep, the failed ones too.

Counters are of this process since its start. The spool is described as it stands, so that a database that is away for long shows
as a backlog that grows. No account is named.
"""

from __future__ import annotations

import logging
import math
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from swiftstats import metrics_file, periods
from swiftstats.config import Config
from swiftstats.errors import JournalError
from swiftstats.flush.host import Outcome
from swiftstats.journal.spool import Spool

logger = logging.getLogger("swiftstats.flush")

FILE = "swiftstats-flusher.prom"
#: How a sweep can end: all was closed that was to be; something is held up; somebody else swept; it failed.
DONE, HELD_UP, WAITED, FAILED = "done", "held_up", "waited", "failed"
#: Of the spool's description: metric, and what it says.
_SPOOL = {
    "bytes": ("swiftstats_spool_bytes", "What the spool's counter files take."),
    "segments": ("swiftstats_spool_segments", "Counter files in the spool."),
    "period_files": ("swiftstats_spool_period_files", "Files of decided periods in the spool."),
    "aside": ("swiftstats_spool_aside_files", "Files that could not be read and were put aside."),
    "workers_live": ("swiftstats_spool_workers_live", "1: a proxy worker has the spool open."),
    "closed_through": ("swiftstats_spool_closed_through_timestamp_seconds", "Up to when no worker of this host counts any more."),
    "shipped_through": ("swiftstats_spool_shipped_through_timestamp_seconds", "Up to when everything was sent."),
}


class Metrics:
    """What a flusher tells of itself; nothing, where `metrics_dir` is not given."""

    def __init__(self, config: Config) -> None:
        self._config, self._spool = config, Spool(config.spool)
        self._registry = CollectorRegistry()
        self._sweeps = self._counter("swiftstats_flusher_sweeps", "Sweeps, by how they ended.", "result")
        for result in (DONE, HELD_UP, WAITED, FAILED):
            self._sweeps.labels(result)
        self._rows = self._counter("swiftstats_flusher_rows", "Rows sent, those that were sent again too.")
        self._periods = self._counter("swiftstats_flusher_periods", "Periods closed.")
        self._requests = self._counter("swiftstats_flusher_counted_requests", "Requests in closed periods, once they were sent.")
        self._bytes = self._counter("swiftstats_flusher_counted_bytes", "Body bytes in them, by direction.", "direction")
        self._losses = self._counter("swiftstats_flusher_losses", "Losses recorded with closed periods, by kind.", "kind")
        self._lost = self._counter("swiftstats_flusher_lost_requests", "Requests in them, as far as they are known.", "kind")
        self._last = self._gauge("swiftstats_flusher_last_sweep_timestamp_seconds", "When a sweep last came to its end.")
        self._seconds = self._gauge("swiftstats_flusher_sweep_duration_seconds", "How long the last sweep took, failed or not.")
        self._backlog = self._gauge("swiftstats_spool_backlog_periods", "Periods that are over and wait in the spool.")
        self._most = self._gauge("swiftstats_spool_max_bytes", "The most that counter files may take: spool_max_bytes.")
        self._of_spool = {name: self._gauge(*said) for name, said in _SPOOL.items()}
        self._failed = False

    def swept(self, result: str, outcome: Outcome, seconds: float) -> None:
        """Take note of a sweep and how long it took, and write the file; a file that cannot be written is said once."""
        if self._config.metrics_dir is None:
            return
        self._add(result, outcome, seconds)
        try:
            self._look()
            metrics_file.replace(self._config.metrics_dir, FILE, generate_latest(self._registry))
            self._failed = False
        except (OSError, JournalError) as error:
            if not self._failed:
                logger.warning("metrics cannot be written into metrics_dir: %s", error)
            self._failed = True

    def _add(self, result: str, outcome: Outcome, seconds: float) -> None:
        self._sweeps.labels(result).inc()
        self._seconds.set(seconds)
        if result in (DONE, HELD_UP):
            self._last.set(int(time.time()))
        self._rows.inc(outcome.rows)
        self._periods.inc(len(outcome.periods))
        self._requests.inc(outcome.counted.requests)
        self._bytes.labels("in").inc(outcome.counted.bytes_in)
        self._bytes.labels("out").inc(outcome.counted.bytes_out)
        for loss in outcome.losses:
            self._losses.labels(loss.kind).inc()
            self._lost.labels(loss.kind).inc(loss.requests)

    def _look(self) -> None:
        """Describe the spool as it stands."""
        found = self._spool.describe()
        for name, gauge in self._of_spool.items():
            value = found[name]
            gauge.set(math.nan if value is None else value)  # type: ignore[arg-type]
        self._most.set(self._config.spool_max_bytes)
        running = periods.floor(time.time(), self._config.period_seconds)
        self._backlog.set(len({segment.start for segment in self._spool.list_segments() if segment.start < running}))

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(name, help, labels, registry=self._registry)

    def _gauge(self, name: str, help: str) -> Gauge:
        return Gauge(name, help, registry=self._registry)
