"""Read what stands of an account's space: readings in order, and what they are made of by policy and by container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Optional

from sqlalchemy import Connection, Row, Select, Table, func, select

from swiftstats.periods import DAY
from swiftstats.store import kept, upsert
from swiftstats.store.schema import space_accounts, space_containers, space_days, space_readings
from swiftstats.store.space_report import STATUSES, UNREAD, PolicyFigures, figures_of

#: Days that one statement reads: one seek each of the key (day, account, period), and the bound on what is in memory.
DAYS = 31


@dataclass(frozen=True)
class Reading:
    """What stands for an account in a period, and when that was read."""

    period: int
    status: str
    containers: int
    objects: int
    bytes: int
    read_at: int


def readings(connection: Connection, account: bytes, begin: int, end: int) -> Iterator[Reading]:
    """Yield an account's readings of [begin, end), ascending; memory is bounded."""
    for _, row in _rows(connection, account, begin, end):
        yield _reading(row)


def policies(connection: Connection, account: bytes, begin: int, end: int,
             ) -> Iterator[tuple[Reading, Optional[tuple[PolicyFigures, ...]]]]:
    """Yield each reading of [begin, end) with its figures by storage policy, by name; None where they are not known."""
    for _, row in _rows(connection, account, begin, end):
        found = figures_of(bytes(row.policies))
        yield _reading(row), found if found or not (row.containers or row.objects or row.bytes) else None


def containers(connection: Connection, account: bytes, begin: int, end: int,
               ) -> Iterator[tuple[Reading, Optional[tuple[tuple[bytes, int, int], ...]]]]:
    """Yield each reading of [begin, end) with its containers (name, objects, bytes), by name; None where they are not known."""
    for number, row in _rows(connection, account, begin, end):
        found: Optional[tuple[tuple[bytes, int, int], ...]] = None
        if row.listed >= 0:
            query = (select(space_containers.c.container, space_containers.c.objects, space_containers.c.bytes)
                     .where(space_containers.c.day == row.period // DAY, space_containers.c.account_id == number,
                            space_containers.c.period == row.period, space_containers.c.read_at == row.read_at)
                     .order_by(space_containers.c.container))
            found = tuple((bytes(name), objects, size) for name, objects, size in connection.execute(query))
        elif not (row.containers or row.objects or row.bytes):
            found = ()
        yield _reading(row), found


def last_status(connection: Connection, account: bytes, before: int) -> Optional[str]:
    """Return the status of an account's last reading of a period before `before`; None where there is none."""
    number = upsert.account_ids(connection, [account]).get(account, 0)
    row = connection.execute(select(space_accounts).where(space_accounts.c.account_id == number)).one_or_none()
    if row is None or row.status == UNREAD or row.first_period >= before:
        return None
    if row.status_period < before:
        return STATUSES[row.status]
    # An account that was read later too. Mostly the day before has a reading; at worst it was gone for long, and came back.
    last, first, since = (before - 1) // DAY, row.first_period // DAY, kept.hours_from(connection) // DAY
    of = space_readings.c
    found = _last(connection, select(of.status).where(of.period < before), space_readings, number, max(first, since), last)
    if found is None:  # what has left is told by days, which do not tell who was deleted from who was missing
        found = _last(connection, select(space_days.c.gone), space_days, number, first, min(last, since - 1))
    return None if found is None else STATUSES[found]


def _last(connection: Connection, query: Select[Any], table: Table, number: int, first: int, last: int) -> Optional[int]:
    """Return what a query finds of an account in the last of the days from `first` to `last`, some days at a time."""
    latest = query.where(table.c.account_id == number).order_by(*(column.desc() for column in table.primary_key)).limit(1)
    for day in range(last, first - 1, -DAYS):
        found = connection.execute(latest.where(table.c.day.in_(range(max(day - DAYS + 1, first), day + 1)))).scalar()
        if found is not None:
            return int(found)
    return None


def _reading(row: Row[Any]) -> Reading:
    return Reading(row.period, STATUSES[row.status], row.containers, row.objects, row.bytes, row.read_at)


def _rows(connection: Connection, account: bytes, begin: int, end: int) -> Iterator[tuple[int, Row[Any]]]:
    """Yield (the account's id, row) of each reading of [begin, end), ascending."""
    number = upsert.account_ids(connection, [account]).get(account)
    if number is None or begin >= end:
        return
    for query in _queries(connection, number, begin, end):
        for row in connection.execute(query).all():
            yield number, row


def _queries(connection: Connection, number: int, begin: int, end: int) -> Iterator[Select[Any]]:
    """Yield queries that together read [begin, end), each over some days, none outside what is stored; see usage._sums."""
    first, last = connection.execute(select(select(func.min(space_readings.c.day)).scalar_subquery(),
                                            select(func.max(space_readings.c.day)).scalar_subquery())).one()
    if first is None:
        return
    first, last = max(first, begin // DAY), min(last, (end - 1) // DAY)
    for start in range(first, last + 1, DAYS):
        yield select(space_readings).where(
            space_readings.c.day.in_(range(start, min(start + DAYS, last + 1))), space_readings.c.account_id == number,
            space_readings.c.period >= begin, space_readings.c.period < end).order_by(space_readings.c.period)
