"""How the whole site stands: how far it is complete, which servers hold that up, and for how long they have been silent.

A period that is over and not closed is waited for; a server that has not closed HELD_PERIODS of them holds the site up: what its
flusher needs is minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from sqlalchemy import Connection

from swiftstats import periods
from swiftstats.store import completeness, writers
from swiftstats.store.writers import ServerStatus

HELD_PERIODS = 3
#: How far a range is: nothing can change it any more; not yet; or not until somebody looks after a server.
FINAL, OPEN, HELD = "final", "open", "held"


@dataclass(frozen=True)
class Late:
    """A server that has not closed what is over; `silent_for`: seconds since its last flush, None where it never flushed."""

    name: str
    closed_through: int
    silent_for: Optional[int]


@dataclass(frozen=True)
class Standing:
    """The site at `now`; moments in UTC seconds. `servers`: those that are waited for and not retired, by name."""

    now: int
    period_seconds: int
    complete_through: Optional[int]
    servers: tuple[ServerStatus, ...]

    def is_final(self, end: int) -> bool:
        """Tell whether everything before `end` is complete."""
        return self.complete_through is not None and self.complete_through >= end

    def state(self, end: int) -> str:
        """Tell how final everything before `end` is: FINAL, OPEN or HELD."""
        if self.is_final(end):
            return FINAL
        late = self.late(end)
        behind = min(end, self._due()) - late[0].closed_through if late else 0
        return HELD if behind >= HELD_PERIODS * self.period_seconds else OPEN

    def late(self, end: int) -> tuple[Late, ...]:
        """Return the servers that have not closed what is over by now and before `end`, the latest first."""
        wanted = min(end, self._due())
        found = [Late(server.name, server.closed_through, None if server.last_flush is None else self.now - server.last_flush)
                 for server in self.servers if server.closed_through is not None and server.closed_through < wanted]
        return tuple(sorted(found, key=lambda late: (late.closed_through, late.name)))

    def _due(self) -> int:
        return periods.floor(self.now, self.period_seconds)


def standing(connection: Connection, *, now: int, period_seconds: int) -> Standing:
    """Read how the site stands; to be called before any count is read, in the same snapshot.

    Periods are as long as the site's own; as given, where it has none yet.
    """
    complete = writers.complete_through(connection).complete_through
    seconds = completeness.period_seconds(connection) or period_seconds
    live = tuple(server for server in writers.servers(connection) if server.retired_at is None)
    return Standing(now, seconds, complete, live)
