"""How far the site is complete: the least of what its live servers have closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional

from sqlalchemy import Connection, and_, func, select

from swiftstats.store.schema import servers, writers
from swiftstats.store.status import as_text


@dataclass(frozen=True)
class Freshness:
    """How far the site is complete, and each live server on its own."""

    complete_through: Optional[int]  #: None while nothing is closed
    closed_through: Mapping[str, int]  #: by live server that is waited for

    def waiting_for(self, end: int) -> tuple[str, ...]:
        """Return the servers that have not closed everything before `end`, in order."""
        return tuple(sorted(name for name, closed in self.closed_through.items() if closed < end))


def complete_through(connection: Connection) -> Freshness:
    """Return how far the site is complete. In a `read`, ask this before any count."""
    live = and_(writers.c.server_id == servers.c.id, writers.c.ended_at.is_(None), writers.c.retired_at.is_(None))
    closed = func.coalesce(func.min(writers.c.closed_through), servers.c.announced_at)
    query = (select(servers.c.name, closed).select_from(servers.outerjoin(writers, live)).where(servers.c.retired_at.is_(None))
             .group_by(servers.c.id, servers.c.name, servers.c.announced_at))
    waited = {as_text(name): moment for name, moment in connection.execute(query) if moment is not None}
    began = connection.execute(select(func.min(writers.c.first_period))).scalar()
    least = min(waited.values(), default=None)
    if least is None or began is None or least <= began:  # nothing is closed, or of the site's first period not all
        return Freshness(None, waited)
    return Freshness(least, waited)
