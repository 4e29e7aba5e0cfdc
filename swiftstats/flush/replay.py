"""Ship the archive again when somebody asks for it: for a database that was restored from a backup, or lost.

It is harmless, whatever is there already: totals are merged by maximum, from the same files as the first time. A sweep does the
same by itself where the database is behind; here nothing is passed over without a word.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Optional

from sqlalchemy.engine import Engine

from swiftstats import periods
from swiftstats.config import Config
from swiftstats.errors import JournalError, PeriodFileError, PeriodFileVersionError
from swiftstats.flush import clock, closing, registration, shipping
from swiftstats.flush.archive import Archive
from swiftstats.flush.sweep import opened
from swiftstats.journal import period_file
from swiftstats.journal.control import SHIPPED_THROUGH, Control
from swiftstats.journal.spool import Spool
from swiftstats.store import kept

#: What became of a period: its rows were shipped (or would be); it was never shipped before, and the flusher will; its file is
#: gone, or cannot be read; it was closed, and its hours have left the database.
SHIPPED, TO_SHIP, WAITING, GONE, DAMAGED = "shipped", "to be shipped", "waiting for the flusher", "gone", "damaged"
LEFT = "passed over, its hours have left"


class Step(NamedTuple):
    """One period file, or a range [begin, end) that has none any more. `lost`: recorded as lost, the database lacks it."""

    begin: int
    end: int
    outcome: str
    rows: int = 0
    reason: str = ""
    lost: bool = False


def replay(config: Config, engine: Engine, *, since: int | None, wait: float = 0.0, now: Callable[[], float] = time.time,
           boot_now: Callable[[], int] = clock.boot_clock) -> Iterator[Step]:
    """Ship period files from `since` on (None: all), a step each; where the database is behind that, from there on.

    Raises what a sweep does, and PeriodFileVersionError where a newer flusher's file would be closed without its rows.
    """
    with opened(config, engine, wait=wait, now=now, boot_now=boot_now) as host:
        registration.register(host)
        shipped, behind = host.control.get(SHIPPED_THROUGH), host.own.closed_through
        # What lies between would be closed as empty by what is shipped after it.
        start = since if since is None or behind >= shipped else min(since, behind)
        gone = _gone(host.archive, start)
        if gone is not None:
            registration.give_up(host, behind, min(gone.end, shipped))
            yield gone._replace(lost=behind < min(gone.end, shipped))
        kept_from = shipping.transact(engine, kept.hours_from)
        for begin, end, path in host.archive.files():
            if start is not None and end <= start:
                continue
            if begin < kept_from and end <= behind:  # the same file has been shipped; now its rows would be refused, as new ones
                yield Step(begin, end, LEFT)
                continue
            if end > shipped:
                yield Step(begin, end, WAITING)
                continue
            before = host.outcome.rows
            try:
                closing.ship_period_file(host, path)
            except PeriodFileError as error:
                if isinstance(error, PeriodFileVersionError) and end > behind:
                    raise
                if end > behind:
                    registration.give_up(host, begin, end)
                yield Step(begin, end, DAMAGED, reason=error.reason, lost=end > behind)
            else:
                yield Step(begin, end, SHIPPED, host.outcome.rows - before)
        closing.close_in_store(host, shipped)


def plan(config: Config, *, since: int | None) -> Iterator[Step]:
    """Yield what `replay` would find in the spool, without a database; nothing is written. Raises JournalError, OSError."""
    spool = Spool(config.spool)
    path = os.path.join(spool.path, "control")
    if not os.path.exists(path):
        raise JournalError(f"{spool.path} is no spool that a flusher has used: nothing to replay")
    control = Control(path)
    try:
        archive, shipped = Archive(spool, control), control.get(SHIPPED_THROUGH)
        gone = _gone(archive, since)
        if gone is not None:
            yield gone
        for begin, end, path in archive.files():
            if since is not None and end <= since:
                continue
            try:
                rows = period_file.read(path)[0].rows
            except PeriodFileError as error:
                yield Step(begin, end, DAMAGED, reason=error.reason)
            else:
                yield Step(begin, end, TO_SHIP if end <= shipped else WAITING, rows)
    finally:
        control.close()


def _gone(archive: Archive, since: int | None) -> Optional[Step]:
    """Return the range from `since` on that the archive no longer holds."""
    begins = archive.begins
    if not begins or (since is not None and since >= begins):
        return None
    return Step(since or 0, begins, GONE, reason=f"the archive begins at {periods.format(begins)} (see archive_hours)")
