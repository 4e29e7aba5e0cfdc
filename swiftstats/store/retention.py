"""Let old hours leave: a mark first, once their rollups stand, then their rows, a bounded step at a time.

The mark (kept.py) is what answers, merges and rollups go by; removing rows changes no answer, however often it is interrupted.
Months leave whole and in order. One leaves when no live server could still close a period of it, none of its days waits to be
rolled up, and the month has been: what an answer will say without its hours is what it said with them. On MySQL and MariaDB
months are partitions, dropped whole; elsewhere rows are deleted some thousands at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple, Optional

from sqlalchemy import Connection, Table, delete, func, select

from swiftstats import periods
from swiftstats.periods import DAY
from swiftstats.store import dialects, kept, marks, writers
from swiftstats.store.dialects import Partition
from swiftstats.store.schema import BY_DAY, io_hours, rollup_months, space_reports
from swiftstats.store.writers import Freshness

#: Partitions are made for so many months after the running one, when there are fewer than the least.
LEAST_AHEAD, AHEAD = 2, 6


@dataclass(frozen=True)
class Leaving:
    """Hours may leave that are before `day` (its number, a month's first), and why not those up to what was wanted."""

    day: int
    held: Optional[str]


class Removed(NamedTuple):
    """How many rows, or partitions, were removed."""

    number: int
    partitions: bool


@dataclass(frozen=True)
class Stock:
    """What of a table has left or would: days with rows, from `first` to `last`; `rows` may be an estimate, `bytes` unknown."""

    table: str
    first: int
    last: int
    days: int
    rows: int
    bytes: Optional[int]
    estimated: bool


def wanted(now: float, keep_months: int) -> int:
    """Return the day before which hours are old: they are kept for the running month and `keep_months` before it; 0: for ever."""
    if not keep_months:
        return 0
    month = periods.month(int(now) // DAY)
    for _ in range(keep_months):
        month = periods.month(month - 1)
    return month


def may_leave(connection: Connection, day: int) -> Leaving:
    """Return which hours may leave, up to `day`."""
    return _may_leave(connection, day, writers.complete_through(connection))


def let_go(connection: Connection, day: int) -> Leaving:
    """Raise the mark as far as hours may leave, up to `day`; never lower it."""
    # Under the site and the mark nobody can begin to change what was found rolled up: who merges what the site has completed,
    # or registers, waits for the one, and reports of a day so old for the other.
    freshness = writers.hold_site(connection)
    kept.hold(connection)
    leaving = _may_leave(connection, day, freshness)
    kept.raise_to(connection, leaving.day)
    return leaving


def is_due(connection: Connection, day: int, now: float) -> bool:
    """Tell whether there is anything to do: to let go of, up to `day`, to remove, or to make."""
    mark = kept.hours_from(connection) // DAY
    return may_leave(connection, day).day > mark or any(
        _removable(connection, table, mark) or _lacking(connection, table, now) for table in BY_DAY)


def remove_some(connection: Connection, table: Table, rows: int) -> Removed:
    """Remove some of a table's rows that have left: all of its partitions that have, else about `rows` rows.

    Partitions commit. Raises DatabaseBusy where somebody uses the table who does not end soon.
    """
    day = kept.hours_from(connection) // DAY
    dialect = dialects.of(connection)
    if not dialect.partitions(connection, table):
        return Removed(_delete_some(connection, table, day, rows), False)
    gone = _gone(connection, table, day)
    if gone:
        dialect.drop_partitions(connection, table, [each.name for each in gone])
    return Removed(len(gone), True)


def make_ahead(connection: Connection, table: Table, now: float) -> int:
    """Make partitions for months to come where few are left; return how many. Rows of a month without one lie in the last."""
    bounds = _lacking(connection, table, now)
    if bounds:
        dialect = dialects.of(connection)
        dialect.split_partition(connection, table, dialect.partitions(connection, table)[-1].name, bounds)
    return len(bounds)


def stock(connection: Connection, day: int) -> Iterator[Stock]:
    """Yield what each table holds before `day`: what has left by the mark, and what would leave."""
    for table in BY_DAY:
        days = list(_days(connection, table, day))
        if not days:
            continue
        partitions = _gone(connection, table, day)
        if partitions:
            rows, size = sum(each.rows for each in partitions), sum(each.bytes for each in partitions)
            yield Stock(table.name, days[0], days[-1], len(days), rows, size, True)
        else:
            rows = connection.execute(select(func.count()).select_from(table).where(table.c.day < day)).scalar_one()
            yield Stock(table.name, days[0], days[-1], len(days), rows, None, False)


def _may_leave(connection: Connection, day: int, freshness: Freshness) -> Leaving:
    mark = kept.hours_from(connection) // DAY
    oldest = [found for table in (io_hours, space_reports)
              if (found := connection.execute(select(func.min(table.c.day)).where(table.c.day >= mark)).scalar()) is not None]
    if not oldest or min(oldest) >= day or day <= mark:
        return Leaving(mark, None)
    closed = min(freshness.closed_through.values(), default=day * DAY)
    bounds = [(periods.month(closed // DAY), f"{', '.join(freshness.waiting_for(closed + 1))}: closed through "
               f"{periods.format(closed)} only, and still to come (or to be retired)")]
    for kind, what in ((marks.IO, "usage"), (marks.SPACE, "space")):
        unclean = _unclean(connection, kind, mark, day)
        if unclean is not None:
            bounds.append((unclean, f"{what} of {periods.format(unclean * DAY)[:7]} is not rolled up"))
    least, held = min(bounds)
    if least >= day:
        return Leaving(day, None)
    return Leaving(least if least > min(oldest) else mark, held)


def _unclean(connection: Connection, kind: int, first: int, end: int) -> Optional[int]:
    """Return the first month that begins in [first, end) whose rollups are not what its hours add up to."""
    of = rollup_months.c
    month = connection.execute(select(func.min(of.month)).where(
        of.kind == kind, of.month >= first, of.month < end, of.rolled.is_(None) | (of.rolled != of.changed))).scalar()
    found = [periods.month(day) for day in marks.marked_days(connection, kind, first, end)[:1]]
    return min([*found, *([] if month is None else [month])], default=None)


def _gone(connection: Connection, table: Table, day: int) -> list[Partition]:
    """Return the partitions that hold nothing from `day` on."""
    found = dialects.of(connection).partitions(connection, table)
    return [each for each in found if each.before is not None and each.before <= day]


def _removable(connection: Connection, table: Table, day: int) -> bool:
    if dialects.of(connection).partitions(connection, table):
        return bool(_gone(connection, table, day))
    oldest = connection.execute(select(func.min(table.c.day))).scalar()
    return oldest is not None and oldest < day


def _lacking(connection: Connection, table: Table, now: float) -> list[int]:
    """Return where partitions are to end that lack, ascending."""
    partitions = dialects.of(connection).partitions(connection, table)
    last = max((each.before for each in partitions if each.before is not None), default=None)
    month = periods.month(int(now) // DAY)
    if last is None or partitions[-1].before is not None or last > _after(month, LEAST_AHEAD):
        return []
    found = []
    while last <= _after(month, AHEAD):
        last = periods.next_month(periods.month(last))
        found.append(last)
    return found


def _delete_some(connection: Connection, table: Table, day: int, rows: int) -> int:
    oldest = connection.execute(select(func.min(table.c.day))).scalar()
    if oldest is None or oldest >= day:
        return 0
    # By key, since a DELETE has no LIMIT in SQLite: an account's rows of a day leave together.
    account = connection.execute(select(table.c.account_id).where(table.c.day == oldest).order_by(*table.primary_key)
                                 .offset(rows).limit(1)).scalar()
    some = delete(table).where(table.c.day == oldest)
    return connection.execute(some if account is None else some.where(table.c.account_id <= account)).rowcount


def _days(connection: Connection, table: Table, before: int) -> Iterator[int]:
    """Yield the days before one that hold anything, ascending: a seek each."""
    found = connection.execute(select(func.min(table.c.day))).scalar()
    while found is not None and found < before:
        yield found
        found = connection.execute(select(func.min(table.c.day)).where(table.c.day > found)).scalar()


def _after(month: int, months: int) -> int:
    for _ in range(months):
        month = periods.next_month(month)
    return month
