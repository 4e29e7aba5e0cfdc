"""Hours of usage: merged by maximum, read as sums over writers, exact beyond 2^63."""

from __future__ import annotations

from typing import Collection, Iterator, Sequence

from sqlalchemy import Connection, func, insert, select

from swiftstats.fields import CELL_COUNT, CELLS, added
from swiftstats.periods import DAY
from swiftstats.store import kept, marks, parts, ranges, upsert
from swiftstats.store.losses import Loss, losses_between, record_loss, record_refused
from swiftstats.store.ranges import HOURS, Part
from swiftstats.store.schema import accounts, corrections, io_hours, servers, writers
from swiftstats.store.status import as_bytes
from swiftstats.store.writers import Writer, hold

__all__ = ["Loss", "corrections_between", "every_row", "first_recorded", "hours", "known", "losses_between", "merge",
           "record_loss", "total"]


def known(connection: Connection, names: Collection[bytes]) -> set[bytes]:
    """Return those of `names` that the store has an account of."""
    return set(upsert.account_ids(connection, names))


def merge(connection: Connection, *, writer: Writer, period: int, rows: Sequence[tuple[bytes, tuple[int, ...]]],
          now: int) -> int:
    """Merge a writer's totals (name, cells) of one period; return the number of corrections that this recorded.

    Rows come sorted by name; the greater value stays, cell by cell. Growth of a period that the site had already completed
    is recorded as a correction, once. A retired writer that ships is live again.

    Where the hours of the period have left, nothing is merged, and what came is recorded as losses (of kind `refused`):
    whether it is in the rollups already, nobody can tell any more.
    """
    late = hold(connection, writer, period + writer.period_seconds)
    if period < kept.hours_from(connection):
        record_refused(connection, server_id=writer.server_id, writer_id=writer.id, begin=period,
                       end=period + writer.period_seconds, rows=rows, now=now)
        return 0
    ids = upsert.add_accounts(connection, [name for name, _ in rows], now)
    totals = sorted([(ids[name], cells) for name, cells in rows])
    day = period // DAY
    grown = _growth(connection, writer, period, totals) if late else []
    upsert.maximum(connection, io_hours, upsert.Joined(totals), CELLS,
                   same={"day": day, "period": period, "writer_id": writer.id})
    if grown:
        connection.execute(insert(corrections), [
            {"server_id": writer.server_id, "writer_id": writer.id, "account_id": account, "period": period,
             "recorded_at": now, **dict(zip(CELLS, cells))} for account, cells in grown])
    if totals:
        marks.mark(connection, marks.IO, day, writer.id)
    return len(grown)


def _growth(connection: Connection, writer: Writer, period: int, totals: Sequence[tuple[int, tuple[int, ...]]],
            ) -> list[tuple[int, tuple[int, ...]]]:
    """Return what `totals` will add to what is stored, per account, without those that add nothing."""
    stored: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(totals), upsert.NAMES):
        query = select(io_hours.c.account_id, *(io_hours.c[name] for name in CELLS)).where(
            io_hours.c.day == period // DAY, io_hours.c.period == period, io_hours.c.writer_id == writer.id,
            io_hours.c.account_id.in_([account for account, _ in totals[start:start + upsert.NAMES]]))
        stored.update((row[0], tuple(row[1:])) for row in connection.execute(query))
    nothing = (0,) * CELL_COUNT
    grown = ((account, tuple(max(new - old, 0) for new, old in zip(cells, stored.get(account, nothing))))
             for account, cells in totals)
    return [(account, cells) for account, cells in grown if any(cells)]


def total(connection: Connection, account_id: int | None, begin: int, end: int) -> tuple[int, ...]:
    """Return the cells of an account summed over [begin, end) and all writers, exactly; zeros where there is nothing.

    account_id: None of an account that the dictionary does not know.
    """
    cells = (0,) * CELL_COUNT
    if account_id is None:
        return cells
    for part in ranges.cover(connection, begin, end):
        for _, _, found in parts.rows(connection, part, [account_id]):
            cells = added(cells, found)
    return cells


def hours(connection: Connection, account_id: int | None, begin: int, end: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield (period, cells summed over writers) of [begin, end), ascending, where there is anything; memory is bounded.

    account_id: as for `total`.
    """
    if account_id is not None and begin < end:
        for _, period, cells in parts.rows(connection, Part(HOURS, begin, end), [account_id], each=True):
            yield period, cells


def corrections_between(connection: Connection, account: bytes, begin: int, end: int) -> list[int]:
    """Return the periods of [begin, end) that were corrected for an account, ascending."""
    ids = upsert.account_ids(connection, [account])
    query = select(corrections.c.period).distinct().where(
        corrections.c.account_id.in_(ids.values()), corrections.c.period >= begin, corrections.c.period < end)
    return list(connection.execute(query.order_by(corrections.c.period)).scalars())


def every_row(connection: Connection, begin: int, end: int, *, server: str | None = None,
              ) -> Iterator[tuple[bytes, int, int, tuple[int, ...]]]:
    """Yield (account, period, writer's id, cells) of every account in [begin, end), of one server or of all, in no order.

    Rows stream: the connection can do nothing else before the last one.
    """
    query = select(accounts.c.name, io_hours.c.period, io_hours.c.writer_id, *(io_hours.c[name] for name in CELLS)).join_from(
        io_hours, accounts, accounts.c.id == io_hours.c.account_id)
    if server is not None:
        query = query.where(io_hours.c.writer_id.in_(_writers_of(connection, server)))
    days = connection.execute(select(select(func.min(io_hours.c.day)).scalar_subquery(),
                                     select(func.max(io_hours.c.day)).scalar_subquery())).one()
    if days[0] is None or begin >= end:
        return
    for day in range(max(days[0], begin // DAY), min(days[1], (end - 1) // DAY) + 1):
        of_day = query.where(io_hours.c.day == day, io_hours.c.period >= begin, io_hours.c.period < end)
        for name, period, writer, *cells in connection.execute(of_day.execution_options(stream_results=True, yield_per=1000)):
            yield bytes(name), period, writer, tuple(cells)


def first_recorded(connection: Connection, server: str | None = None) -> int | None:
    """Return the start of the first period that any server, or that one, recorded; None where none has registered."""
    query = select(func.min(writers.c.first_period))
    if server is not None:
        query = query.where(writers.c.id.in_(_writers_of(connection, server)))
    return connection.execute(query).scalar()


def _writers_of(connection: Connection, server: str) -> list[int]:
    query = select(writers.c.id).join_from(writers, servers, servers.c.id == writers.c.server_id)
    return list(connection.execute(query.where(servers.c.name == as_bytes(server))).scalars())
