"""The space of many accounts over a range: byte-seconds, greatest and last level, from months, days and readings at the edges.

What is measured, space_levels says. All of it is exact; what is not measured is in no figure.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby
from typing import Iterator, Optional, Sequence

from sqlalchemy import Connection, select

from swiftstats import periods
from swiftstats.periods import DAY
from swiftstats.store import completeness, parts, ranges, space_levels, upsert
from swiftstats.store.marks import SPACE
from swiftstats.store.ranges import DAYS, HOURS, MONTHS, Part
from swiftstats.store.schema import space_accounts, space_days, space_months, space_readings
from swiftstats.store.space_levels import Levels, joined
from swiftstats.store.space_report import ACTIVE, STATUSES, UNREAD


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
    (found,) = steps(connection, ids, (begin, end), period_seconds=period_seconds, now=now)
    return found


def steps(connection: Connection, ids: Sequence[int], edges: Sequence[int], *, period_seconds: int, now: float,
          ) -> list[dict[int, SpaceSum]]:
    """Return the same of each step between `edges`, which ascend; all of them are read at once."""
    gone = _gone(connection, ids, edges[0], period_seconds)
    levels = _levels(connection, edges, ids, period_seconds)
    begun = periods.floor(now, period_seconds) + period_seconds
    found: list[dict[int, SpaceSum]] = [{} for _ in edges[1:]]
    for number in sorted(gone | levels.keys()):
        is_gone, of_account = number in gone, levels.get(number, {})
        for step, (begin, end) in enumerate(zip(edges, edges[1:])):
            level = of_account.get(step)
            total = _whole(level, begin, end, gone=is_gone, period_seconds=period_seconds, begun=begun)
            if total is not None:
                found[step][number] = total
            if level is not None:
                is_gone = level.gone
    return found


def _whole(level: Optional[Levels], begin: int, end: int, *, gone: bool, period_seconds: int, begun: int) -> Optional[SpaceSum]:
    """Return what follows of a stretch, where there is one, for [begin, end); None where nothing is measured.

    `gone`: the account was, at `begin`. No period that begins at `begun` or later is measured without a reading.
    """
    if level is None:
        nothing = max(min(end, begun) - begin, 0) // period_seconds if gone else 0
        return SpaceSum(nothing, 0, 0, 0, min(end, begun) - period_seconds, 0, 0, 0) if nothing else None
    measured = level.measured + ((level.first - begin) // period_seconds if gone else 0)
    last = (level.last, level.bytes, level.objects, level.containers)
    after = max(min(end, begun) - level.last - period_seconds, 0) // period_seconds if level.gone else 0
    if after:
        measured, last = measured + after, (level.last + after * period_seconds, 0, 0, 0)
    return SpaceSum(measured, level.byte_seconds, level.max_bytes, level.max_objects, *last)


def _levels(connection: Connection, edges: Sequence[int], ids: Sequence[int], period_seconds: int,
            ) -> dict[int, dict[int, Levels]]:
    """Return the stretch of each account in each step (by its number) in which it was read."""
    found: dict[int, dict[int, Levels]] = {}
    for part in _cover(connection, edges, period_seconds):
        for units in _chunks(connection, part):
            for some in _some(ids):
                read = _read(connection, part, units, some, period_seconds)
                for (number, step), level in groupby(read, key=lambda each: (each[0], bisect_right(edges, each[1].first) - 1)):
                    of_account = found.setdefault(number, {})
                    before = [of_account[step]] if step in of_account else []
                    of_account[step] = joined([*before, *(each for _, each in level)], period_seconds)
    return found


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
            if row.status == UNREAD:
                continue
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
        for part in reversed(_cover(connection, (begin, end), period_seconds)):
            for units in reversed(list(_chunks(connection, part))):
                for some in list(_some(sorted(later))):
                    for number, level in {number: level for number, level in _read(
                            connection, part, units, some, period_seconds)}.items():
                        gone.update([number] if level.gone else ())
                        del later[number]
                if not later:
                    return gone
    return gone


def _cover(connection: Connection, edges: Sequence[int], period_seconds: int) -> tuple[Part, ...]:
    """Return the parts of steps: rollups are in periods of the site's length, and good for no other."""
    begin, end = edges[0], edges[-1]
    if begin >= end:
        return ()
    if completeness.period_seconds(connection) != period_seconds:
        return (Part(HOURS, begin, end),)
    return ranges.split_steps(ranges.clean(connection, begin, end, of=SPACE), edges)


def _some(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), upsert.NAMES):
        yield ids[start:start + upsert.NAMES]
