"""The space of many accounts over a range: byte-seconds, greatest and last level, from months, days and readings at the edges.

What is measured, space_levels says. All of it is exact; what is not measured is in no figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

from sqlalchemy import Connection, select

from swiftstats import periods
from swiftstats.periods import DAY
from swiftstats.store import parts, ranges, space_levels, upsert
from swiftstats.store.marks import SPACE
from swiftstats.store.ranges import DAYS, HOURS, MONTHS, Part
from swiftstats.store.schema import site, space_accounts, space_days, space_months, space_readings
from swiftstats.store.space_levels import Levels, joined
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


def sums(connection: Connection, ids: Sequence[int], begin: int, end: int, *, period_seconds: int, now: float,
         ) -> dict[int, SpaceSum]:
    """Return what each account occupied in [begin, end), of those that were measured in it; `now` tells which periods began."""
    gone = _gone(connection, ids, begin, period_seconds)
    levels: dict[int, list[Levels]] = {}
    for number, level in _levels(connection, _cover(connection, begin, end, period_seconds), ids, period_seconds):
        levels.setdefault(number, []).append(level)
    begun = periods.floor(now, period_seconds) + period_seconds
    found = {}
    for number in sorted(gone | levels.keys()):
        total = _whole(levels.get(number, ()), begin, end, gone=number in gone, period_seconds=period_seconds, begun=begun)
        if total is not None:
            found[number] = total
    return found


def _whole(levels: Sequence[Levels], begin: int, end: int, *, gone: bool, period_seconds: int, begun: int,
           ) -> Optional[SpaceSum]:
    """Return what follows of ascending stretches for [begin, end); None where nothing is measured.

    `gone`: the account was, at `begin`. No period that begins at `begun` or later is measured without a reading.
    """
    if not levels:
        nothing = max(min(end, begun) - begin, 0) // period_seconds if gone else 0
        return SpaceSum(nothing, 0, 0, 0, min(end, begun) - period_seconds, 0, 0, 0) if nothing else None
    whole = joined(levels, period_seconds)
    measured = whole.measured + ((whole.first - begin) // period_seconds if gone else 0)
    last = (whole.last, whole.bytes, whole.objects, whole.containers)
    after = max(min(end, begun) - whole.last - period_seconds, 0) // period_seconds if whole.gone else 0
    if after:
        measured, last = measured + after, (whole.last + after * period_seconds, 0, 0, 0)
    return SpaceSum(measured, whole.byte_seconds, whole.max_bytes, whole.max_objects, *last)


def _levels(connection: Connection, cover: Sequence[Part], ids: Sequence[int], period_seconds: int,
            ) -> Iterator[tuple[int, Levels]]:
    """Yield (account, stretch) of parts, those of an account ascending."""
    for part in cover:
        for units in _chunks(connection, part):
            for some in _some(ids):
                yield from _read(connection, part, units, some, period_seconds)


def _read(connection: Connection, part: Part, units: Sequence[int], ids: Sequence[int], period_seconds: int,
          ) -> Iterator[tuple[int, Levels]]:
    """Yield (account, stretch) of some accounts in some days or months of a part."""
    if part.kind == HOURS:
        of = space_readings.c
        query = space_levels.readings().where(of.day.in_(units), of.account_id.in_(ids), of.period >= part.begin,
                                              of.period < part.end)
        return space_levels.from_readings(connection.execute(query), period_seconds)
    table = space_months if part.kind == MONTHS else space_days
    lead = next(iter(table.primary_key))
    return space_levels.from_stretches(connection.execute(
        space_levels.stretches(table).where(lead.in_(units), table.c.account_id.in_(ids))))


def _chunks(connection: Connection, part: Part) -> Iterator[Sequence[int]]:
    """Yield the days or months of a part, ascending, as many as one statement reads."""
    table = {MONTHS: space_months, DAYS: space_days, HOURS: space_readings}[part.kind]
    return parts.units(connection, table, part)


def _gone(connection: Connection, ids: Sequence[int], before: int, period_seconds: int) -> set[int]:
    """Return the accounts whose last reading of a period before `before` found them deleted, or not there."""
    gone: set[int] = set()
    later: dict[int, int] = {}  # account: its first period
    for some in _some(ids):
        for row in connection.execute(select(space_accounts).where(space_accounts.c.account_id.in_(some))):
            if row.status_period < before:
                gone.update([row.account_id] if STATUSES[row.status] != ACTIVE else ())
            elif row.first_period < before:
                later[row.account_id] = row.first_period
    if not later:
        return gone
    # Accounts that were read later too. Mostly the day before has a reading; at worst one was gone for long, and came back.
    # From days' starts on, so that rollups tell it: hours may have left.
    first = periods.floor(min(later.values()), DAY)
    near = max(first, periods.floor(before, DAY) - DAY)
    for begin, end in ((near, before), (first, near)):
        for part in reversed(_cover(connection, begin, end, period_seconds)):
            for units in reversed(list(_chunks(connection, part))):
                for some in list(_some(sorted(later))):
                    for number, level in {number: level for number, level in _read(
                            connection, part, units, some, period_seconds)}.items():
                        gone.update([number] if level.gone else ())
                        del later[number]
                if not later:
                    return gone
    return gone


def _cover(connection: Connection, begin: int, end: int, period_seconds: int) -> tuple[Part, ...]:
    """Return the parts of [begin, end): rollups are in periods of the site's length, and good for no other."""
    if begin >= end:
        return ()
    if connection.execute(select(site.c.period_seconds)).scalar() != period_seconds:
        return (Part(HOURS, begin, end),)
    return ranges.cover(connection, begin, end, of=SPACE)


def _some(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), upsert.NAMES):
        yield ids[start:start + upsert.NAMES]
