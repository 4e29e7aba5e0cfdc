"""The page of the site: who holds up completeness, what was lost, crawlers, the busiest accounts; and the page of one server."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Mapping, Optional

from sqlalchemy import Connection

from swiftstats import fields, periods
from swiftstats.api.pages import strip
from swiftstats.fields import FIELD_INDEX, METHODS
from swiftstats.names import text_of
from swiftstats.query import site
from swiftstats.query.busiest import BY
from swiftstats.query.site import Site
from swiftstats.query.standing import HELD, Standing
from swiftstats.store import accounts, many, petnames
from swiftstats.store.writers import ServerStatus

#: Losses that are shown: of these days, and at most so many.
DAYS, LOSSES = 7, 100
BUSIEST = 5
COUNTED = 10_000


@dataclass(frozen=True)
class ServerRow:
    """A server as the table shows it; `behind`: seconds, `silent_for` likewise; `state` in a word, worst first by `rank`."""

    server: ServerStatus
    rank: int
    state: str
    behind: Optional[int]
    silent_for: Optional[int]
    lost: int


@dataclass(frozen=True)
class Busy:
    """An account in the last closed hour; `times`: tenths of its median of the day before, None where that is zero."""

    account: bytes
    requests: int
    bytes_out: int
    times: Optional[int]

    @property
    def name(self) -> str:
        """The account, as text."""
        return text_of(self.account)


class Busiest:
    """The busiest accounts of the last closed hour, kept until the next one closes: to find them is to read that hour.

    Threads need no lock: two that find at once find the same.
    """

    def __init__(self) -> None:
        self._kept: tuple[Optional[int], list[Busy]] = (None, [])

    def at(self, connection: Connection, complete_through: Optional[int]) -> tuple[Optional[int], list[Busy]]:
        """Return the hour's end, and its busiest accounts by requests."""
        if complete_through is None:
            return None, []
        kept, found = self._kept
        if kept != complete_through:
            found = _busiest(connection, complete_through - periods.HOUR, complete_through)
            self._kept = complete_through, found
        return complete_through, found


def _busiest(connection: Connection, begin: int, end: int) -> list[Busy]:
    top = many.top(connection, begin, end, plus=BY["requests"], limit=BUSIEST)
    ids = [each.id for each in top]
    edges = tuple(range(begin - 24 * periods.HOUR, end + 1, periods.HOUR))
    found = many.steps(connection, ids, edges)
    rows = []
    for each in top:
        counted = {start: fields.values(cells) for start, cells in found.get((each.id, None), [])}
        requests = {start: sum(values[FIELD_INDEX[name]] for name in METHODS) for start, values in counted.items()}
        usual = int(median(requests.get(start, 0) for start in edges[:-2]))
        now = requests.get(begin, 0)
        if now:
            sent = counted[begin][FIELD_INDEX["bytes_out"]]
            rows.append(Busy(each.name, now, sent, 10 * now // usual if usual else None))
    return rows


def shown(connection: Connection, standing: Standing, busiest: Busiest) -> Mapping[str, Any]:
    """Return what the page of the site shows."""
    started = time.perf_counter()
    found = site.read(connection, now=standing.now, days=DAYS)
    took = time.perf_counter() - started
    lost = [loss for loss in found.losses if loss.recorded_at > standing.now - periods.DAY]
    hour, busy = busiest.at(connection, standing.complete_through)
    named = petnames.of(connection, [each.account for each in busy])
    due = periods.floor(standing.now, standing.period_seconds)
    servers = _rows(found, standing)
    known = accounts.number(connection, at_most=COUNTED + 1)
    return {
        "strip": strip.of_site(standing), "site": found, "servers": servers, "outcome": site.outcome,
        "closed": sum(row.behind == 0 for row in servers), "live": sum(row.behind is not None for row in servers),
        "backlog": max((row.server.backlog_periods for row in servers if row.behind is not None), default=0),
        "lost": sum(loss.requests for loss in lost), "lost_kinds": sorted({loss.kind for loss in lost}),
        "losses": sorted(found.losses, key=lambda loss: -loss.begin)[:LOSSES], "days": DAYS,
        "known": known if known <= COUNTED else None, "counted": COUNTED,
        "milliseconds": max(1, round(1000 * took)), "busiest": busy, "named": named,
        "petnames": bool(named) or petnames.is_there(connection), "hour": hour, "due": due, "now": standing.now,
    }


def of_server(connection: Connection, standing: Standing, name: str) -> Optional[Mapping[str, Any]]:
    """Return what the page of one server shows; None where there is none of that name."""
    found = site.read(connection, now=standing.now, days=DAYS)
    row = next((each for each in _rows(found, standing) if each.server.name == name), None)
    if row is None:
        return None
    return {"row": row, "quoted": shlex.quote(name), "strip": strip.of_site(standing), "now": standing.now,
            "losses": [loss for loss in found.losses if loss.server == name][:LOSSES], "days": DAYS,
            "runs": [run for run in found.space.runs if run.server == name], "outcome": site.outcome}


def _rows(found: Site, standing: Standing) -> list[ServerRow]:
    due = periods.floor(standing.now, standing.period_seconds)
    lost: dict[str, int] = {}
    for loss in found.losses:
        lost[loss.server] = lost.get(loss.server, 0) + loss.requests
    late = {each.name for each in standing.late(due)}
    rows = []
    for server in found.servers:
        behind, silent = None, None
        if server.retired_at is None and server.closed_through is not None:
            behind = max(due - server.closed_through, 0)
        if server.last_flush is not None and behind is not None:
            silent = max(standing.now - server.last_flush, 0)
        held = server.name in late and standing.state(due) == HELD and (behind or 0) >= 3 * standing.period_seconds
        rank, state = _state(server, behind, held)
        rows.append(ServerRow(server, rank, state, behind, silent, lost.get(server.name, 0)))
    return sorted(rows, key=lambda row: (row.rank, -(row.behind or 0), row.server.name))


def _state(server: ServerStatus, behind: Optional[int], held: bool) -> tuple[int, str]:
    if server.retired_at is not None:
        return 5, "retired"
    if not server.writers:
        return 1, "announced, never seen"
    if behind is None:
        return 4, "ended"
    if held:
        return 0, "holds the site up"
    return (2, "behind") if behind else (3, "up to date")
