"""Roll up what has changed, in short transactions, one host at a time for the site; killed between any two, nothing is lost.

A day is rolled up when it is over, and the hosts have had time to flush it; a month when it is over and all of its days are.
Until then, and whenever something changed since, sums come from finer rows, and are the same.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from sqlalchemy.engine import Connection, Engine

from swiftstats import periods
from swiftstats.errors import StoreError, TooLarge
from swiftstats.flush.turns import Idle, Turn
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import marks, rollups
from swiftstats.store.rollups import Roll

logger = logging.getLogger("swiftstats.rollup")

#: A day is left alone for so long (s) after its end: its last hour is flushed then, and closed.
SETTLE_SECONDS = HOUR
#: How many accounts' ids a first transaction goes over, and how long (s) one should take.
FIRST_WIDTH, BATCH_SECONDS = 16, 0.2
#: What the kinds are called.
NAMES = {marks.IO: "usage", marks.SPACE: "space"}


@dataclass(frozen=True)
class Step:
    """How far it is after a transaction: `done` of `units` days and months, and the share of the one in work."""

    done: int
    units: int
    share: float
    what: str  #: usage of 2026-10-21


def roll_up(engine: Engine, *, holder: str, period_seconds: int, settle: int = SETTLE_SECONDS,
            now: Callable[[], float] = time.time) -> Generator[Step, None, None]:
    """Roll up every day and month that is due, yielding after each transaction; to stop, close it.

    `holder` names this process to others; `period_seconds` is the length of periods where the site has none yet. Raises
    NotOurTurn and StoreError: it is to be begun anew then, later.
    """
    turn = Turn(engine, holder, now)
    before = int(turn.clock() - settle) // DAY
    with engines.read(engine) as connection:
        days = marks.due_days(connection, before)
        pending = bool(days) or bool(marks.due_months(connection, before))
    if not pending:
        return
    turn.transact(lambda connection: rollups.fix_period(connection, period_seconds))
    job = _Job(turn)
    try:
        for number, (day, kind) in enumerate(days):
            for share in job.day(kind, day):
                yield Step(number, len(days), share, _what(kind, day))
        with engines.read(engine) as connection:
            months = marks.due_months(connection, before)
        for number, (month, kind) in enumerate(months, len(days)):
            for share in job.month(kind, month):
                yield Step(number, len(days) + len(months), share, _what(kind, month)[:-3])
    finally:
        with suppress(StoreError):  # then it is waited for, rollups.TURN_SECONDS
            turn.give()


def idle(engine: Engine, *, server: str, period_seconds: int, stop: threading.Event) -> Idle:
    """Return what rolls up between other work."""
    return Idle(partial(roll_up, engine, holder=f"{server}/{os.getpid()}", period_seconds=period_seconds), stop=stop,
                logger=logger, cannot="cannot roll up, sums are read from hours meanwhile")


class _Job:
    """Days and months in batches of accounts; each transaction takes the turn first."""

    def __init__(self, turn: Turn) -> None:
        self._transact = turn.transact
        self._widths: dict[Roll, int] = {}  # how many ids a transaction goes over

    def day(self, kind: int, day: int) -> Iterator[float]:
        """Roll a day up; yield the share that is done."""
        found, last = self._transact(
            lambda connection: (marks.marks_of(connection, kind, day), rollups.last_account(connection)))
        settle = marks.clear
        try:
            yield from self._batches(rollups.DAY_ROLLS[kind], day, last, lambda connection: rollups.change_month(
                connection, kind, periods.month(day)))
        except TooLarge:
            logger.warning("%s has a sum beyond 2^63-1, which is read from its hours", _what(kind, day))
            settle = marks.too_large
        for mark in found:
            self._transact(partial(settle, found=mark))
            yield 1.0

    def month(self, kind: int, month: int) -> Iterator[float]:
        """Roll a month up; yield the share that is done."""
        changed, last = self._transact(
            lambda connection: (rollups.changes(connection, kind, month), rollups.last_account(connection)))
        too_large = False
        try:
            yield from self._batches(rollups.MONTH_ROLLS[kind], month, last, lambda connection: None)
        except TooLarge:
            logger.warning("%s has a sum beyond 2^63-1, which is read from its days", _what(kind, month)[:-3])
            too_large = True
        self._transact(lambda connection: rollups.end_month(connection, kind, month, changed, too_large=too_large))
        yield 1.0

    def _batches(self, rolls: Sequence[Roll], unit: int, last: int, before: Callable[[Connection], None]) -> Iterator[float]:
        """Roll accounts up to id `last` up, each range of ids in a transaction; yield the share that is done."""
        for number, roll in enumerate(rolls):
            low = 0
            while low <= last:
                width = self._widths.get(roll, FIRST_WIDTH)
                began = time.monotonic()
                self._transact(partial(_batch, before, roll, unit, low, low + width))
                low, took = low + width, time.monotonic() - began
                yield (number + min(low / (last + 1), 1)) / len(rolls)
                # How many rows an account has is anybody's guess: what counts is how long others wait.
                self._widths[roll] = (2 * width if took < BATCH_SECONDS / 2 and width <= last
                                      else max(width // 2, 1) if took > BATCH_SECONDS else width)


def _batch(before: Callable[[Connection], None], roll: Roll, unit: int, low: int, high: int, connection: Connection) -> None:
    before(connection)
    roll(connection, unit, low, high)


def _what(kind: int, day: int) -> str:
    return f"{NAMES[kind]} of {periods.iso(day * DAY)[:10]}"
