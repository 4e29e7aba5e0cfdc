"""Space that accounts occupy: what replicas report, and the reading that stands of it, one per account and period.

A reading is the figures that most replicas agree on, then those of the lowest position in the ring: three replicas and a
handoff are one reading, and one that is stale or missing does no harm. A replica read again in the period replaces what it
said before, by time of reading, and never adds. So any order, repetition and number of crawlers leaves the same.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from operator import itemgetter
from typing import Any, Collection, Iterator, Mapping, Sequence

from sqlalchemy import Connection, select, update

from swiftstats import fields
from swiftstats.periods import DAY
from swiftstats.store import kept, marks, space_refused, upsert
from swiftstats.store.schema import accounts, space_accounts, space_containers, space_readings, space_replicas, space_reports
from swiftstats.store.space_readings import Reading, containers, last_status, policies, readings
from swiftstats.store.space_refused import Refused, refused
from swiftstats.store.space_report import LATER, UNREAD, PolicyFigures, Report, UnfitReport, is_account
from swiftstats.store.space_runs import Coverage, Run, begin_run, complete_through, coverage, end_run, runs, waiting_for
from swiftstats.store.space_sums import SpaceSum, sums

__all__ = [
    "Coverage", "PolicyFigures", "Reading", "Report", "Refused", "Run", "UnfitReport", "add_reports", "add_unread", "begin_run",
    "complete_through", "containers", "coverage", "end_run", "is_account", "known_accounts", "last_status",
    "policies", "readings", "refused", "runs", "total", "waiting_for",
]

# PERF: rows are tuples of space_reports; columns by name take a third of the time of adding reports.
_AT = {name: index for index, name in enumerate(space_reports.c.keys())}
_ACCOUNT, _REPLICA, _POSITION, _READ_AT, _STATUS, _LISTED, _POLICIES = (_AT[name] for name in (
    "account_id", "replica_id", "position", "read_at", "status", "listed", "policies"))
_FIGURES = itemgetter(*(_AT[name] for name in ("status", "bytes", "objects", "containers")))


def add_reports(connection: Connection, *, period: int, reports: Sequence[Report], now: int) -> None:
    """Record what replicas said, under the period in which they were read, and choose the readings that stand now.

    Reports of an account and replica more than once are as good as one after the other. At most some thousands at a time.
    Those of a period whose hours have left are refused, and recorded as such: what was not measured stays unknown.
    """
    if not reports:
        return
    day = period // DAY
    has_left = kept.has_left(connection, day, now)
    ids = upsert.add_accounts(connection, {report.account for report in reports}, now)
    named = _replicas(connection, {_name(report) for report in reports})
    if has_left:
        space_refused.record(connection, sorted((period, ids[report.account], named[_name(report)], *report.row(), now)
                                                for report in reports))
        return
    touched = sorted(ids.values())
    _hold(connection, touched, period)
    rows = ((day, ids[report.account], period, named[_name(report)], *report.row()) for report in reports)
    upsert.latest(connection, space_reports, sorted(rows), LATER)
    listed = ((day, ids[report.account], period, name, report.read_at, objects, size) for report in reports
              if report.status == "active" for name, objects, size in report.containers_by_name or ())
    upsert.latest(connection, space_containers, sorted(listed), ("read_at", "objects", "bytes"))
    chosen = list(_choose(connection, day, period, touched))
    upsert.latest(connection, space_readings, chosen)
    _remember(connection, period, {row[_ACCOUNT]: row[_STATUS] for row in chosen})
    marks.mark(connection, marks.SPACE, day, min(named.values()))


def add_unread(connection: Connection, *, period: int, accounts: Collection[bytes], now: int) -> None:
    """Record that accounts were found in a period, and not read: they are known from it on, though nobody ever reads them."""
    numbers = sorted(upsert.add_accounts(connection, accounts, now).values())
    upsert.maximum(connection, space_accounts, [(number, period, UNREAD, period, 0) for number in numbers], ())
    of = space_accounts.c
    for some in _some(numbers):
        connection.execute(update(space_accounts).where(of.account_id.in_(some), of.first_period > period)
                           .values(first_period=period))


def total(connection: Connection, account: bytes, begin: int, end: int, *, period_seconds: int, now: float) -> SpaceSum | None:
    """Return what an account occupied in [begin, end); None where nothing was measured. See space_sums.sums."""
    ids = upsert.account_ids(connection, [account]).values()
    return next(iter(sums(connection, list(ids), begin, end, period_seconds=period_seconds, now=now).values()), None)


def known_accounts(connection: Connection, after: bytes, limit: int) -> list[bytes]:
    """Return at most `limit` names of accounts that the store knows, in order, those after `after`; b"" begins."""
    query = select(accounts.c.name).where(accounts.c.name > after, accounts.c.name != fields.UNKNOWN.encode())
    return [bytes(name) for name in connection.execute(query.order_by(accounts.c.name).limit(limit)).scalars()]


def _replicas(connection: Connection, names: set[bytes]) -> dict[bytes, int]:
    """Return the ids of replicas, having added those that are new."""
    query = select(space_replicas.c.name, space_replicas.c.id).where(space_replicas.c.name.in_(sorted(names)))
    found = {bytes(name): number for name, number in connection.execute(query)}
    missing = sorted(names - found.keys())
    if missing:
        upsert.maximum(connection, space_replicas, [(name,) for name in missing], ())
        found = {bytes(name): number for name, number in connection.execute(query)}
    return found


def _hold(connection: Connection, touched: Sequence[int], period: int) -> None:
    """Let nobody else choose readings of these accounts before this transaction ends: holding is writing, as in `site`."""
    for some in _some(touched):
        held = connection.execute(update(space_accounts).where(space_accounts.c.account_id.in_(some))
                                  .values(changes=space_accounts.c.changes + 1))
        if held.rowcount < len(some):
            upsert.maximum(connection, space_accounts, [(number, period, 0, period, 0) for number in some], ())


def _choose(connection: Connection, day: int, period: int, touched: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Yield the row of space_readings that stands for each account in a period, by all of its reports."""
    names = {number: bytes(name) for number, name in connection.execute(select(space_replicas.c.id, space_replicas.c.name))}
    for some in _some(touched):
        query = (select(space_reports).where(space_reports.c.day == day, space_reports.c.period == period,
                                             space_reports.c.account_id.in_(some))
                 .order_by(space_reports.c.account_id))
        for _, said in groupby(connection.execute(query).all(), key=itemgetter(_ACCOUNT)):
            yield choose([tuple(row) for row in said], names)


def choose(said: Sequence[tuple[Any, ...]], names: Mapping[int, bytes]) -> tuple[Any, ...]:
    """Return the row that stands: of the figures that most agree on, that of the lowest position.

    What is still equal then (a ring that was changed meanwhile, or both methods at once) is decided by the later reading, the
    greater figures, and the name: by anything but the order of arrival. Of those that tell the same figures, one that lists
    containers, or else policies, goes first. `said` are rows of space_reports, `names` those of replicas.
    """
    if len(said) == 1:
        return said[0]
    agreed = Counter(map(_FIGURES, said))
    if len(agreed) > 1:
        figures = _FIGURES(min(said, key=lambda row: (
            -agreed[_FIGURES(row)], row[_POSITION], -row[_READ_AT], [-each for each in _FIGURES(row)])))
        said = [row for row in said if _FIGURES(row) == figures]
    return min(said, key=lambda row: (row[_LISTED] < 0, not row[_POLICIES], row[_POSITION], -row[_READ_AT], names[row[_REPLICA]]))


def _remember(connection: Connection, period: int, statuses: Mapping[int, int]) -> None:
    """Keep the first period that each account was seen in, and its status in the last. The caller holds the rows."""
    rows = []
    for some in _some(sorted(statuses)):
        query = select(space_accounts).where(space_accounts.c.account_id.in_(some)).order_by(space_accounts.c.account_id)
        for number, first, status, last, changes in connection.execute(query):
            # The period of one that was never read is the first one that it was found in.
            later = last > period and status != UNREAD
            now = (min(first, period), *((status, last) if later else (statuses[number], period)))
            if now != (first, status, last):
                rows.append((number, *now, changes))
    upsert.latest(connection, space_accounts, rows)


def _name(report: Report) -> bytes:
    return report.replica.encode("utf-8", "surrogateescape")


def _some(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), upsert.NAMES):
        yield numbers[start:start + upsert.NAMES]
