"""Rows of accounts: everything of some of them read at once, so that memory is bounded by a batch, whatever their number.

A row is there for each account that used or occupied anything in the range (or step): so what is final stays as it is though
accounts come. An account asked for by name always has its rows, with zeros; but those of steps that have not begun, and of
servers that nobody ever heard of, are null.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Iterator, NamedTuple, Optional, Sequence

from sqlalchemy import Connection

from swiftstats import fields, periods
from swiftstats.fields import CELL_COUNT
from swiftstats.query.space import half_up
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.store import many, petnames, space_sums, usage
from swiftstats.store.many import Found
from swiftstats.store.parts import Cells
from swiftstats.store.space_sums import SpaceSum

#: Rows, about, that are in memory at once.
ROWS = 50_000

Values = tuple[Optional[int], ...]
_NOTHING = (0,) * CELL_COUNT


class Row(NamedTuple):
    """One row; `values` in the order of the question's `figures`, None where nothing is known."""

    account: Optional[bytes]  #: None: all accounts together
    server: Optional[str]  #: None: all servers together
    time: int  #: where the step begins
    complete: bool  #: whether the step is complete
    values: Values
    petname: Optional[str] = None  #: a local name of the account
    group: Optional[str] = None  #: where rows are by group; None: the accounts without a petname


def batch_size(question: TableQuestion, wanted: int) -> int:
    """Return how many accounts are read at once, of as many as are wanted."""
    return max(1, min(wanted, ROWS // len(question.edges)))


def accounts(connection: Connection, header: TableHeader, batches: Iterator[list[Found]], now: float) -> Iterator[list[Row]]:
    """Yield the rows of each account that has any, together."""
    named = {raw for _, raw in header.question.asked}
    first = usage.first_recorded(connection) if named else None
    for batch in batches:
        yield from _Batch(connection, header, batch, now).accounts(named, first)


class _Batch:
    """Everything of some accounts, read at once."""

    def __init__(self, connection: Connection, header: TableHeader, found: Sequence[Found], now: float) -> None:
        self._header, self._found, self._now = header, found, now
        self._question = question = header.question
        ids = [each.id for each in found]
        self._unheard = {each.name for each in header.servers if each.as_of is None}
        self._petnames = petnames.of(connection, [each.name for each in found])
        self._cells = cells_of(connection, question, ids)
        self._space: list[dict[int, SpaceSum]] = [{} for _ in question.edges[1:]]
        if question.space:
            self._space = space_sums.steps(connection, ids, question.edges, period_seconds=question.period_seconds, now=now)

    def accounts(self, named: set[bytes], first: Optional[int]) -> Iterator[list[Row]]:
        """Yield each account's rows; `named` are those that always have them."""
        counted: dict[int, dict[tuple[Optional[str], int], Cells]] = {}
        for (number, server), found in self._cells.items():
            of_account = counted.setdefault(number, {})
            for start, cells in found:
                of_account[server, start] = cells
        for each in self._found:
            rows = self._of(each, counted.get(each.id, {}), each.name in named, first)
            if rows:
                yield rows

    def _of(self, account: Found, counted: dict[tuple[Optional[str], int], Cells], always: bool, first: Optional[int],
            ) -> list[Row]:
        question = self._question
        servers: list[Optional[str]] = [None]
        if question.by_server:
            every = [each.name for each in self._header.servers] if always else []
            servers = list(sorted({*every, *(server for server, _ in counted if server is not None)}))
        rows = []
        for server in servers:
            for number, (begin, end) in enumerate(zip(question.edges, question.edges[1:])):
                cells, space = counted.get((server, begin)), self._space[number].get(account.id)
                if not (always or (cells is not None and any(cells)) or (space is not None and occupied(space))):
                    continue
                begun = len(question.edges) == 2 or (first is not None and end > first and begin <= self._now)
                nothing = begun and server not in self._unheard
                io: Values = fields.values(cells or _NOTHING) if cells or nothing else (None,) * len(fields.FIELDS)
                rows.append(Row(account.name, server, begin, self._header.complete(end),
                                (*(io[at] for at in question.io), *_space_values(question, space, begin, end)),
                                self._petnames.get(account.name)))
        return rows


def cells_of(connection: Connection, question: TableQuestion, ids: Sequence[int],
             ) -> dict[tuple[int, Optional[str]], list[tuple[int, Cells]]]:
    """Return (start of step, cells) of each account, or account and server, where there is anything."""
    if question.granularity not in ("period", "hour"):
        return many.steps(connection, ids, question.edges, by_server=question.by_server)
    # Steps of a period or an hour are as many as rows: those are read at once, and shorter periods added up here.
    hours = many.hours(connection, ids, question.begin, question.end, by_server=question.by_server)
    found = {}
    for owner, counted in hours.items():
        sums: dict[int, Cells] = {}
        for start, cells in counted:
            step = question.edges[bisect_right(question.edges, start) - 1]
            sums[step] = fields.added(sums.get(step), cells)
        found[owner] = list(sums.items())
    return found


def occupied(space: SpaceSum) -> bool:
    """Tell whether an account held anything at all."""
    return bool(space.max_bytes or space.max_objects or space.last_containers)


def _space_values(question: TableQuestion, space: Optional[SpaceSum], begin: int, end: int) -> Values:
    if not question.space:
        return ()
    asked = (end - begin) // question.period_seconds
    if space is None:
        return (*((None,) * len(question.space)), 0, asked)
    # In the order of fields.SPACE_COLUMNS.
    every = (space.last_bytes, space.max_bytes, half_up(space.byte_seconds, periods.HOUR), space.last_objects,
             space.last_containers)
    return (*(every[at] for at in question.space), space.measured, asked)
