"""Roll up: days from hours, months from days, some accounts at a time; each is computed anew, and never added to.

Whoever rolls up takes the turn first, in each transaction: it writes the one row that says whose turn it is, and so sees all
that was committed before, writes after nobody's older sums, and is alone. What it computes may still be changed meanwhile by
a flusher; the mark tells (marks.py).
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Callable, Mapping, Sequence

from sqlalchemy import Connection, Table, delete, func, insert, literal, select, update

from swiftstats import periods
from swiftstats.errors import StoreError
from swiftstats.fields import CELLS
from swiftstats.periods import DAY, HOUR
from swiftstats.store import completeness, kept, marks, space_levels, upsert
from swiftstats.store.schema import (
    accounts,
    io_days,
    io_hours,
    io_months,
    io_writer_months,
    rollup_months,
    rollup_turn,
    site,
    space_days,
    space_months,
)

#: Rolls accounts of [low, high) up into a day or a month, which is named by its (first) day.
Roll = Callable[[Connection, int, int, int], None]

#: Whose turn it is has said so within so many seconds.
TURN_SECONDS = 60


def take_turn(connection: Connection, holder: bytes, now: int) -> bool:
    """Take the turn, or keep it, for TURN_SECONDS, first thing in a transaction; False where it is somebody else's."""
    of = rollup_turn.c
    free = (of.holder == holder) | (of.until <= now) | (of.until > now + 2 * TURN_SECONDS)  # the last: a clock was set back
    taken = connection.execute(update(rollup_turn).where(of.id == 1, free).values(
        holder=holder, until=now + TURN_SECONDS, changes=of.changes + 1))
    return taken.rowcount == 1


def give_turn(connection: Connection, holder: bytes) -> None:
    """Let others have the turn, if it is `holder`'s."""
    connection.execute(update(rollup_turn).where(rollup_turn.c.id == 1, rollup_turn.c.holder == holder).values(until=0))


def turn(connection: Connection, now: int) -> bytes | None:
    """Return whose turn it is; None where it is nobody's."""
    row = connection.execute(select(rollup_turn.c.holder, rollup_turn.c.until).where(rollup_turn.c.id == 1)).one()
    return bytes(row.holder) if now < row.until <= now + 2 * TURN_SECONDS else None


def fix_period(connection: Connection, period_seconds: int) -> None:
    """Give the site the length of its periods where no writer did yet: space is rolled up in periods of that length."""
    connection.execute(update(site).where(site.c.id == 1, site.c.period_seconds.is_(None)).values(period_seconds=period_seconds))


def last_account(connection: Connection) -> int:
    """Return the greatest id of an account; 0 where there is none."""
    return connection.execute(select(func.max(accounts.c.id))).scalar() or 0


def change_month(connection: Connection, kind: int, month: int) -> None:
    """Say that a batch is written into days of a month."""
    of = rollup_months.c
    changed = connection.execute(update(rollup_months).where(of.kind == kind, of.month == month).values(changed=of.changed + 1))
    if changed.rowcount == 0:
        connection.execute(insert(rollup_months).values(kind=kind, month=month, changed=1))


def changes(connection: Connection, kind: int, month: int) -> int:
    """Return the count of batches that were written into days of a month; it is to be read before any of them."""
    query = select(rollup_months.c.changed).where(rollup_months.c.kind == kind, rollup_months.c.month == month)
    return connection.execute(query).scalar() or 0


def end_month(connection: Connection, kind: int, month: int, changed: int, *, too_large: bool = False) -> None:
    """Say that a month was rolled up, or cannot be, as it was when `changed` was read."""
    connection.execute(update(rollup_months).where(rollup_months.c.kind == kind, rollup_months.c.month == month).values(
        {"too_large" if too_large else "rolled": changed}))


def _io_day(connection: Connection, day: int, low: int, high: int) -> None:
    _summed(connection, io_days, day, io_hours, [day], low, high)


def _io_month(connection: Connection, month: int, low: int, high: int) -> None:
    _summed(connection, io_months, month, io_days, range(month, periods.next_month(month)), low, high)


def _io_writer_month(connection: Connection, month: int, low: int, high: int) -> None:
    _summed(connection, io_writer_months, month, io_hours, range(month, periods.next_month(month)), low, high)


def _summed(connection: Connection, into: Table, unit: int, source: Table, days: Sequence[int], low: int, high: int) -> None:
    """Replace rows of `into` by sums of `source`, by all of its key but the leading day or month."""
    _check_hours(connection, unit)
    lead, *keys = (column.name for column in into.primary_key)
    connection.execute(delete(into).where(into.c[lead] == unit, into.c.account_id >= low, into.c.account_id < high))
    by = [source.c[name] for name in keys]
    sums = select(literal(unit, literal_execute=True), *by, *(func.sum(source.c[name]) for name in CELLS)).where(
        source.c.day.in_(days), source.c.account_id >= low, source.c.account_id < high).group_by(*by)
    connection.execute(insert(into).from_select([lead, *keys, *CELLS], sums))


def _space_day(connection: Connection, day: int, low: int, high: int) -> None:
    seconds = completeness.period_seconds(connection) or HOUR
    _joined(connection, space_days, day, space_levels.of_readings(connection, [day], low, high, seconds), low, high, seconds)


def _space_month(connection: Connection, month: int, low: int, high: int) -> None:
    seconds = completeness.period_seconds(connection) or HOUR
    days = range(month, periods.next_month(month))
    _joined(connection, space_months, month, space_levels.of_days(connection, days, low, high), low, high, seconds)


def _joined(connection: Connection, into: Table, unit: int, levels: Any, low: int, high: int, seconds: int) -> None:
    _check_hours(connection, unit)
    lead = next(iter(into.primary_key))
    connection.execute(delete(into).where(lead == unit, into.c.account_id >= low, into.c.account_id < high))
    rows = [(unit, number, *space_levels.row(space_levels.joined([level for _, level in found], seconds)))
            for number, found in groupby(levels, key=lambda each: each[0])]
    upsert.maximum(connection, into, rows, ())


def _check_hours(connection: Connection, unit: int) -> None:
    """Raise StoreError where hours have left: who had the turn meanwhile has rolled it up. The caller has the turn."""
    if unit * DAY < kept.hours_from(connection):
        raise StoreError(f"hours before {periods.format(kept.hours_from(connection))} have left meanwhile")


#: What a day, and a month, is rolled up into, by kind.
DAY_ROLLS: Mapping[int, Sequence[Roll]] = {marks.IO: (_io_day,), marks.SPACE: (_space_day,)}
MONTH_ROLLS: Mapping[int, Sequence[Roll]] = {marks.IO: (_io_month, _io_writer_month), marks.SPACE: (_space_month,)}
