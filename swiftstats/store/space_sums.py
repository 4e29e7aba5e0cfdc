"""The space of many accounts over a range: byte-seconds, greatest and last level, from readings.

A period is measured where it has a reading, the last in it, or where the account had been found gone before: then it occupies
nothing until it is read as active again. All of it is exact; what is not measured is in no figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Iterable, Iterator, NamedTuple, Optional, Sequence

from sqlalchemy import Connection, func, select

from swiftstats import periods
from swiftstats.periods import DAY
from swiftstats.store import upsert
from swiftstats.store.schema import space_accounts, space_readings
from swiftstats.store.space_readings import DAYS
from swiftstats.store.space_report import ACTIVE, STATUSES


@dataclass(frozen=True)
class SpaceSum:
    """What an account occupied over a range: of its `measured` periods, and the last of them."""

    measured: int
    byte_seconds: int
    max_bytes: int
    max_objects: int
    last_period: int
    last_bytes: int
    last_objects: int
    last_containers: int


class Levels(NamedTuple):
    """Some periods of an account from one with a reading to one with a reading, `first` to `last`; `gone` from `last` on."""

    first: int
    last: int
    gone: bool
    measured: int
    byte_seconds: int
    max_bytes: int
    max_objects: int
    bytes: int  #: of the last one, as what follows
    objects: int
    containers: int


def sums(connection: Connection, ids: Sequence[int], begin: int, end: int, *, period_seconds: int, now: float,
         ) -> dict[int, SpaceSum]:
    """Return what each account occupied in [begin, end), of those that were measured in it; `now` tells which periods began."""
    gone = _gone(connection, ids, begin)
    levels: dict[int, list[Levels]] = {}
    for number, level in _levels(connection, ids, begin, end, period_seconds):
        levels.setdefault(number, []).append(level)
    begun = min(end, periods.floor(now, period_seconds) + period_seconds)
    found = {}
    for number in sorted(gone | levels.keys()):
        total = joined(levels.get(number, ()), begin, end, gone=number in gone, period_seconds=period_seconds, begun=begun)
        if total is not None:
            found[number] = total
    return found


def joined(levels: Iterable[Levels], begin: int, end: int, *, gone: bool, period_seconds: int, begun: int) -> Optional[SpaceSum]:
    """Return what follows of ascending levels for [begin, end); None where nothing is measured.

    `gone`: the account was, at `begin`. No period that begins at `begun` or later is measured without a reading.
    """
    measured = byte_seconds = max_bytes = max_objects = 0
    at, last = begin, (begin, 0, 0, 0)
    for level in levels:
        if gone:
            measured, last = _nothing(at, min(level.first, begun), period_seconds, measured, last)
        measured += level.measured
        byte_seconds += level.byte_seconds
        max_bytes, max_objects = max(max_bytes, level.max_bytes), max(max_objects, level.max_objects)
        last = (level.last, level.bytes, level.objects, level.containers)
        at, gone = level.last + period_seconds, level.gone
    if gone:
        measured, last = _nothing(at, min(end, begun), period_seconds, measured, last)
    return SpaceSum(measured, byte_seconds, max_bytes, max_objects, *last) if measured else None


def _nothing(at: int, until: int, period_seconds: int, measured: int, last: tuple[int, int, int, int],
             ) -> tuple[int, tuple[int, int, int, int]]:
    """Count the periods of [at, until) in which an account that is gone occupies nothing."""
    if until <= at:
        return measured, last
    return measured + (until - at) // period_seconds, (until - period_seconds, 0, 0, 0)


def _levels(connection: Connection, ids: Sequence[int], begin: int, end: int, period_seconds: int,
            ) -> Iterator[tuple[int, Levels]]:
    """Yield (account, levels) of [begin, end), those of an account ascending."""
    first, last = connection.execute(select(select(func.min(space_readings.c.day)).scalar_subquery(),
                                            select(func.max(space_readings.c.day)).scalar_subquery())).one()
    if first is None or begin >= end:
        return
    first, last = max(first, begin // DAY), min(last, (end - 1) // DAY)
    of = space_readings.c
    query = select(of.account_id, of.period, of.status, of.bytes, of.objects, of.containers).order_by(of.account_id, of.period)
    for day in range(first, last + 1, DAYS):
        for some in _some(ids):
            rows = connection.execute(query.where(of.day.in_(range(day, min(day + DAYS, last + 1))), of.account_id.in_(some),
                                                  of.period >= begin, of.period < end))
            for (number, start), said in groupby(rows, key=lambda row: (row[0], periods.floor(row[1], period_seconds))):
                *_, (_, _, status, size, objects, containers) = said
                yield number, Levels(start, start, STATUSES[status] != ACTIVE, 1, size * period_seconds, size, objects, size,
                                     objects, containers)


def _gone(connection: Connection, ids: Sequence[int], before: int) -> set[int]:
    """Return the accounts whose last reading of a period before `before` found them deleted, or not there."""
    gone: set[int] = set()
    later: dict[int, int] = {}  # account: day of its first reading
    for some in _some(ids):
        for row in connection.execute(select(space_accounts).where(space_accounts.c.account_id.in_(some))):
            if row.status_period < before:
                gone.update([row.account_id] if STATUSES[row.status] != ACTIVE else ())
            elif row.first_period < before:
                later[row.account_id] = row.first_period // DAY
    # Accounts that were read later too. Mostly the day before has a reading; at worst one was gone for long, and came back.
    day, days = (before - 1) // DAY, 1
    while later:
        for number, status in _last_statuses(connection, sorted(later), range(day - days + 1, day + 1), before):
            gone.update([number] if STATUSES[status] != ACTIVE else ())
            del later[number]
        day, days = day - days, DAYS
        later = {number: first for number, first in later.items() if first <= day}
    return gone


def _last_statuses(connection: Connection, ids: Sequence[int], days: range, before: int) -> Iterator[tuple[int, int]]:
    """Yield (account, status) of each account's last reading in `days` and before `before`."""
    of = space_readings.c
    query = select(of.account_id, of.period, of.status).order_by(of.account_id, of.period)
    for some in _some(ids):
        rows = connection.execute(query.where(of.day.in_(days), of.account_id.in_(some), of.period < before)).all()
        for _, said in groupby(rows, key=itemgetter(0)):
            *_, (number, _, status) = said
            yield number, status


def _some(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), upsert.NAMES):
        yield ids[start:start + upsert.NAMES]
