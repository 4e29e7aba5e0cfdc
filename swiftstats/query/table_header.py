"""What stands above a table of many accounts: how final it is, what of it is known to lack something, and whom nobody knows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Optional

from sqlalchemy import Connection

from swiftstats.errors import SwiftStatsError
from swiftstats.query import kept, steps
from swiftstats.query.freshness import touched
from swiftstats.query.selection import Selection
from swiftstats.query.table_question import TableQuestion
from swiftstats.store import changes, losses, many, petnames, space, status, writers
from swiftstats.store.status import ServerStatus


class NotFinal(SwiftStatsError):
    """A table that was only wanted if it was final, and is not."""

    def __init__(self, header: TableHeader) -> None:
        self.header = header
        through = header.site_complete_through
        zone = header.question.zone
        waiting = ", ".join(header.waiting_for or ())
        super().__init__(f"complete through {'-' if through is None else steps.iso(through, zone)}, not yet through "
                         f"{steps.iso(header.question.end, zone)}" + (f"; waiting for {waiting}" if waiting else ""))


@dataclass(frozen=True)
class ServerColumn:
    """A server: up to when it has closed (None: nobody heard of it yet), and whether it is behind by more than two periods.

    `waited`: whether it is waited for, neither retired nor ended.
    """

    name: str
    as_of: Optional[int]
    stale: bool
    waited: bool


@dataclass(frozen=True)
class TableHeader:
    """How final a table is. Moments and starts of periods are seconds, UTC."""

    question: TableQuestion
    now: int  #: of the database
    site_complete_through: Optional[int]  #: up to which the whole site is complete; None: nothing is closed
    site_space_complete_through: Optional[int]  #: the end of the last period in which every account was read
    waiting_for: Optional[tuple[str, ...]]  #: servers that have not closed the range; None: the range is complete
    unknown: tuple[str, ...]  #: accounts asked for by name that there are not, as they were given
    unknown_groups: tuple[str, ...]  #: groups that are asked for, and have none of the accounts that may be read
    incomplete: tuple[int, ...]  #: periods of the range with a recorded loss, or given up by retiring a server
    corrected: tuple[int, ...]  #: periods of the range of which figures changed after they were complete
    servers: tuple[ServerColumn, ...]  #: where rows are by server
    version: str  #: another one whenever what is stored of the range may be

    @property
    def final(self) -> bool:
        """Whether the range is complete."""
        return self.waiting_for is None

    @property
    def complete_through(self) -> Optional[int]:
        """Up to when the range is complete: of what is final it is the range's end, however much later it is asked."""
        through = self.site_complete_through
        return None if through is None else min(through, self.question.end)

    @property
    def space_complete_through(self) -> Optional[int]:
        """The same for readings of space."""
        through = self.site_space_complete_through
        return None if through is None else min(through, self.question.end)

    def complete(self, end: int) -> bool:
        """Tell whether a step that ends there is complete."""
        return self.site_complete_through is not None and end <= self.site_complete_through

    def tag(self, *more: str) -> Optional[str]:
        """Return what names the answer's bytes, for an ETag; `more` is what else they depend on.

        None where the range is not complete, or ended just now, so that readings of its space may still be under way.
        """
        question = self.question
        if not self.final or question.space and self.now < question.end + question.period_seconds:
            return None
        heard = [(each.name, each.as_of is None) for each in self.servers]
        asked = repr((question, self.unknown, self.unknown_groups, self.version, self.space_complete_through, heard, more))
        return hashlib.sha256(asked.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def header(connection: Connection, question: TableQuestion, selection: Optional[Selection] = None, *, now: float) -> TableHeader:
    """Read what stands above a table; to be called before the counts are read, in the same snapshot, never after.

    Raises NotFinal, and BadQuestion where it needs hours that have left.
    """
    kept.check_table(connection, question)
    site = writers.complete_through(connection)
    complete = site.complete_through
    waiting = None
    if complete is None or complete < question.end:
        waiting = site.waiting_for(question.end)
    known = {each.name for each in many.named(connection, [raw for _, raw in question.asked])}
    corrected = changes.corrected(connection, question.begin, question.end)
    lost = losses.spans(connection, question.begin, question.end)
    found = TableHeader(
        question=question, now=int(now), site_complete_through=complete,
        site_space_complete_through=space.complete_through(connection) if question.space else None,
        waiting_for=waiting, unknown=tuple(asked for asked, raw in question.asked if raw not in known),
        unknown_groups=() if selection is None else selection.unknown_groups(connection),
        incomplete=touched(question, lost),
        corrected=touched(question, ((start, start + 1) for start in corrected)),
        servers=_servers(connection, question, now) if question.by_server else (),
        version=repr((changes.version(connection, question.begin, question.end, space=bool(question.space)), lost,
                      petnames.version(connection))))
    if question.final and not found.final:
        raise NotFinal(found)
    return found


def _servers(connection: Connection, question: TableQuestion, now: float) -> tuple[ServerColumn, ...]:
    """Return the servers that there are, by name, retired ones too: what they counted stands."""
    return tuple(ServerColumn(each.name, as_of(each), stale(each, question.period_seconds, now), _waited(each))
                 for each in status.servers(connection))


def as_of(server: ServerStatus) -> Optional[int]:
    """Return up to when a server's usage is known; None where it never registered."""
    return max((writer.closed_through for writer in server.writers), default=None)


def stale(server: ServerStatus, period_seconds: int, now: float) -> bool:
    """Tell whether a server that is waited for has not closed what ended a period ago."""
    return _waited(server) and (server.closed_through or 0) + 2 * period_seconds <= now


def _waited(server: ServerStatus) -> bool:
    return server.retired_at is None and server.closed_through is not None
