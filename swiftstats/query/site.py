"""The site as operators watch it: how far it is complete, its servers, what was lost lately, and its crawlers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from swiftstats import periods
from swiftstats.store import space, usage, writers
from swiftstats.store.losses import Loss
from swiftstats.store.space import Coverage, Refused, Run
from swiftstats.store.writers import Freshness, ServerStatus

#: Runs that are looked at for the last one of each crawler.
RUNS = 1000


@dataclass(frozen=True)
class Space:
    """What the database knows of crawlers: up to when they read all, what they read lately, the last run of each, and what came
    too late."""

    complete_through: int | None
    coverage: Coverage | None
    runs: tuple[Run, ...]
    refused: Refused | None


@dataclass(frozen=True)
class Site:
    """What the database knows; `now` is its time, `losses` are those of the days that were asked for."""

    now: int
    freshness: Freshness
    servers: tuple[ServerStatus, ...]
    losses: tuple[Loss, ...]
    space: Space


def read(connection: Connection, *, now: int, days: int) -> Site:
    """Return what the database knows, with the losses of the last `days`."""
    return Site(
        now=now,
        freshness=writers.complete_through(connection),
        servers=tuple(writers.servers(connection)),
        losses=tuple(usage.losses_between(connection, now - days * periods.DAY, periods.LAST)),
        space=_space(connection),
    )


def outcome(run: Run) -> str:
    """Say in a word how a run of a crawler ended."""
    return "not ended" if run.ended_at is None else "complete" if run.complete else "incomplete"


def _space(connection: Connection) -> Space:
    """Read what the database knows of crawlers; runs by server and method."""
    last: dict[tuple[str, str], Run] = {}
    for each in space.runs(connection, RUNS):
        last.setdefault((each.server, each.method), each)
    lately = space.coverage(connection, 1)
    return Space(space.complete_through(connection), lately[0] if lately else None,
                 tuple(last[crawler] for crawler in sorted(last)), space.refused(connection))
