"""The flusher as a daemon: elected by a lock, sweeping after each period and interval, syncing counters, idle time to roll up.

While the database is away the spool keeps everything: the daemon tries again with growing pauses, says so once per outage, and
catches up in order. It ends on SIGTERM or SIGINT after the sweep under way; one that a worker started ends too when no worker
lives and nothing is left to ship.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import signal
import threading
import time
from types import FrameType

from sqlalchemy.engine import Engine

from swiftstats import periods
from swiftstats.config import Config
from swiftstats.errors import JournalError, StoreError, SweepInProgress
from swiftstats.flush import retention, rollup
from swiftstats.flush.host import Outcome
from swiftstats.flush.metrics import DONE, FAILED, HELD_UP, WAITED, Metrics
from swiftstats.flush.sweep import sweep
from swiftstats.journal.spool import Lock, Spool
from swiftstats.store import engine as engines

logger = logging.getLogger("swiftstats.flush")

#: The pause after a first failure and the longest one (s).
BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 60.0
#: How often it is looked whether it is time (s).
LOOK_SECONDS = 1.0
#: Somebody who only looks holds the flusher's lock for an instant: it is asked for again so long (s).
ELECTION_SECONDS = 2.0


def elect(spool: Spool) -> Lock | None:
    """Take the flusher's lock for life; None where this host has a flusher."""
    os.makedirs(spool.path, 0o700, exist_ok=True)
    give_up = time.monotonic() + ELECTION_SECONDS
    while True:
        try:
            return spool.lock("flusher.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                return None
            time.sleep(ELECTION_SECONDS / 20)


class Daemon:
    """Sweeps until told to stop. `spawned`: started by a worker, and not needed longer than workers and their counts."""

    def __init__(self, config: Config, engine: Engine, *, spawned: bool = False) -> None:
        self.config, self.engine, self.spawned = config, engine, spawned
        self.spool = Spool(config.spool)
        self._stop = threading.Event()
        self._elected: Lock | None = None
        self._away_since: float | None = None
        self._pause = BACKOFF_SECONDS
        self._metrics = Metrics(config)
        self._idle = (rollup.idle(engine, server=config.server, period_seconds=config.period_seconds, stop=self._stop),
                      retention.idle(config, engine, self._stop))

    def handle_signals(self) -> None:
        """End cleanly on SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def run(self, elected: Lock | None = None) -> None:
        """Sweep at the start, then whenever it is time; meanwhile counters are forced to disk, by a thread of its own.

        `elected`: the lock of `elect`, which is released at the end.
        """
        self._elected = elected
        # A sweep may wait long for a slow database, and what a power cut may cost must not grow by that.
        syncing = threading.Thread(target=self._sync, name="sync", daemon=True)
        syncing.start()
        try:
            self._sweep_until_stopped()
        finally:
            self._stop.set()
            syncing.join()
            for idle in self._idle:
                idle.end()
            if self._elected is not None:
                self._elected.release()
        logger.info("stopped; what is not shipped stays in %s", self.config.spool)

    def _sweep_until_stopped(self) -> None:
        next_sweep = 0.0
        longest = max(self.config.flush_interval + self.config.flush_jitter, LONGEST_BACKOFF_SECONDS)
        while not self._stop.is_set() and self._is_elected():
            if not next_sweep - longest <= time.time() < next_sweep:  # it is time, or the clock was set back
                outcome = self._guarded_sweep()
                if outcome is None or outcome.held_up:
                    next_sweep = time.time() + self._pause
                    self._pause = min(2 * self._pause, LONGEST_BACKOFF_SECONDS)
                else:
                    self._pause = BACKOFF_SECONDS
                    next_sweep = self._next_time(outcome)
                    if self.spawned and not outcome.segments_left and not outcome.to_be_ended and not self.spool.workers_live():
                        logger.info("no worker lives and everything is shipped: done")
                        return
                    for idle in self._idle:
                        idle.work(next_sweep - time.time())
            # Looked at again each second: the wall clock may be set meanwhile.
            self._stop.wait(min(LOOK_SECONDS, max(next_sweep - time.time(), 0.01)))

    def _is_elected(self) -> bool:
        """Tell whether this is still the host's flusher; where its lock went with the spool, it stands for election again."""
        try:
            if self._elected is None or self._elected.is_in_place():
                return True
            again = elect(self.spool)
        except OSError as error:  # a sweep will say so, and goes on trying
            logger.debug("%s", error)
            return True
        if again is None:
            logger.warning("the spool was removed, and has another flusher by now: this one ends")
            return False
        self._elected.release()
        self._elected = again
        return True

    def stop(self) -> None:
        """End after the sweep under way."""
        self._stop.set()

    def _next_time(self, outcome: Outcome) -> float:
        """Return when to sweep next: after the next multiple of the interval and after the period, a little at random.

        Sooner where a predecessor is to be ended: as late as it would itself have swept by then, if it lives.
        """
        now = time.time()
        interval = min(self.config.flush_interval, self.config.period_seconds)
        due = (now // interval + 1) * interval
        if outcome.to_be_ended:
            due = min(due, now + self.config.flush_jitter + LONGEST_BACKOFF_SECONDS)
        return float(min(due, periods.floor(now, self.config.period_seconds) + self.config.period_seconds)
                     + random.uniform(0, min(self.config.flush_jitter, interval / 10)))

    def _guarded_sweep(self) -> Outcome | None:
        outcome, began, result = Outcome(), time.monotonic(), FAILED
        try:
            engines.check_schema(self.engine)  # it may have been migrated under us
            with_running = self.config.flush_interval < self.config.period_seconds
            outcome = sweep(self.config, self.engine, with_running=with_running, outcome=outcome)
            result = HELD_UP if outcome.held_up else DONE
        except SweepInProgress as error:
            logger.info("%s; trying again", error)
            result = WAITED
            return None
        except (StoreError, JournalError, OSError) as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
                logger.error("cannot flush, the spool keeps everything until it works again: %s", error)
            return None
        except Exception:
            logger.exception("a sweep failed for a reason that nobody thought of; the spool keeps everything, trying again")
            return None
        finally:
            self._metrics.swept(result, outcome, time.monotonic() - began)
        if self._away_since is not None:
            logger.warning("flushing works again after %.0f s", time.monotonic() - self._away_since)
            self._away_since = None
        logger.info("closed through %s, %d rows shipped, %d segments left", periods.iso(outcome.closed_through), outcome.rows,
                    outcome.segments_left)
        return outcome

    def _sync(self) -> None:
        """Force counters to disk each msync_interval: what a power cut may cost is what was counted since."""
        while not self._stop.wait(self.config.msync_interval):
            try:
                self._sync_segments()
            except OSError as error:
                logger.debug("%s", error)

    def _sync_segments(self) -> None:
        for segment in self.spool.list_segments():
            try:
                fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except FileNotFoundError:
                continue
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()
