"""Usage and space of many accounts at once: a list of accounts in, what each of them has out; exact beyond 2^63.

Ids are good within the transaction that read them. Lists of accounts are a page or a batch, some thousands at most: memory is
bounded by them, and by the number of steps that are asked for.
"""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple, Optional, Sequence

from sqlalchemy import ColumnElement, Connection, Select, func, select

from swiftstats.periods import DAY
from swiftstats.store import dialects, space_sums, upsert
from swiftstats.store.schema import accounts, io_hours, servers, writers
from swiftstats.store.space_sums import SpaceSum
from swiftstats.store.status import as_text
from swiftstats.store.usage import DAYS, halves, whole

Cells = tuple[int, ...]
#: Whose cells: of an account over all servers (id, None), or on one server (id, its name).
Owner = tuple[int, Optional[str]]


class Found(NamedTuple):
    """An account of the dictionary."""

    id: int
    name: bytes


def accounts_after(connection: Connection, *, after: Optional[bytes], limit: int, prefix: bytes = b"") -> list[Found]:
    """Return at most `limit` accounts by name, bytewise: those after `after` (None begins) whose names begin with `prefix`."""
    query = select(accounts.c.id, accounts.c.name).where(*_begins(prefix))
    if after is not None:
        query = query.where(accounts.c.name > after)
    return _found(connection, query.order_by(accounts.c.name).limit(limit))


def named(connection: Connection, names: Sequence[bytes]) -> list[Found]:
    """Return those of `names` that the dictionary has, by name."""
    return [Found(number, name) for name, number in sorted(upsert.account_ids(connection, set(names)).items())]


def sums(connection: Connection, ids: Sequence[int], begin: int, end: int, *, by_server: bool = False) -> dict[Owner, Cells]:
    """Return the cells of each account, or account and server, summed over [begin, end); only those with something."""
    return {owner: found[0][1] for owner, found in steps(connection, ids, (begin, end), by_server=by_server).items()}


def hours(connection: Connection, ids: Sequence[int], begin: int, end: int, *, by_server: bool = False,
          ) -> dict[Owner, list[tuple[int, Cells]]]:
    """Return (period, cells) of each account, or account and server, in [begin, end), ascending; only with something."""
    found: dict[Owner, list[tuple[int, Cells]]] = {}
    keys = (*_owner(by_server), io_hours.c.period)
    for query in _of_hours(connection, ids, begin, end, keys, by_server):
        for *owner, period, cells in _rows(connection, query.order_by(io_hours.c.period), len(keys)):
            found.setdefault(_named_owner(owner), []).append((period, cells))
    return found


def steps(connection: Connection, ids: Sequence[int], edges: Sequence[int], *, by_server: bool = False,
          ) -> dict[Owner, list[tuple[int, Cells]]]:
    """Return (start, cells) of each account, or account and server, for the steps between `edges`; only with something.

    `edges` ascend: step n is [edges[n], edges[n + 1]), whatever its length.
    """
    found: dict[Owner, list[tuple[int, Cells]]] = {}
    for begin, end in zip(edges, edges[1:]):
        of_step: dict[Owner, Cells] = {}
        keys = _owner(by_server)
        for query in _of_hours(connection, ids, begin, end, keys, by_server):
            for *owner, cells in _rows(connection, query, len(keys)):
                _add(of_step, _named_owner(owner), cells)
        for whose, cells in of_step.items():
            found.setdefault(whose, []).append((begin, cells))
    return found


def top(connection: Connection, begin: int, end: int, *, plus: str, minus: Optional[str], limit: int,
        prefix: bytes = b"") -> list[Found]:
    """Return the accounts with the greatest sum of cell `plus` less cell `minus` over [begin, end), greatest first, then by name.

    Only accounts with anything in the range, whose names begin with `prefix`.
    """
    days = connection.execute(select(select(func.min(io_hours.c.day)).scalar_subquery(),
                                     select(func.max(io_hours.c.day)).scalar_subquery())).one()
    if days[0] is None or begin >= end:
        return []
    dialect = dialects.of(connection)
    greatest = dialect.exact_order(io_hours.c[plus], None if minus is None else io_hours.c[minus])
    query = (select(accounts.c.id, accounts.c.name).join_from(io_hours, accounts, accounts.c.id == io_hours.c.account_id)
             .where(io_hours.c.day.between(max(days[0], begin // DAY), min(days[1], (end - 1) // DAY)),
                    io_hours.c.period >= begin, io_hours.c.period < end, *_begins(prefix))
             .group_by(accounts.c.id, accounts.c.name).order_by(*(each.desc() for each in greatest), accounts.c.name))
    return _found(connection, query.limit(limit))


def space(connection: Connection, ids: Sequence[int], begin: int, end: int, *, period_seconds: int, now: float,
          ) -> dict[int, SpaceSum]:
    """Return what each account occupied in [begin, end), of those that were measured in it; `now` tells which periods began."""
    return space_sums.sums(connection, ids, begin, end, period_seconds=period_seconds, now=now)


def _of_hours(connection: Connection, ids: Sequence[int], begin: int, end: int, keys: Sequence[ColumnElement[Any]],
              by_server: bool) -> Iterator[Select[Any]]:
    """Yield queries that together sum hours of [begin, end) by `keys`: rows are the keys, then halves; see usage.whole."""
    first, last = connection.execute(select(select(func.min(io_hours.c.day)).scalar_subquery(),
                                            select(func.max(io_hours.c.day)).scalar_subquery())).one()
    if first is None or begin >= end:
        return
    first, last = max(first, begin // DAY), min(last, (end - 1) // DAY)
    summed = select(*keys, *halves(dialects.of(connection), io_hours)).group_by(*keys)
    if by_server:
        summed = summed.join_from(io_hours, writers, writers.c.id == io_hours.c.writer_id).join(
            servers, servers.c.id == writers.c.server_id)
    for day in range(first, last + 1, DAYS):
        for start in range(0, len(ids), upsert.NAMES):
            yield summed.where(
                io_hours.c.day.in_(range(day, min(day + DAYS, last + 1))),
                io_hours.c.account_id.in_(ids[start:start + upsert.NAMES]),
                io_hours.c.period >= begin, io_hours.c.period < end)


def _owner(by_server: bool) -> tuple[ColumnElement[Any], ...]:
    return (io_hours.c.account_id, servers.c.name) if by_server else (io_hours.c.account_id,)


def _named_owner(owner: Sequence[Any]) -> Owner:
    return owner[0], as_text(owner[1]) if len(owner) > 1 else None


def _rows(connection: Connection, query: Select[Any], keys: int) -> Iterator[tuple[Any, ...]]:
    for row in connection.execute(query):
        yield (*row[:keys], whole(row[keys:]))


def _add(found: dict[Owner, Cells], owner: Owner, cells: Cells) -> None:
    before = found.get(owner)
    found[owner] = cells if before is None else tuple(map(int.__add__, before, cells))


def _begins(prefix: bytes) -> list[ColumnElement[bool]]:
    """Return what keeps names that begin with `prefix`: a range of the key, since LIKE on bytes is none everywhere."""
    if not prefix:
        return []
    after = prefix.rstrip(b"\xff")
    bounds = [accounts.c.name >= prefix]
    return bounds if not after else [*bounds, accounts.c.name < after[:-1] + bytes([after[-1] + 1])]


def _found(connection: Connection, query: Select[Any]) -> list[Found]:
    return [Found(number, bytes(name)) for number, name in connection.execute(query)]
