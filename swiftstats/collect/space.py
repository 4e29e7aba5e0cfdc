"""One crawl: read the space of every account by one of two methods, and write it into the store.

What was read stands under the period in which it was read. An account that cannot be read is unknown, never zero; it is tried
again, with growing pauses, until the period is about to end, and the others go on. A crawl that ends half-way, or runs twice at
once, does no harm: a replica has one report per account and period, the later one. Memory does not grow with the number of
accounts.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, Callable, Iterable, Iterator, Protocol

from sqlalchemy.engine import Engine

from swiftstats import periods
from swiftstats.collect.space_batches import Batches
from swiftstats.errors import Unread
from swiftstats.store import space
from swiftstats.store.space import Report

logger = logging.getLogger("swiftstats.space")

#: The most accounts that are tried again, and the most that a log names: what is beyond is counted.
AGAIN, NAMED = 10_000, 100
#: The pause before accounts are tried again (s), which doubles, and the longest one.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0
#: In the last part of a period, one in so many, nothing is tried again: the next crawl is due.
LAST_PART = 60


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

    retries: how often what failed is tried again, at most. interval: a crawl is begun each so many seconds, and none tries
    anything again when the next one is due; by default each period. progress: called for each batch, with the outcome so far;
    ended: called where it may have been the last, when that is written.
    """

    def __init__(self, engine: Engine, method: Method, *, server: str, period_seconds: int, concurrency: int = 8,
                 retries: int = 30, interval: float | None = None, stop: threading.Event | None = None,
                 clock: Callable[[], float] = time.time, progress: Callable[[Outcome], None] = lambda outcome: None,
                 ended: Callable[[Outcome], None] = lambda outcome: None) -> None:
        self._method, self._concurrency, self._retries = method, concurrency, retries
        self._stop, self._clock, self._progress, self._ended = stop or threading.Event(), clock, progress, ended
        self._period_seconds = period_seconds
        self._batches = Batches(engine, period_seconds=period_seconds, clock=clock)
        began = int(clock())
        self.outcome = Outcome(began)
        self._recorded: tuple[object, ...] = ()
        self._whose: dict[str, Any] = {"server": server, "method": method.method, "started_at": began,
                                       "period": periods.floor(began, period_seconds)}
        self._until = min((began // each + 1 - 1 / LAST_PART) * each for each in (period_seconds, interval or period_seconds))

    def run(self) -> Outcome:
        """Crawl; return how it ended. Raises StoreError, and CrawlError where it cannot go on; what was read till then stands."""
        self._batches.write(lambda connection: space.begin_run(connection, **self._whose))
        try:
            failures = self._round(self._method.items())
            self.outcome.complete = not self._stop.is_set()
            # At once: other replicas may have told what failed here, and then the period is complete.
            self._record()
            self._name(self._again(failures))
        finally:
            self._record()
        return self.outcome

    def _record(self) -> None:
        """Write what waits, and how the run has ended, if nothing more comes of it; nothing where that is written."""
        self._batches.flush()
        outcome = self.outcome
        told = (outcome.seen, outcome.read, outcome.failed, outcome.complete)
        if told == self._recorded:
            return
        self._recorded = told
        ended_at = outcome.ended_at = int(self._clock())
        self._batches.write(lambda connection: space.end_run(
            connection, **self._whose, ended_at=ended_at, seen=outcome.seen, read=outcome.read, failed=outcome.failed,
            complete=outcome.complete, period_seconds=self._period_seconds))
        self._ended(outcome)

    def _again(self, failures: list[_Failure]) -> list[_Failure]:
        """Try what failed again, until the period is about to end; return what failed for good."""
        pause = PAUSE_SECONDS
        lasting = [failure for failure in failures if failure.reason.lasting]
        again = [failure for failure in failures if not failure.reason.lasting]
        if again and self._retries and self._clock() < self._until:
            logger.warning("%d could not be read, tried again until %s, such as %s: %s", len(again),
                           periods.format(int(self._until)), again[0].reason.subject, again[0].reason.reason)
        for _ in range(self._retries):
            # Towards the end they come closer again.
            wait_seconds = min(pause, (self._until - self._clock()) / 2)
            if not again or wait_seconds < PAUSE_SECONDS or self._stop.wait(wait_seconds):
                break
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            left = iter(again)
            again = [*self._round(self._in_time(left), again=True), *left]
            lasting += [failure for failure in again if failure.reason.lasting]
            again = [failure for failure in again if not failure.reason.lasting]
            self._record()
        return lasting + again

    def _in_time(self, failures: Iterator[_Failure]) -> Iterator[Any]:
        """Yield what failed, as long as there is time to read it again."""
        while self._clock() < self._until and (failure := next(failures, None)):
            yield failure.item

    def _round(self, items: Iterable[Any], *, again: bool = False) -> list[_Failure]:
        """Read items, `again` where they failed before; return what failed, as much of it as will be tried again or named."""
        failures: list[_Failure] = []
        kept = {False: 0, True: 0}
        for result in self._results(items):
            if again:  # it was counted when it failed
                self.outcome.seen -= 1
                self.outcome.failed -= 1
            if result is None:
                continue
            self.outcome.seen += 1
            if not isinstance(result, _Failure):
                self.outcome.read += 1
                self._batches.add(result)
                continue
            self.outcome.failed += 1
            if result.reason.account is not None:
                self._batches.add_unread(result.reason.account)
            kept[result.reason.lasting] += 1
            if kept[result.reason.lasting] <= (NAMED if result.reason.lasting else AGAIN):
                failures.append(result)
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

    def _name(self, failures: list[_Failure]) -> None:
        for failure in failures[:NAMED]:
            logger.warning("%s is unknown in this period: %s", failure.reason.subject, failure.reason.reason)
        unnamed = self.outcome.failed - min(len(failures), NAMED)
        if unnamed:
            logger.warning("%d more accounts are unknown in this period", unnamed)
