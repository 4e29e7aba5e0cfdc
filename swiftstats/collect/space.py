"""One crawl: read the space of every account by one of two methods, and write it into the store.

What was read stands under the period in which it was read. An account that cannot be read is unknown, never zero; it is tried
again within the period, and the others go on. A crawl that ends half-way, or runs twice at once, does no harm: a replica has one
report per account and period, the later one. Memory does not grow with the number of accounts.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, Callable, Iterable, Iterator, Protocol

from sqlalchemy import Connection
from sqlalchemy.engine import Engine

from swiftstats import periods
from swiftstats.errors import DatabaseAway, DatabaseBusy, Unread
from swiftstats.store import engine as engines
from swiftstats.store import space
from swiftstats.store.space import Report

logger = logging.getLogger("swiftstats.space")

#: Reports that one transaction writes.
REPORTS = 1_000
#: The most accounts that are tried again, and the most that a log names: what is beyond is counted.
AGAIN, NAMED = 10_000, 100
#: The pause before accounts are tried again (s); it doubles.
PAUSE_SECONDS = 1.0
#: A transaction that lost a deadlock is tried so often, with a random pause of up to so many seconds between.
ATTEMPTS, BUSY_SECONDS = 10, 0.5


class Method(Protocol):
    """How accounts are found and read; `read` is called by several threads at once."""

    method: str  #: its name
    batch: int  #: items that one thread reads in a row

    def items(self) -> Iterator[Any]:
        """Yield what `read` takes, and an Unread for what cannot even be looked for."""

    def read(self, item: Any) -> Report | None:
        """Return what is said of an account; None where there is nothing to say any more. Raises Unread."""

    def share(self) -> float | None:
        """Return which share of the items has been yielded, from 0 to 1; None where nobody knows."""


@dataclass
class Outcome:
    """What a crawl has come to so far: accounts (by databases: replicas) seen, read and failed; whether it saw all of them."""

    started_at: int
    ended_at: int | None = None
    seen: int = 0
    read: int = 0
    failed: int = 0
    complete: bool = False


@dataclass(frozen=True)
class _Failure:
    item: Any
    reason: Unread


class Crawl:
    """One crawl by `method`; `run` once. `server`: whose run it is. `stop`: set from elsewhere, ends it early.

    retries: how often what failed is tried again. progress: called for each batch, with the outcome so far.
    """

    def __init__(self, engine: Engine, method: Method, *, server: str, period_seconds: int, concurrency: int = 8,
                 retries: int = 3, stop: threading.Event | None = None, clock: Callable[[], float] = time.time,
                 progress: Callable[[Outcome], None] = lambda outcome: None) -> None:
        self._engine, self._method, self._server, self._period_seconds = engine, method, server, period_seconds
        self._concurrency, self._retries = concurrency, retries
        self._stop, self._clock, self._progress = stop or threading.Event(), clock, progress
        self._waiting: list[Report] = []
        self.outcome = Outcome(int(clock()))

    def run(self) -> Outcome:
        """Crawl; return how it ended. Raises StoreError, and CrawlError where it cannot go on; what was read till then stands."""
        outcome = self.outcome
        whose: dict[str, Any] = {"server": self._server, "method": self._method.method, "started_at": outcome.started_at,
                                 "period": periods.floor(outcome.started_at, self._period_seconds)}
        self._write(lambda connection: space.begin_run(connection, **whose))
        try:
            failures = self._round(self._method.items())
            outcome.complete = not self._stop.is_set()
            failures = self._again(failures)
            self._name(failures)
        finally:
            self._flush()
            outcome.ended_at = int(self._clock())
            self._write(lambda connection: space.end_run(
                connection, **whose, ended_at=int(self._clock()), seen=outcome.seen, read=outcome.read, failed=outcome.failed,
                complete=outcome.complete, period_seconds=self._period_seconds))
        return outcome

    def _again(self, failures: list[_Failure]) -> list[_Failure]:
        """Try what failed again, as long as the period in which the crawl began lasts; return what failed for good."""
        end = periods.floor(self.outcome.started_at, self._period_seconds) + self._period_seconds
        pause = PAUSE_SECONDS
        lasting = [failure for failure in failures if failure.reason.lasting]
        again = [failure for failure in failures if not failure.reason.lasting]
        for _ in range(self._retries):
            if not again or self._clock() + pause >= end or self._stop.wait(pause):
                break
            pause *= 2
            # They were counted when they failed.
            self.outcome.seen -= len(again)
            self.outcome.failed -= len(again)
            again = self._round(failure.item for failure in again)
            lasting += [failure for failure in again if failure.reason.lasting]
            again = [failure for failure in again if not failure.reason.lasting]
        return lasting + again

    def _round(self, items: Iterable[Any]) -> list[_Failure]:
        """Read items; return what failed, as much of it as will be tried again or named."""
        failures: list[_Failure] = []
        kept = {False: 0, True: 0}
        for result in self._results(items):
            if result is None:
                continue
            self.outcome.seen += 1
            if isinstance(result, _Failure):
                self.outcome.failed += 1
                kept[result.reason.lasting] += 1
                if kept[result.reason.lasting] <= (NAMED if result.reason.lasting else AGAIN):
                    failures.append(result)
                continue
            self.outcome.read += 1
            self._waiting.append(result)
            if len(self._waiting) >= REPORTS:
                self._flush()
        return failures

    def _results(self, items: Iterable[Any]) -> Iterator[Report | _Failure | None]:
        """Yield what became of each item, in any order; so many batches are under way as there are threads, and as many wait."""
        source = iter(items)
        if self._concurrency == 1:
            while batch := self._next(source):
                yield from self._read(batch)
                self._progress(self.outcome)
            return
        with ThreadPoolExecutor(self._concurrency) as pool:
            under_way: set[Future[list[Report | _Failure | None]]] = set()
            try:
                while True:
                    while len(under_way) < 2 * self._concurrency and (batch := self._next(source)):
                        under_way.add(pool.submit(self._read, batch))
                    if not under_way:
                        return
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for each in done:
                        yield from each.result()
                    self._progress(self.outcome)
            finally:
                for each in under_way:
                    each.cancel()

    def _next(self, source: Iterator[Any]) -> list[Any]:
        """Return the next batch; nothing when all was seen, or the crawl is to stop."""
        return [] if self._stop.is_set() else list(islice(source, self._method.batch))

    def _read(self, batch: list[Any]) -> list[Report | _Failure | None]:
        results: list[Report | _Failure | None] = []
        for item in batch:
            if isinstance(item, Unread):
                results.append(_Failure(item, item))
                continue
            try:
                results.append(self._method.read(item))
            except Unread as reason:
                # Without its traceback, which would keep every frame, and the whole batch, in memory.
                results.append(_Failure(item, reason.with_traceback(None)))
        return results

    def _flush(self) -> None:
        """Write the reports that wait, each under the period in which it was read."""
        by_period: dict[int, list[Report]] = {}
        for report in self._waiting:
            by_period.setdefault(periods.floor(report.read_at, self._period_seconds), []).append(report)
        self._waiting = []
        for period, reports in sorted(by_period.items()):
            self._write(lambda connection, period=period, reports=reports: space.add_reports(  # type: ignore[misc]
                connection, period=period, reports=reports, now=int(self._clock())))

    def _write(self, body: Callable[[Connection], None]) -> None:
        for attempt in range(ATTEMPTS):
            try:
                with engines.write(self._engine) as connection:
                    return body(connection)
            except DatabaseBusy as error:
                logger.debug("the transaction is tried again: %s", error)
                time.sleep(random.uniform(0, BUSY_SECONDS) * (attempt + 1) / ATTEMPTS)
        raise DatabaseAway(f"the database was busy {ATTEMPTS} times in a row")

    def _name(self, failures: list[_Failure]) -> None:
        for failure in failures[:NAMED]:
            logger.warning("%s is unknown in this period: %s", failure.reason.subject, failure.reason.reason)
        unnamed = self.outcome.failed - min(len(failures), NAMED)
        if unnamed:
            logger.warning("%d more accounts are unknown in this period", unnamed)
