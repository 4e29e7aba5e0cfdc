"""Usage of all accounts together, in whole or by server, step by step: added up by the database, from months, days and hours.

What is read into memory is a row per hour, day or month and writer, whatever the number of accounts.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Iterator, Optional, Sequence

from sqlalchemy import ColumnElement, Connection, Select, select

from swiftstats.fields import CELLS, added
from swiftstats.periods import DAY
from swiftstats.store import dialects, many, parts, ranges
from swiftstats.store.parts import Cells
from swiftstats.store.ranges import HOURS, Part
from swiftstats.store.schema import accounts, io_hours, servers, writers
from swiftstats.store.status import as_text


def steps(connection: Connection, edges: Sequence[int], *, by_server: bool = False, prefix: bytes = b"",
          ) -> dict[Optional[str], list[tuple[int, Cells]]]:
    """Return (start, cells) of all accounts whose names begin with `prefix`, for the steps between `edges`, which ascend.

    By server's name, or under None over all servers; only steps with something.
    """
    names = _servers(connection) if by_server else {}
    found: dict[Optional[str], dict[int, Cells]] = {}
    for part in ranges.split_steps(ranges.clean(connection, edges[0], edges[-1]), edges):
        for writer, start, cells in _rows(connection, part, by_server, prefix):
            of_server = found.setdefault(names.get(writer), {})
            step = edges[bisect_right(edges, start) - 1]
            of_server[step] = added(of_server.get(step), cells)
    return {server: sorted(of_server.items()) for server, of_server in found.items()}


def _rows(connection: Connection, part: Part, by_server: bool, prefix: bytes) -> Iterator[tuple[int, int, Cells]]:
    """Yield (writer, or 0, start, cells) of each month, day or hour of a part."""
    table, dialect = parts.table_of(part, by_server=by_server), dialects.of(connection)
    lead = next(iter(table.primary_key))
    hourly = [table.c.period] if part.kind == HOURS else []
    by: list[ColumnElement[Any]] = [*([table.c.writer_id] if by_server else []), *hourly]
    query: Select[Any] = select(*by, *dialect.packed([table.c[name] for name in CELLS], summed=True)).group_by(*by, lead)
    if table is io_hours:
        query = query.where(table.c.period >= part.begin, table.c.period < part.end)
    if prefix:
        query = query.where(table.c.account_id.in_(select(accounts.c.id).where(*many.beginning(prefix))))
    for some in parts.units(connection, table, part):
        for unit in some:  # a statement each: it reads everybody's rows
            for row in connection.execute(query.where(lead == unit)):
                start = row[len(by) - 1] if hourly else unit * DAY
                yield row[0] if by_server else 0, start, dialect.unpacked(row[len(by):], summed=True)


def _servers(connection: Connection) -> dict[int, str]:
    """Return the server of each writer, by its id."""
    query = select(writers.c.id, servers.c.name).join_from(writers, servers, servers.c.id == writers.c.server_id)
    return {writer: as_text(name) for writer, name in connection.execute(query)}
