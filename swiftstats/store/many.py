"""Usage and space of many accounts at once: a list of accounts in, what each of them has out; exact beyond 2^63.

Ids are good within the transaction that read them. Lists of accounts are a page or a batch, some thousands at most: memory is
bounded by them, and by the number of steps that are asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby
from typing import Any, Iterator, NamedTuple, Optional, Sequence

from sqlalchemy import ColumnElement, Connection, Select, select, union_all

from swiftstats import periods
from swiftstats.fields import added
from swiftstats.periods import DAY
from swiftstats.store import dialects, parts, ranges, space_sums, upsert
from swiftstats.store.parts import Cells, Owner
from swiftstats.store.ranges import DAYS, HOURS, MONTHS, Part
from swiftstats.store.schema import accounts
from swiftstats.store.space_sums import SpaceSum


class Found(NamedTuple):
    """An account of the dictionary."""

    id: int
    name: bytes


def accounts_after(connection: Connection, *, after: Optional[bytes], limit: int, prefix: bytes = b"") -> list[Found]:
    """Return at most `limit` accounts by name, bytewise: those after `after` (None begins) whose names begin with `prefix`."""
    query = select(accounts.c.id, accounts.c.name).where(*beginning(prefix))
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
    if begin < end:
        for owner, period, cells in parts.rows(connection, Part(HOURS, begin, end), ids, by_server=by_server, each=True):
            found.setdefault(owner, []).append((period, cells))
    return found


def steps(connection: Connection, ids: Sequence[int], edges: Sequence[int], *, by_server: bool = False,
          ) -> dict[Owner, list[tuple[int, Cells]]]:
    """Return (start, cells) of each account, or account and server, for the steps between `edges`; only with something.

    `edges` ascend: step n is [edges[n], edges[n + 1]), whatever its length.
    """
    found: dict[Owner, dict[int, Cells]] = {}
    for part, each in _read(connection, edges):
        for owner, start, cells in parts.rows(connection, part, ids, by_server=by_server, each=each):
            step = edges[bisect_right(edges, start) - 1]
            of_owner = found.setdefault(owner, {})
            of_owner[step] = added(of_owner.get(step), cells)
    return {owner: sorted(of_owner.items()) for owner, of_owner in found.items()}


def _read(connection: Connection, edges: Sequence[int]) -> Iterator[tuple[Part, bool]]:
    """Yield what is to be read for steps: parts in one step as a whole, and runs of months or days that are a step each."""
    known = ranges.clean(connection, edges[0], edges[-1])
    single = [(part, part.kind != HOURS and (part.begin, part.end) == (begin, end) and _is_one(part))
              for begin, end in zip(edges, edges[1:]) for part in ranges.split(known, begin, end)]
    for (kind, each), run in groupby(single, key=lambda found: (found[0].kind, found[1])):
        together = [part for part, _ in run]
        if each:
            yield Part(kind, together[0].begin, together[-1].end), True
        else:
            yield from ((part, False) for part in together)


def _is_one(part: Part) -> bool:
    """Tell whether a part is one day, or one month."""
    length = DAY if part.kind == DAYS else (periods.next_month(part.begin // DAY) - part.begin // DAY) * DAY
    return part.end - part.begin == length


def month_of(connection: Connection, begin: int, end: int) -> Optional[int]:
    """Return the month that [begin, end) is, where its rollup alone answers and `lines` can; None for any other range."""
    if not dialects.of(connection).writes_lines:
        return None
    cover = ranges.cover(connection, begin, end)
    return begin // DAY if len(cover) == 1 and cover[0].kind == MONTHS and periods.next_month(begin // DAY) * DAY == end else None


def account_after(connection: Connection, after: bytes, *, offset: int) -> Optional[bytes]:
    """Return the name of the account that is the `offset`th after `after`; None where there are fewer."""
    query = select(accounts.c.name).where(accounts.c.name > after).order_by(accounts.c.name)
    found = connection.execute(query.limit(1).offset(offset - 1)).scalar()
    return None if found is None else bytes(found)


def lines(connection: Connection, month: int, template: Sequence[str | None | tuple[str, Optional[str]]], *, after: bytes,
          last: Optional[bytes], petnames: bool) -> Optional[str]:
    """Return what an answer says of a month of the accounts after `after`, up to `last` (None: all), each with anything a line.

    A line is put together of text, the account's name (None), and cells less cells, (plus, minus). None where they are to be
    written elsewhere: some of these accounts have a name that does not stand for itself, or, with `petnames`, a petname.
    """
    return dialects.of(connection).lines(connection, month, template, after, last, petnames)


def top(connection: Connection, begin: int, end: int, *, plus: Sequence[str], minus: Sequence[str] = (), limit: int,
        prefix: bytes = b"") -> list[Found]:
    """Return the accounts with the greatest sum of cells `plus` less `minus` over [begin, end), greatest first, then by name.

    Only accounts with anything in the range, whose names begin with `prefix`.
    """
    found = [parts.columns(part, (*plus, *minus)) for part in ranges.cover(connection, begin, end)]
    if not found:
        return []
    rows = union_all(*found).subquery()
    greatest = dialects.of(connection).exact_order([rows.c[name] for name in plus], [rows.c[name] for name in minus])
    query = (select(accounts.c.id, accounts.c.name).join_from(rows, accounts, accounts.c.id == rows.c.account_id)
             .where(*beginning(prefix)).group_by(accounts.c.id, accounts.c.name)
             .order_by(*(each.desc() for each in greatest), accounts.c.name))
    return _found(connection, query.limit(limit))


def space(connection: Connection, ids: Sequence[int], begin: int, end: int, *, period_seconds: int, now: float,
          ) -> dict[int, SpaceSum]:
    """Return what each account occupied in [begin, end), of those that were measured in it; `now` tells which periods began."""
    return space_sums.sums(connection, ids, begin, end, period_seconds=period_seconds, now=now)


def beginning(prefix: bytes, name: ColumnElement[bytes] = accounts.c.name) -> list[ColumnElement[bool]]:
    """Return what keeps names that begin with `prefix`: a range of the key, since LIKE on bytes is none everywhere."""
    if not prefix:
        return []
    after = prefix.rstrip(b"\xff")
    bounds = [name >= prefix]
    return bounds if not after else [*bounds, name < after[:-1] + bytes([after[-1] + 1])]


def _found(connection: Connection, query: Select[Any]) -> list[Found]:
    return [Found(number, bytes(name)) for number, name in connection.execute(query)]
