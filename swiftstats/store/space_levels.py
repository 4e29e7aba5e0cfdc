"""Stretches of an account's space: from one period with a reading to another, joined into longer ones, as rows and as values.

A period is measured where it has a reading, the last in it, or where the account had been found gone before: then it occupies
nothing until it is read as active again.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Iterable, Iterator, NamedTuple, Sequence

from sqlalchemy import Connection, Select, Table, select

from swiftstats import periods
from swiftstats.store.schema import space_days, space_readings
from swiftstats.store.space_report import ACTIVE, STATUSES


class Levels(NamedTuple):
    """Periods of an account from one with a reading to one with a reading, `first` to `last`, each by its start."""

    first: int
    last: int
    gone: bool  #: as the last reading found it
    measured: int
    byte_seconds: int
    max_bytes: int
    max_objects: int
    bytes: int  #: of the last one, as what follows
    objects: int
    containers: int


def joined(levels: Sequence[Levels], period_seconds: int) -> Levels:
    """Join ascending stretches into one, with what is measured between them; there is at least one."""
    measured, gone, at = 0, False, 0
    for level in levels:
        measured += level.measured + ((level.first - at) // period_seconds if gone else 0)
        gone, at = level.gone, level.last + period_seconds
    return Levels(levels[0].first, levels[-1].last, gone, measured, sum(level.byte_seconds for level in levels),
                  max(level.max_bytes for level in levels), max(level.max_objects for level in levels), *levels[-1][-3:])


def of_readings(connection: Connection, days: Sequence[int], low: int, high: int, period_seconds: int,
                ) -> Iterator[tuple[int, Levels]]:
    """Yield (account, stretch of one period) of accounts of [low, high) in `days`, by account, then ascending."""
    of = space_readings.c
    query = readings().where(of.day.in_(days), of.account_id >= low, of.account_id < high)
    return from_readings(connection.execute(query), period_seconds)


def of_days(connection: Connection, days: Sequence[int], low: int, high: int) -> Iterator[tuple[int, Levels]]:
    """Yield (account, stretch of one day) of accounts of [low, high) in `days`, by account, then ascending."""
    of = space_days.c
    query = stretches(space_days).where(of.day.in_(days), of.account_id >= low, of.account_id < high)
    return from_stretches(connection.execute(query))


def readings() -> Select[Any]:
    """Return what reads readings for `from_readings`."""
    of = space_readings.c
    return select(of.account_id, of.period, of.status, of.bytes, of.objects, of.containers).order_by(of.account_id, of.period)


def from_readings(rows: Iterable[Any], period_seconds: int) -> Iterator[tuple[int, Levels]]:
    """Yield (account, stretch of one period); in a period of `period_seconds` the last reading stands."""
    for (number, start), said in groupby(rows, key=lambda row: (row[0], periods.floor(row[1], period_seconds))):
        *_, (_, _, status, size, objects, containers) = said
        yield number, Levels(start, start, STATUSES[status] != ACTIVE, 1, size * period_seconds, size, objects, size, objects,
                             containers)


def stretches(table: Table) -> Select[Any]:
    """Return what reads rows of space_days or space_months for `from_stretches`."""
    lead = next(iter(table.primary_key))
    return select(*(column for column in table.columns if column is not lead)).order_by(table.c.account_id, lead)


def from_stretches(rows: Iterable[Any]) -> Iterator[tuple[int, Levels]]:
    """Yield (account, stretch)."""
    for number, first, last, gone, measured, high, low, *figures in rows:
        yield number, Levels(first, last, bool(gone), measured, (high << 32) + low, *figures)


def row(level: Levels) -> tuple[int, ...]:
    """Return the columns of a stretch, in their order."""
    return (level.first, level.last, int(level.gone), level.measured, level.byte_seconds >> 32, level.byte_seconds & 0xFFFFFFFF,
            *level[5:])
