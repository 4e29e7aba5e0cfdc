"""Which rows a range is summed from: whole months, whole days, and hours at the edges, each only where it is up to date."""

from __future__ import annotations

from bisect import bisect_left
from typing import Iterator, NamedTuple, Sequence

from sqlalchemy import Connection

from swiftstats import periods
from swiftstats.periods import DAY
from swiftstats.store import marks
from swiftstats.store.marks import IO

MONTHS, DAYS, HOURS = "months", "days", "hours"


class Part(NamedTuple):
    """[begin, end), to be read from rows of one `kind`: MONTHS, DAYS or HOURS; moments in UTC seconds."""

    kind: str
    begin: int
    end: int


class Clean(NamedTuple):
    """What is not to be read from rollups of days, and which months are, as first days; both ascending, within some range."""

    marked: Sequence[int]
    months: Sequence[int]


def cover(connection: Connection, begin: int, end: int, *, of: int = IO) -> tuple[Part, ...]:
    """Return the parts that together are exactly [begin, end): disjoint, ascending, of two neighbours each of another kind.

    `of`: what is read, usage (marks.IO) or space (marks.SPACE).
    """
    return split(clean(connection, begin, end, of=of), begin, end)


def clean(connection: Connection, begin: int, end: int, *, of: int = IO) -> Clean:
    """Return what `split` needs to know of any range within [begin, end)."""
    first, last = -(-begin // DAY), end // DAY
    if last <= first:
        return Clean((), ())
    marked, months = marks.marked_and_rolled(connection, of, first, last)
    if marked:
        months = [month for month in months if bisect_left(marked, month) == bisect_left(marked, periods.next_month(month))]
    return Clean(marked, months)


def split(known: Clean, begin: int, end: int) -> tuple[Part, ...]:
    """Return the parts of [begin, end); see `cover`."""
    return split_steps(known, (begin, end))


def split_steps(known: Clean, edges: Sequence[int]) -> tuple[Part, ...]:
    """Return the parts of all steps between `edges`, which ascend: none of their months and days lies over an edge."""
    parts: list[Part] = []
    for part in (part for begin, end in zip(edges, edges[1:]) for part in _split(known, begin, end)):
        if part.begin >= part.end:
            continue
        if parts and parts[-1].kind == part.kind:
            parts[-1] = Part(part.kind, parts[-1].begin, part.end)
        else:
            parts.append(part)
    return tuple(parts)


def _split(known: Clean, begin: int, end: int) -> Iterator[Part]:
    first, last = -(-begin // DAY), end // DAY
    if last <= first:
        yield Part(HOURS, begin, end)
        return
    yield Part(HOURS, begin, first * DAY)
    at = first
    for month in known.months[bisect_left(known.months, first):]:
        following = periods.next_month(month)
        if following > last:
            break
        if at < month:
            yield from _days(known.marked, at, month)
        yield Part(MONTHS, month * DAY, following * DAY)
        at = following
    yield from _days(known.marked, at, last)
    yield Part(HOURS, last * DAY, end)


def _days(marked: Sequence[int], first: int, last: int) -> Iterator[Part]:
    """Yield days of [first, last), and hours where they are marked."""
    for day in marked[bisect_left(marked, first):bisect_left(marked, last)]:
        yield Part(DAYS, first * DAY, day * DAY)
        yield Part(HOURS, day * DAY, (day + 1) * DAY)
        first = day + 1
    yield Part(DAYS, first * DAY, last * DAY)
