"""One account over a range, step by step and in sum: requests, bytes and the space that it occupied.

The figures are those of the table of one account (query/table.py), where a test holds them against each other; here everything is
read at once, since a page shows hundreds of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

from sqlalchemy import Connection

from swiftstats import fields, periods
from swiftstats.query import space as levels
from swiftstats.query import table, table_header
from swiftstats.query.question import Question
from swiftstats.query.space import half_up
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.store import kept, many, space, space_sums, usage

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
    found = many.named(connection, [account])
    first = usage.first_recorded(connection)
    counted: dict[int, tuple[int, ...]] = {}
    if found:
        cells = table.cells_of(connection, question, [found[0].id])
        counted = {start: fields.values(row) for start, row in cells.get((found[0].id, None), [])}
    spaces, last_period = _spaces(connection, question, account, now)
    steps = tuple(
        Step(begin, end, *_io(header, begin, end, counted.get(begin), first=first, now=now), each)
        for begin, end, each in zip(question.edges, question.edges[1:], spaces[:-1]))
    sums = tuple(map(sum, zip(*counted.values()))) if counted else None
    total = Step(question.begin, question.end, *_io(header, question.begin, question.end, sums, first=first, now=now), spaces[-1])
    read_at = None
    if last_period is not None:
        for reading in space.readings(connection, account, last_period, last_period + question.period_seconds):
            read_at = reading.read_at
    return Series(header, bool(found), steps, total, read_at)


def _io(header: TableHeader, begin: int, end: int, counted: Optional[tuple[int, ...]], *, first: Optional[int],
        now: float) -> tuple[str, Optional[tuple[int, ...]]]:
    """Return how far a step is, and what was counted in it; what was counted is always shown."""
    state = FUTURE if begin > now else FINAL if header.complete(end) else OPEN
    if counted is None:
        if first is None or end <= first:
            return (FUTURE if state == FUTURE else UNKNOWN), None
        counted = None if state == FUTURE else (0,) * len(fields.FIELDS)
    return state, counted


def _spaces(connection: Connection, question: TableQuestion, account: bytes, now: float) -> tuple[list[Space], Optional[int]]:
    """Return the space of each step, then of the whole range; and the last measured period."""
    if question.begin < kept.hours_from(connection):
        return _kept_spaces(connection, question, account, now)
    seconds = question.period_seconds
    runs = list(_runs(connection, question, account, now))
    found, at = [], 0
    for begin, end in zip(question.edges, question.edges[1:]):
        inside = []
        while at < len(runs) and runs[at][0] < end:
            start, count, values = runs[at]
            inside.append((max(start, begin), min(start + count * seconds, end), values))
            if start + count * seconds > end:
                break
            at += 1
        found.append(_space(inside, begin, end, seconds))
    whole = [(start, start + count * seconds, values) for start, count, values in runs]
    found.append(_space(whole, question.begin, question.end, seconds))
    return found, whole[-1][1] - seconds if whole else None


def _kept_spaces(connection: Connection, question: TableQuestion, account: bytes, now: float,
                 ) -> tuple[list[Space], Optional[int]]:
    """The same where readings have left, and days and months of them stand."""
    ids = [each.id for each in many.named(connection, [account])]
    sums = [each for edges in (question.edges, (question.begin, question.end)) for each in space_sums.steps(
        connection, ids, edges, period_seconds=question.period_seconds, now=now)]
    spans = [*zip(question.edges, question.edges[1:]), (question.begin, question.end)]
    found, last_period = [], None
    for (begin, end), of_account in zip(spans, sums):
        asked = (end - begin) // question.period_seconds
        for each in of_account.values():
            last_period = each.last_period
            found.append(Space(asked, each.measured, each.last_bytes, each.max_bytes, half_up(each.byte_seconds, periods.HOUR),
                               each.last_objects, each.last_containers))
        if not of_account:
            found.append(Space(asked))
    return found, last_period


def _runs(connection: Connection, question: TableQuestion, account: bytes, now: float,
          ) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Yield (start, periods, (containers, objects, bytes)) of what is known, ascending."""
    asked = Question("", account, question.begin, question.end, question.period_seconds)
    status = space.last_status(connection, account, question.begin)
    readings = ((reading, None) for reading in space.readings(connection, account, question.begin, question.end))
    for start, count, values, _ in levels.spans(asked, readings, gone=status not in (None, "active"), now=now):
        if values is not None:
            yield start, count, values


def _space(runs: Sequence[tuple[int, int, tuple[int, ...]]], begin: int, end: int, seconds: int) -> Space:
    asked = (end - begin) // seconds
    if not runs:
        return Space(asked)
    containers, objects, last = runs[-1][2]
    return Space(
        periods=asked, measured=sum((until - start) // seconds for start, until, _ in runs), last=last,
        most=max(values[2] for _, _, values in runs),
        byte_hours=half_up(sum((until - start) * values[2] for start, until, values in runs), periods.HOUR),
        objects=objects, containers=containers)
