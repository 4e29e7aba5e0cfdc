"""The busiest accounts of a short range, and what all of them used together: from the hours, for what is watched.

For a day at most: every row of the range is read. A long range's top list is that of `many.top`, which knows rollups.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, select

from swiftstats.fields import CELL_COUNT, CELLS, REQUEST_CELLS
from swiftstats.periods import DAY
from swiftstats.store import dialects
from swiftstats.store.schema import accounts, io_hours

Cells = tuple[int, ...]
#: What makes an account busy: the cells that are added up, as what clients were sent and sent counts, billable or not.
BY: Mapping[str, tuple[str, ...]] = {
    "requests": tuple(CELLS[index] for index in REQUEST_CELLS),
    "bytes_in": ("passed_in",),
    "bytes_out": ("passed_out",),
}


def busiest(connection: Connection, begin: int, end: int, *, by: str, limit: int) -> list[tuple[bytes, Cells]]:
    """Return (name, cells) of the accounts with the most of `by` in [begin, end), the busiest first, then by name.

    Cells are exact; the order is that of floats, so that what differs only beyond 2^53 may change places.
    """
    sums = _sums(connection)
    weight = sum((high * 2.0**32 + low for high, low in (sums[name] for name in BY[by])), start=0)
    query = (select(accounts.c.name, *(half for halves in sums.values() for half in halves))
             .join_from(io_hours, accounts, accounts.c.id == io_hours.c.account_id).where(*_within(begin, end))
             .group_by(accounts.c.id, accounts.c.name).order_by(weight.desc(), accounts.c.name).limit(limit))  # type: ignore[union-attr]
    return [(bytes(name), _whole(halves)) for name, *halves in connection.execute(query)]


def everything(connection: Connection, begin: int, end: int) -> Cells:
    """Return the cells of all accounts together in [begin, end); zeros where there is nothing."""
    query = select(*(half for halves in _sums(connection).values() for half in halves)).where(*_within(begin, end))
    halves = connection.execute(query).one()
    return (0,) * CELL_COUNT if halves[1] is None else _whole(halves)


def _sums(connection: Connection) -> dict[str, tuple[ColumnElement[Any], ColumnElement[Any]]]:
    exact_sum = dialects.of(connection).exact_sum
    return {name: exact_sum(io_hours.c[name]) for name in CELLS}


def _within(begin: int, end: int) -> list[ColumnElement[bool]]:
    return [io_hours.c.day.in_(range(begin // DAY, (end - 1) // DAY + 1)), io_hours.c.period >= begin, io_hours.c.period < end]


def _whole(halves: Sequence[Any]) -> Cells:
    return tuple(int(high) * 2**32 + int(low) for high, low in zip(halves[::2], halves[1::2]))
