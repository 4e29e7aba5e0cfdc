"""One sweep of a spool into a database: register, replay, close what has ended, ship what runs, tidy up, report."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Engine

from swiftstats.config import Config
from swiftstats.errors import SweepInProgress
from swiftstats.flush import clock, closing, merge, registration, running, shipping
from swiftstats.flush.archive import Archive
from swiftstats.flush.host import Host, Outcome
from swiftstats.journal import identity as identities
from swiftstats.journal import period_file
from swiftstats.journal.control import LAST_SWEEP, SHIPPED_THROUGH
from swiftstats.journal.spool import Lock, Spool
from swiftstats.periods import HOUR
from swiftstats.store import writers

#: How often a sweep in progress is looked at while it is waited for (s).
LOOK_SECONDS = 0.05


def sweep(config: Config, engine: Engine, *, with_running: bool, wait: float = 0.0, now: Callable[[], float] = time.time,
          boot_now: Callable[[], int] = clock.boot_clock, outcome: Outcome | None = None) -> Outcome:
    """Sweep once, under the spool's sweep lock; return what was done: `outcome`, which has what was done too where it fails.

    Raises SweepInProgress when another one is still running after `wait` seconds, StoreError when the database fails (all of it
    is done again next time), OSError and JournalError when the spool does.
    """
    with opened(config, engine, wait=wait, now=now, boot_now=boot_now) as host:
        if outcome is not None:
            host.outcome = outcome
        through = registration.register(host)
        registration.replay(host)
        closing.close_through(host, through)
        if with_running:
            running.ship(host)
        _tidy(host)
        _report(host)
        return host.outcome


@contextmanager
def opened(config: Config, engine: Engine, *, wait: float, now: Callable[[], float], boot_now: Callable[[], int],
           ) -> Iterator[Host]:
    """Open this host's spool to ship from it, under the sweep lock; errors are those of `sweep`."""
    spool = Spool(config.spool)
    wanted: dict[str, Any] = {"server": config.server, "period_seconds": config.period_seconds, "now": int(now())}
    spool.prepare(**wanted)[1].close()
    with _sweep_lock(spool, wait):
        # Asked under the lock: who was waited for may have succeeded us, and a writer with a successor must not sweep again.
        identity, control = spool.prepare(**wanted)
        try:
            # Who is registered must outlive a power cut.
            identities.sync(os.path.join(spool.path, "identity"))
            period_file.sync_directory(spool.path)
            yield Host(config, spool, engine, identity, control, Archive(spool, control), lambda: int(now()), boot_now)
        finally:
            control.close()


def _tidy(host: Host) -> None:
    """Remove what nobody needs: half-made segments of dead workers, copies of shipped periods, old period files."""
    shipped = host.control.get(SHIPPED_THROUGH)
    merge.remove_unfinished(host.spool)
    for name in os.listdir(host.spool.copies):
        start = name.split("-")[0]
        if start.isdigit() and int(start) < shipped and not os.path.exists(os.path.join(host.spool.segments, name)):
            os.unlink(os.path.join(host.spool.copies, name))
    host.archive.prune(now=host.now(), keep_seconds=host.config.archive_hours * HOUR, max_bytes=host.config.archive_max_bytes)
    host.control.set(LAST_SWEEP, host.now())
    host.control.sync()


def _report(host: Host) -> None:
    left = host.spool.list_segments()
    host.outcome.segments_left = len(left)
    ended = {segment.start for segment in left if segment.start + host.config.period_seconds <= host.now()}
    shipping.transact(host.engine, lambda connection: writers.report(
        connection, writer=host.own, now=host.now(), spool_bytes=host.spool.counter_bytes(), backlog_periods=len(ended)))


def _sweep_lock(spool: Spool, wait: float) -> Lock:
    give_up = time.monotonic() + wait
    while True:
        try:
            return spool.lock("sweep.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise SweepInProgress(f"{spool.path}: another sweep is in progress; it was waited for {wait:g} s") from None
            time.sleep(LOOK_SECONDS)
