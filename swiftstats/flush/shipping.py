"""Send rows to the database in bounded transactions, in key order; a deadlock is tried again, everything else is the caller's."""

from __future__ import annotations

import itertools
import logging
import operator
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine

from swiftstats.errors import DatabaseAway, DatabaseBusy
from swiftstats.fields import STORED_MAX
from swiftstats.journal.period_file import Loss, PeriodRow
from swiftstats.store import engine as engines
from swiftstats.store import usage
from swiftstats.store.writers import Writer

#: A transaction that lost a deadlock is tried so often, with a random pause of up to so many seconds between.
ATTEMPTS = 10
PAUSE_SECONDS = 0.5

Result = TypeVar("Result")
#: Names of accounts, and their cells.
Pairs = list[tuple[bytes, tuple[int, ...]]]


def transact(engine: Engine, body: Callable[[Connection], Result]) -> Result:
    """Run `body` in one transaction, and again when it lost a deadlock; raise StoreError as it comes, DatabaseAway at last."""
    for attempt in range(ATTEMPTS):
        try:
            with engines.write(engine) as connection:
                return body(connection)
        except DatabaseBusy as error:
            logging.getLogger("swiftstats.flush").debug("the transaction is tried again: %s", error)
            time.sleep(random.uniform(0, PAUSE_SECONDS) * (attempt + 1) / ATTEMPTS)
    raise DatabaseAway(f"the database was busy {ATTEMPTS} times in a row")


def ship(engine: Engine, rows: Iterable[PeriodRow], *, period: int, writers: Mapping[str, Writer], batch_rows: int, now: int,
         last: Callable[[Connection], None] | None = None) -> int:
    """Merge `rows` (in order of incarnation and name) into `period`; `last` runs in the last transaction. Return how many.

    Whatever of it was shipped before changes nothing. Where it fails, all of it is to be shipped again.
    """
    shipped = 0
    batches = _batches(rows, batch_rows)
    batch = next(batches, None)
    while batch is not None:
        following = next(batches, None)
        incarnation, pairs = batch
        _send(engine, writers[incarnation], pairs, period, now, last if following is None else None)
        shipped += len(pairs)
        batch = following
    if not shipped and last is not None:
        transact(engine, last)
    return shipped


def record(connection: Connection, losses: Iterable[Loss], writers: Mapping[str, Writer], now: int) -> None:
    """Write losses down; one that stands already changes nothing."""
    for loss in losses:
        writer = writers[loss.incarnation]
        usage.record_loss(connection, server_id=writer.server_id, writer_id=writer.id, begin=loss.begin, end=loss.end,
                          kind=loss.kind, subject=loss.subject.encode("utf-8", "surrogateescape")[:256],
                          requests=min(loss.requests, STORED_MAX), bytes_in=min(loss.bytes_in, STORED_MAX),
                          bytes_out=min(loss.bytes_out, STORED_MAX), detail=loss.detail, now=now)


def _send(engine: Engine, writer: Writer, pairs: Pairs, period: int, now: int, last: Callable[[Connection], None] | None) -> None:
    def body(connection: Connection) -> None:
        usage.merge(connection, writer=writer, period=period, rows=pairs, now=now)
        if last is not None:
            last(connection)

    transact(engine, body)


def _batches(rows: Iterable[PeriodRow], most: int) -> Iterator[tuple[str, Pairs]]:
    """Cut rows into lists of at most `most`, each of one incarnation."""
    for incarnation, group in itertools.groupby(rows, key=operator.attrgetter("incarnation")):
        while pairs := [(name, cells) for _, name, cells in itertools.islice(group, most)]:
            yield incarnation, pairs
