"""Let hours leave that are older than they are kept, in short steps, one host at a time for the site; to be killed anywhere.

Nothing here waits for a long answer, or lets others wait for it longer than a second or two: what cannot be removed now is
removed another time.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Optional

from sqlalchemy import Engine, Table

from swiftstats import periods
from swiftstats.config import Config
from swiftstats.errors import DatabaseBusy, StoreError
from swiftstats.flush.turns import Idle, Turn
from swiftstats.periods import DAY
from swiftstats.store import engine as engines
from swiftstats.store import kept, retention
from swiftstats.store.retention import Stock
from swiftstats.store.schema import BY_DAY

logger = logging.getLogger("swiftstats.retention")


@dataclass(frozen=True)
class Step:
    """What was removed of `table`: `number` rows, or with `partitions` so many of these; `busy`: why nothing could be."""

    table: str
    number: int
    partitions: bool
    busy: Optional[str] = None


@dataclass(frozen=True)
class Plan:
    """What would leave: hours before `day`, as they are kept from `mark` on; `held`: why not those up to `wanted`.

    Days are numbers; 0: none.
    """

    mark: int
    day: int
    wanted: int
    held: Optional[str]
    stock: tuple[Stock, ...]


def plan(engine: Engine, *, keep_months: int, now: Callable[[], float] = time.time) -> Plan:
    """Return what `let_go` would do now; nothing is written. Raises StoreError."""
    with engines.read(engine) as connection:
        day = retention.wanted(engines.now(connection, now), keep_months)
        leaving = retention.may_leave(connection, day)
        stock = tuple(retention.stock(connection, leaving.day))
        return Plan(kept.hours_from(connection) // DAY, leaving.day, day, leaving.held, stock)


def let_go(engine: Engine, *, holder: str, keep_months: int, batch_rows: int, now: Callable[[], float] = time.time,
           ) -> Generator[Step, None, None]:
    """Let hours leave, yielding after each step; to stop, close it. `keep_months` 0: they never do.

    `holder` names this process to others. Raises NotOurTurn and StoreError: it is to be begun anew then, later.
    """
    turn = Turn(engine, holder, now)
    clock = turn.clock()
    day = retention.wanted(clock, keep_months)
    with engines.read(engine) as connection:
        mark = kept.hours_from(connection) // DAY
        if not retention.is_due(connection, day, clock):
            return
    try:
        leaving = turn.transact(partial(retention.let_go, day=day))
        if leaving.day > mark:
            logger.info("hours before %s leave; days and months stay", periods.format(leaving.day * DAY))
        for table in BY_DAY:
            yield from _remove(turn, table, batch_rows)
            _make_ahead(turn, table, clock)
    finally:
        with suppress(StoreError):
            turn.give()


def idle(config: Config, engine: Engine, stop: threading.Event) -> Idle:
    """Return what lets hours leave between other work."""
    return Idle(partial(let_go, engine, holder=f"{config.server}/{os.getpid()}", keep_months=config.keep_hours_months,
                        batch_rows=config.batch_rows), stop=stop, logger=logger, cannot="cannot let old hours leave, they stay")


def _remove(turn: Turn, table: Table, rows: int) -> Iterator[Step]:
    while True:
        try:
            # Once, and not until it works: whoever comes while it waits for a table waits behind it.
            removed = turn.once(partial(retention.remove_some, table=table, rows=rows))
        except DatabaseBusy as error:
            logger.info("%s is in use, what has left of it is removed another time: %s", table.name, error)
            yield Step(table.name, 0, False, str(error))
            return
        if removed.number:
            yield Step(table.name, removed.number, removed.partitions)
        if removed.partitions or not removed.number:
            return


def _make_ahead(turn: Turn, table: Table, now: float) -> None:
    try:
        turn.once(partial(retention.make_ahead, table=table, now=now))
    except DatabaseBusy as error:
        logger.info("%s is in use, its partitions for months to come are made another time: %s", table.name, error)
