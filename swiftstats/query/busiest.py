"""Who is busy: the accounts with the most in a range, and all the others together."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from swiftstats import fields
from swiftstats.store import busiest as store


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
    """Return at most `limit` accounts of a range of a day at most; `by`: one of store.busiest.BY."""
    rows = tuple(Row(name, cells) for name, cells in store.busiest(connection, begin, end, by=by, limit=limit))
    others = store.everything(connection, begin, end)
    for row in rows:
        others = tuple(map(int.__sub__, others, row.cells))
    return Busiest(begin, end, rows, others)
