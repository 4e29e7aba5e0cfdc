"""Which rows a range is summed from: whole months, whole days, and hours at the edges, each only where it is up to date."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

MONTHS, DAYS, HOURS = "months", "days", "hours"


class Part(NamedTuple):
    """[begin, end), to be read from rows of one `kind`: MONTHS, DAYS or HOURS; moments in UTC seconds."""

    kind: str
    begin: int
    end: int


def cover(connection: Connection, begin: int, end: int) -> tuple[Part, ...]:
    """Return the parts that together are exactly [begin, end): disjoint, ascending, of two neighbours each of another kind."""
    return (Part(HOURS, begin, end),) if begin < end else ()
