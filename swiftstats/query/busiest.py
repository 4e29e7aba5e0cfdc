"""Who is busy: the accounts with the most in a range, and all the others together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from sqlalchemy import Connection

from swiftstats import fields
from swiftstats.fields import CELL_COUNT, CELLS, REQUEST_CELLS
from swiftstats.store import many, totals

#: What makes an account busy: the cells that are added up, as what clients were sent and sent counts, billable or not.
BY: Mapping[str, tuple[str, ...]] = {
    "requests": tuple(CELLS[index] for index in REQUEST_CELLS),
    "bytes_in": ("passed_in",),
    "bytes_out": ("passed_out",),
}


@dataclass(frozen=True)
class Row:
    """One account; cells as in fields.CELLS."""

    account: bytes
    cells: tuple[int, ...]

    @property
    def requests(self) -> int:
        """Return its requests, billable or not."""
        return fields.requests(self.cells)


@dataclass(frozen=True)
class Busiest:
    """The busiest accounts of [begin, end), the busiest first, and what all the others used together."""

    begin: int
    end: int
    rows: tuple[Row, ...]
    others: tuple[int, ...]


def busiest(connection: Connection, begin: int, end: int, *, limit: int, by: str = "requests") -> Busiest:
    """Return at most `limit` accounts of a range; `by`: one of BY."""
    top = many.top(connection, begin, end, plus=BY[by], limit=limit)
    cells = many.sums(connection, [each.id for each in top], begin, end)
    rows = tuple(Row(each.name, cells[each.id, None]) for each in top)
    everything = totals.steps(connection, (begin, end)).get(None)
    others = everything[0][1] if everything else (0,) * CELL_COUNT
    for row in rows:
        others = tuple(map(int.__sub__, others, row.cells))
    return Busiest(begin, end, rows, others)
