"""What a crawl has read and not written yet: few rows, in memory, until one transaction takes them.

Each report stands under the period in which it was read. An account that was found and could not be read is recorded too: the
period is not complete without it, though nobody may know it otherwise.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Callable

from sqlalchemy import Connection
from sqlalchemy.engine import Engine

from swiftstats import periods
from swiftstats.errors import DatabaseAway, DatabaseBusy
from swiftstats.store import engine as engines
from swiftstats.store import space
from swiftstats.store.space import Report

logger = logging.getLogger("swiftstats.space")

#: Reports, or accounts that could not be read, that one transaction writes; and rows, of which each container listed is one.
REPORTS, ROWS = 1_000, 10_000
#: A transaction that lost a deadlock is tried so often, with a random pause of up to so many seconds between.
ATTEMPTS, BUSY_SECONDS = 10, 0.5


class Batches:
    """Reports and accounts to be written, by one thread; what is full is written at once, and `flush` writes the rest.

    `add` and `add_unread` may write, and so raise StoreError.
    """

    def __init__(self, engine: Engine, *, period_seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._period_seconds, self._clock = engine, period_seconds, clock
        self._reports: list[Report] = []
        self._rows = 0
        self._unread: dict[int, set[bytes]] = {}  # by period

    def add(self, report: Report) -> None:
        """Take a report."""
        self._reports.append(report)
        self._rows += 1 + len(report.containers_by_name or ())
        if len(self._reports) >= REPORTS or self._rows >= ROWS:
            self._flush_reports()

    def add_unread(self, account: bytes) -> None:
        """Take the name of an account that cannot be read now."""
        of_period = self._unread.setdefault(periods.floor(self._clock(), self._period_seconds), set())
        of_period.add(account)
        if len(of_period) >= REPORTS:
            self._flush_unread()

    def flush(self) -> None:
        """Write what waits."""
        self._flush_reports()
        self._flush_unread()

    def write(self, body: Callable[[Connection], None]) -> None:
        """Do `body` in a transaction, again where it lost a deadlock; raise StoreError."""
        for attempt in range(ATTEMPTS):
            try:
                with engines.write(self._engine) as connection:
                    return body(connection)
            except DatabaseBusy as error:
                logger.debug("the transaction is tried again: %s", error)
                time.sleep(random.uniform(0, BUSY_SECONDS) * (attempt + 1) / ATTEMPTS)
        raise DatabaseAway(f"the database was busy {ATTEMPTS} times in a row")

    def _flush_reports(self) -> None:
        by_period: dict[int, list[Report]] = {}
        for report in self._reports:
            by_period.setdefault(periods.floor(report.read_at, self._period_seconds), []).append(report)
        self._reports, self._rows = [], 0
        for period, reports in sorted(by_period.items()):
            self.write(lambda connection, period=period, reports=reports: space.add_reports(  # type: ignore[misc]
                connection, period=period, reports=reports, now=int(self._clock())))

    def _flush_unread(self) -> None:
        unread, self._unread = self._unread, {}
        for period, accounts in sorted(unread.items()):
            self.write(lambda connection, period=period, accounts=accounts: space.add_unread(  # type: ignore[misc]
                connection, period=period, accounts=accounts, now=int(self._clock())))
