"""One account over a range, step by step and in sum: requests, bytes and the space that it occupied.

The figures are those of the table of one account (query/table.py), where a test holds them against each other; here everything is
read at once, since a page shows hundreds of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from sqlalchemy import Connection

from swiftstats import fields, periods
from swiftstats.query import table_header, table_rows
from swiftstats.query.space import half_up
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.store import many, space, space_sums, usage
from swiftstats.store.space_sums import SpaceSum

#: How far a step is, or what is known of it: all of it, so far, nothing, or it has not begun.
FINAL, OPEN, UNKNOWN, FUTURE = "final", "open", "unknown", "future"


@dataclass(frozen=True)
class Space:
    """The space of a step, of `periods` of which `measured` are known; figures are None where none is."""

    periods: int
    measured: int = 0
    last: Optional[int] = None
    most: Optional[int] = None
    byte_hours: Optional[int] = None
    objects: Optional[int] = None
    containers: Optional[int] = None


@dataclass(frozen=True)
class Step:
    """[begin, end), and how far it is; `io` in the order of fields.FIELDS, None where nobody counted yet, or it has not begun."""

    begin: int
    end: int
    state: str
    io: Optional[tuple[int, ...]]
    space: Space


@dataclass(frozen=True)
class Series:
    """An account's steps, and the whole range. `known`: whether the store has it; `read_at`: when its last reading was read."""

    header: TableHeader
    known: bool
    steps: tuple[Step, ...]
    total: Step
    read_at: Optional[int]


def series(connection: Connection, question: TableQuestion, *, now: float) -> Series:
    """Read the account that the question names first, over the question's steps."""
    header = table_header.header(connection, question, now=now)
    _, account = question.asked[0]
    ids = [each.id for each in many.named(connection, [account])]
    first = usage.first_recorded(connection)
    counted: dict[int, tuple[int, ...]] = {}
    for found in table_rows.cells_of(connection, question, ids).values():
        counted = {start: fields.values(row) for start, row in found}
    spaces, last_period = _spaces(connection, question, ids, now)
    steps = tuple(
        Step(begin, end, *_io(header, begin, end, counted.get(begin), first=first, now=now), each)
        for begin, end, each in zip(question.edges, question.edges[1:], spaces[:-1]))
    sums = tuple(map(sum, zip(*counted.values()))) if counted else None
    total = Step(question.begin, question.end, *_io(header, question.begin, question.end, sums, first=first, now=now), spaces[-1])
    read_at = None
    if last_period is not None:
        for reading in space.readings(connection, account, last_period, last_period + question.period_seconds):
            read_at = reading.read_at
    return Series(header, bool(ids), steps, total, read_at)


def _io(header: TableHeader, begin: int, end: int, counted: Optional[tuple[int, ...]], *, first: Optional[int],
        now: float) -> tuple[str, Optional[tuple[int, ...]]]:
    """Return how far a step is, and what was counted in it; what was counted is always shown."""
    state = FUTURE if begin > now else FINAL if header.complete(end) else OPEN
    if counted is None:
        if first is None or end <= first:
            return (FUTURE if state == FUTURE else UNKNOWN), None
        counted = None if state == FUTURE else (0,) * len(fields.FIELDS)
    return state, counted


def _spaces(connection: Connection, question: TableQuestion, ids: Sequence[int], now: float) -> tuple[list[Space], Optional[int]]:
    """Return the space of each step, then of the whole range; and the last measured period."""
    found: list[Space] = []
    last_period = None
    for edges in (question.edges, (question.begin, question.end)):
        sums = space_sums.steps(connection, ids, edges, period_seconds=question.period_seconds, now=now)
        for begin, end, of_account in zip(edges, edges[1:], sums):
            each = next(iter(of_account.values()), None)
            found.append(_space((end - begin) // question.period_seconds, each))
            last_period = last_period if each is None else each.last_period
    return found, last_period


def _space(asked: int, found: Optional[SpaceSum]) -> Space:
    if found is None:
        return Space(asked)
    return Space(asked, found.measured, found.last_bytes, found.max_bytes, half_up(found.byte_seconds, periods.HOUR),
                 found.last_objects, found.last_containers)
