"""Which days and months have changed since they were rolled up.

A mark is written in the transaction of the change it tells of, last of all, and by each writer in a row of its own: flushers do
not wait for each other, and who takes marks away holds nothing that a flusher could wait for it with. A day without a mark is
clean: its rollups are what its hours add up to. A month is, where it was rolled up since any of its days was, and none of its
days has a mark.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, literal_column, select, union_all, update

from swiftstats import periods
from swiftstats.store import upsert
from swiftstats.store.schema import rollup_marks, rollup_months

#: Kinds of what is rolled up, each with marks of its own.
IO, SPACE = 0, 1


# PERF: bench/sums.py; made once, and both asked at once, since every sum asks: SQLAlchemy takes longer to put a statement
# together than the database to answer it.
_MARKED = select(rollup_marks.c.day).distinct().where(
    rollup_marks.c.kind == bindparam("kind"), rollup_marks.c.day >= bindparam("first"), rollup_marks.c.day < bindparam("end"))
_ROLLED = select(rollup_months.c.month).where(
    rollup_months.c.kind == bindparam("kind"), rollup_months.c.month >= bindparam("first"),
    rollup_months.c.month < bindparam("end"), rollup_months.c.rolled == rollup_months.c.changed)
_BOTH = union_all(_MARKED.add_columns(literal_column("0")), _ROLLED.add_columns(literal_column("1")))


class Mark(NamedTuple):
    """A mark as it was read; the day is clean of it when it is taken away with the same stamp."""

    kind: int
    day: int
    marker: int
    stamp: int


def mark(connection: Connection, kind: int, day: int, marker: int) -> None:
    """Say that `marker` changed a day; the last statement of the change, that the row be held for the COMMIT only."""
    # A stamp that comes again would hide a change from who read the mark before: a count that begins anew once the mark is
    # away could, a random number will not.
    upsert.latest(connection, rollup_marks, [(kind, day, marker, secrets.randbits(62), 0)])


def marked_days(connection: Connection, kind: int, first: int, end: int) -> list[int]:
    """Return the days of [first, end) that are not clean, ascending: they are answered from their hours."""
    return sorted(connection.execute(_MARKED, {"kind": kind, "first": first, "end": end}).scalars())


def marked_and_rolled(connection: Connection, kind: int, first: int, end: int) -> tuple[list[int], list[int]]:
    """Return the days of [first, end) that are not clean, and the months that begin in it and were rolled up since any of their
    days was; both ascending, and of the months some may have days that are not clean.
    """
    found: tuple[list[int], list[int]] = [], []
    for number, is_rolled in connection.execute(_BOTH, {"kind": kind, "first": first, "end": end}):
        found[is_rolled].append(number)
    return sorted(found[0]), sorted(found[1])


def clean_months(connection: Connection, kind: int, first: int, end: int) -> list[int]:
    """Return the first days of the clean months that begin in [first, end), ascending."""
    months = sorted(connection.execute(_ROLLED, {"kind": kind, "first": first, "end": end}).scalars())
    if not months:
        return []
    marked = {periods.month(day) for day in marked_days(connection, kind, months[0], periods.next_month(months[-1]))}
    return [month for month in months if month not in marked]


def due_days(connection: Connection, before: int) -> list[tuple[int, int]]:
    """Return (day, kind) of the days before `before` that are to be rolled up, ascending."""
    of = rollup_marks.c
    query = select(of.day, of.kind).distinct().where(of.day < before, of.too_large == 0).order_by(of.day, of.kind)
    return [(day, kind) for day, kind in connection.execute(query)]


def due_months(connection: Connection, before: int) -> list[tuple[int, int]]:
    """Return (month, kind) of the months that end by day `before`, are to be rolled up, and have no marked day, ascending."""
    of = rollup_months.c
    query = select(of.month, of.kind).where(
        of.month < before, of.rolled.is_(None) | (of.rolled != of.changed),
        of.too_large.is_(None) | (of.too_large != of.changed)).order_by(of.month, of.kind)
    return [(month, kind) for month, kind in connection.execute(query).all()
            if periods.next_month(month) <= before and not marked_days(connection, kind, month, periods.next_month(month))]


def marks_of(connection: Connection, kind: int, day: int) -> list[Mark]:
    """Return the marks of a day; those are to be read before anything that is rolled up."""
    query = select(rollup_marks.c.marker, rollup_marks.c.stamp).where(rollup_marks.c.kind == kind, rollup_marks.c.day == day)
    return [Mark(kind, day, marker, stamp) for marker, stamp in connection.execute(query.order_by(rollup_marks.c.marker))]


def clear(connection: Connection, found: Mark) -> None:
    """Take a mark away, if nothing was changed since it was read. One a transaction: else flushers could wait in a circle."""
    connection.execute(delete(rollup_marks).where(*_is(found)))


def too_large(connection: Connection, found: Mark) -> None:
    """Say of a mark, if nothing was changed since it was read, that its day has a sum beyond 2^63-1. One a transaction."""
    connection.execute(update(rollup_marks).where(*_is(found)).values(too_large=1))


def _is(found: Mark) -> list[ColumnElement[bool]]:
    of = rollup_marks.c
    return [of.kind == found.kind, of.day == found.day, of.marker == found.marker, of.stamp == found.stamp]
