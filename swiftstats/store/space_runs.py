"""Runs of crawlers, and which periods are complete: in which every account that there was to read was read.

An account is known, and waited for, from the first period that it was seen in, read or not, until it is found deleted or missing,
or has not been read for WAITED_DAYS: it may have gone while no crawler ran, and would be waited for for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from sqlalchemy import Connection, and_, case, exists, func, literal, or_, select, update

from swiftstats import periods
from swiftstats.periods import DAY, HOUR
from swiftstats.store import completeness, upsert
from swiftstats.store.schema import space_accounts, space_periods, space_readings, space_runs
from swiftstats.store.space_report import UNREAD
from swiftstats.store.status import as_bytes, as_text

#: Days without any reading (of one that was never read: from when it was found) after which an account is no longer waited for:
#: Swift's own default of `reclaim_age`.
WAITED_DAYS = 7


@dataclass(frozen=True)
class Run:
    """One run of a crawler; `ended_at` is None while it runs, and where it was killed."""

    server: str
    method: str
    period: int
    started_at: int
    ended_at: Optional[int]
    seen: int
    read: int
    failed: int
    complete: bool


@dataclass(frozen=True)
class Coverage:
    """How many accounts there were to read in a period, how many were, and whether that is all."""

    period: int
    period_seconds: int
    known: int
    read: int
    complete: bool


def begin_run(connection: Connection, *, server: str, method: str, period: int, started_at: int) -> None:
    """Record that a crawler began; `period` is the one that `started_at` lies in. Again it changes nothing."""
    upsert.maximum(connection, space_runs, [(period, as_bytes(server), method, started_at, None, 0, 0, 0, 0)], ())


def end_run(connection: Connection, *, server: str, method: str, period: int, started_at: int, ended_at: int, seen: int,
            read: int, failed: int, complete: bool, period_seconds: int | None = None) -> None:
    """Record how a run ended, and reckon anew whether its periods are complete.

    `complete`: the walk came to its end, whichever accounts failed in it: another replica may have told them.
    `period_seconds`: the length of periods; without it, that of the site.
    """
    begin_run(connection, server=server, method=method, period=period, started_at=started_at)
    connection.execute(update(space_runs).where(
        space_runs.c.period == period, space_runs.c.server == as_bytes(server), space_runs.c.method == method,
        space_runs.c.started_at == started_at,
    ).values(ended_at=ended_at, seen=seen, read=read, failed=failed, complete=int(complete)))
    seconds = period_seconds or completeness.period_seconds(connection) or HOUR
    last = min(periods.floor(ended_at, seconds), period + WAITED_DAYS * DAY)  # bounded, should a clock have jumped
    for each in range(period, max(last, period) + 1, seconds):
        _reckon(connection, each, seconds)


def runs(connection: Connection, limit: int) -> list[Run]:
    """Return the last runs, the latest first."""
    query = select(space_runs).order_by(space_runs.c.period.desc(), space_runs.c.started_at.desc(), space_runs.c.server,
                                        space_runs.c.method).limit(limit)
    return [Run(as_text(row.server), row.method, row.period, row.started_at, row.ended_at, row.seen, row.read, row.failed,
                bool(row.complete)) for row in connection.execute(query)]


def coverage(connection: Connection, limit: int) -> list[Coverage]:
    """Return what was read in the last periods that had a run, the latest first."""
    query = select(space_periods).order_by(space_periods.c.period.desc()).limit(limit)
    return [Coverage(row.period, row.period_seconds, row.known, row.read, bool(row.complete))
            for row in connection.execute(query)]


def complete_through(connection: Connection) -> int | None:
    """Return the end of the last period in which every known account was read; None where there is none."""
    return connection.execute(
        select(func.max(space_periods.c.period + space_periods.c.period_seconds)).where(space_periods.c.complete == 1)).scalar()


def waiting_for(connection: Connection, period: int) -> tuple[str, ...]:
    """Return the servers whose crawlers ran lately and have not come to the end of a run in `period` or later.

    Lately is WAITED_DAYS before the last run of any of them.
    """
    latest = connection.execute(select(func.max(space_runs.c.period))).scalar()
    if latest is None:
        return ()
    ended = func.max(case((space_runs.c.complete == 1, space_runs.c.period), else_=literal(-1)))
    query = (select(space_runs.c.server).where(space_runs.c.period >= latest - WAITED_DAYS * DAY)
             .group_by(space_runs.c.server).having(ended < period))
    return tuple(sorted(as_text(name) for name in connection.execute(query).scalars()))


def _reckon(connection: Connection, period: int, period_seconds: int) -> None:
    """Write how many accounts there were to read in a period, and how many were."""
    # The row first: of two that end at once, the second sees what the first did.
    upsert.maximum(connection, space_periods, [(period, period_seconds, 0, 0, 0)], ())
    of = space_accounts.c
    there = and_(of.first_period <= period, of.status_period >= period - WAITED_DAYS * DAY,
                 or_(of.status.in_((0, UNREAD)), of.status_period >= period))
    known = connection.execute(select(func.count()).select_from(space_accounts).where(there)).scalar_one()
    found = exists().where(space_readings.c.day == period // DAY, space_readings.c.account_id == of.account_id,
                           space_readings.c.period == period)
    read = connection.execute(select(func.count()).select_from(space_accounts).where(
        there, of.status != UNREAD, or_(of.status_period == period, and_(of.status_period > period, found)))).scalar_one()
    ended = connection.execute(select(func.count()).select_from(space_runs).where(
        space_runs.c.period == period, space_runs.c.complete == 1)).scalar_one()
    connection.execute(update(space_periods).where(space_periods.c.period == period).values(
        period_seconds=period_seconds, known=known, read=read, complete=int(known == read and ended > 0)))
