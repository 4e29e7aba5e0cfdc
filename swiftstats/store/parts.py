"""Read usage from the rows of a part of a range: sums, or each month, day or hour of it; exact beyond 2^63."""

from __future__ import annotations

import functools
from typing import Any, Iterator, Optional, Sequence

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, func, select

from swiftstats import periods
from swiftstats.fields import CELLS
from swiftstats.periods import DAY
from swiftstats.store import dialects, upsert
from swiftstats.store.ranges import DAYS, HOURS, MONTHS, Part
from swiftstats.store.schema import io_days, io_hours, io_months, io_writer_months, servers, writers
from swiftstats.store.status import as_text

Cells = tuple[int, ...]
#: Whose cells: of an account over all servers (id, None), or on one server (id, its name).
Owner = tuple[int, Optional[str]]

#: Days that one statement reads, and months: one seek each and account, and the bound on what is in memory.
DAYS_READ, MONTHS_READ = 31, 60

#: Where cells are, by the kind of a part; by server there are months, and else hours.
_TABLES = {MONTHS: io_months, DAYS: io_days, HOURS: io_hours}
_BY_SERVER = {MONTHS: io_writer_months, DAYS: io_hours, HOURS: io_hours}


def rows(connection: Connection, part: Part, ids: Sequence[int], *, by_server: bool = False, each: bool = False,
         ) -> Iterator[tuple[Owner, int, Cells]]:
    """Yield (owner, start, cells) of accounts in a part, where there is anything.

    With `each`, of each of the part's months, days or hours, ascending; else of the whole part, in some sums that are to be
    added up: `start` is then the part's.
    """
    table = table_of(part, by_server=by_server)
    length = 1 if part.kind == HOURS else DAY
    one = part.kind == MONTHS and periods.next_month(part.begin // DAY) * DAY == part.end or part.end - part.begin == DAY
    summed = not (each or one) or table not in (io_days, io_months)  # else a row is a sum already
    unit = table.c.period if part.kind == HOURS else _lead(table)
    dialect = dialects.of(connection)
    query = _query(dialect, table, unit, by_server, each, summed)
    keys = 1 + by_server + each
    for some in units(connection, table, part):
        for start in range(0, len(ids), upsert.NAMES):
            given = {"units": some, "ids": ids[start:start + upsert.NAMES], "begin": part.begin, "end": part.end}
            for row in connection.execute(query, given):
                owner = (row[0], as_text(row[1]) if by_server else None)
                yield owner, row[keys - 1] * length if each else part.begin, dialect.unpacked(row[keys:], summed=summed)


def table_of(part: Part, *, by_server: bool) -> Table:
    """Return where the cells of a part are."""
    return (_BY_SERVER if by_server else _TABLES)[part.kind]


@functools.cache
def _query(dialect: dialects.Dialect, table: Table, unit: ColumnElement[int], by_server: bool, each: bool, summed: bool,
           ) -> Select[Any]:
    """Return what reads `ids` in `units` of a table, hours from `begin` to `end`: the keys, then cells or their sums, packed."""
    # PERF: made once: to put it together takes SQLAlchemy longer than the database takes for a month of an account.
    keys: list[ColumnElement[Any]] = [table.c.account_id, *([servers.c.name] if by_server else []), *([unit] if each else [])]
    query = select(*keys, *dialect.packed([table.c[name] for name in CELLS], summed=summed))
    if by_server:
        query = query.join_from(table, writers, writers.c.id == table.c.writer_id)
        query = query.join(servers, servers.c.id == writers.c.server_id)
    query = query.where(_lead(table).in_(bindparam("units", expanding=True)),
                        table.c.account_id.in_(bindparam("ids", expanding=True)))
    if table is io_hours:
        query = query.where(table.c.period >= bindparam("begin"), table.c.period < bindparam("end"))
    if summed:
        query = query.group_by(*keys)
    return query.order_by(unit) if each else query


def columns(part: Part, names: Sequence[str]) -> Select[Any]:
    """Return (account_id, cells of `names`) of every account in a part, several rows each."""
    table = _TABLES[part.kind]
    lead = _lead(table)
    query = select(table.c.account_id, *(table.c[name] for name in names)).where(
        lead >= part.begin // DAY, lead <= (part.end - 1) // DAY)
    return query.where(table.c.period >= part.begin, table.c.period < part.end) if table is io_hours else query


def units(connection: Connection, table: Table, part: Part) -> Iterator[Sequence[int]]:
    """Yield the days or months of a part, ascending, as many as one statement reads, few of them outside what is stored.

    They are to be listed in it, so that each is one seek of the key (day, account, …) and not a scan of everybody's day.
    """
    first, end = part.begin // DAY, -(-part.end // DAY)
    if end - first > DAYS_READ and part.kind != MONTHS:  # months of a part are all stored
        # Two subqueries: SQLite answers MIN or MAX alone from the key, and scans the table for both.
        least, most = (select(which(_lead(table))).scalar_subquery() for which in (func.min, func.max))
        stored = connection.execute(select(least, most)).one()
        if stored[0] is None:
            return
        first, end = max(first, stored[0]), min(end, stored[1] + 1)
    listed = list(_months(first, end)) if part.kind == MONTHS else range(first, end)
    at_once = MONTHS_READ if part.kind == MONTHS else DAYS_READ
    for start in range(0, len(listed), at_once):
        yield listed[start:start + at_once]


def _months(first: int, end: int) -> Iterator[int]:
    while first < end:
        yield first
        first = periods.next_month(first)


def _lead(table: Table) -> ColumnElement[int]:
    return next(iter(table.primary_key))
