"""Reports of space for tests: made, added, and what must stand of them by a model that is as plain as can be."""

from __future__ import annotations

from typing import Any, Iterable, Sequence

from sqlalchemy import Engine

from swiftstats.store import space
from swiftstats.store.engine import write
from swiftstats.store.space import Report
from tests.support.service import HOUR, T

ACCOUNT = b"AUTH_7f6a"


def report(*, account: bytes = ACCOUNT, replica: str = "account-01/sdb1", position: int = 0, read_at: int = T + 60,
           status: str = "active", containers: int = 1, objects: int = 2, size: int = 3, **more: Any) -> Report:
    """Return a report."""
    return Report(account, replica, position, read_at, status, containers, objects, size, **more)


def add(engine: Engine, *reports: Report) -> None:
    """Add reports, each under the period that it was read in."""
    for period in sorted({each.read_at // HOUR * HOUR for each in reports}):
        with write(engine) as connection:
            space.add_reports(connection, period=period, now=period,
                              reports=[each for each in reports if each.read_at // HOUR * HOUR == period])


def run(engine: Engine, period: int = T, *, server: str = "account-01", method: str = "databases", complete: bool = True,
        seen: int = 1, read: int = 1, failed: int = 0) -> None:
    """Record a whole run."""
    times = {"started_at": period + 10, "ended_at": period + 70}
    with write(engine) as connection:
        space.begin_run(connection, server=server, method=method, period=period, started_at=times["started_at"])
        space.end_run(connection, server=server, method=method, period=period, seen=seen, read=read, failed=failed,
                      complete=complete, **times)


def figures(each: Report) -> tuple[int, int, int, int]:
    """Return what replicas agree on or not; who is gone occupies nothing."""
    number = ("active", "deleted", "missing").index(each.status)
    return (number, 0, 0, 0) if number else (0, each.bytes, each.objects, each.containers)


def standing(reports: Iterable[Report]) -> tuple[int, int, int, int]:
    """Return the figures that must stand of the reports of one account and period."""
    last: dict[str, Report] = {}
    for each in reports:
        last[each.replica] = max(each, last.get(each.replica, each),
                                 key=lambda one: (one.read_at, *figures(one), one.position))
    said = [figures(each) for each in last.values()]
    most = max(said.count(one) for one in said)
    tied = [each for each in last.values() if said.count(figures(each)) == most]
    lowest = min(each.position for each in tied)
    return max((each.read_at, *figures(each)) for each in tied if each.position == lowest)[1:]


def read_back(engine: Engine, account: bytes = ACCOUNT, begin: int = 0, end: int = 2**40) -> Sequence[space.Reading]:
    """Return all readings of an account."""
    with write(engine) as connection:
        return list(space.readings(connection, account, begin, end))
