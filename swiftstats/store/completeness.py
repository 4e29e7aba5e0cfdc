"""How far the site is complete: the least of what its live servers have closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from sqlalchemy import Connection, Select, and_, func, select

from swiftstats.store.schema import servers, site, writers
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
    found = connection.execute(closed_by_server())
    waited = {as_text(row.name): row.closed for row in found if row.closed is not None}
    began = connection.execute(select(func.min(writers.c.first_period))).scalar()
    return Freshness(through(min(waited.values(), default=None), began), waited)


def period_seconds(connection: Connection) -> Optional[int]:
    """Return the length of the site's periods; None where nobody has registered yet."""
    return connection.execute(select(site.c.period_seconds)).scalar()


def closed_by_server() -> Select[Any]:
    """Return what reads (name, `closed`) of each live server; NULL: it is not waited for."""
    live = and_(writers.c.server_id == servers.c.id, writers.c.ended_at.is_(None), writers.c.retired_at.is_(None))
    closed = func.coalesce(func.min(writers.c.closed_through), servers.c.announced_at)
    return (select(servers.c.name, closed.label("closed")).select_from(servers.outerjoin(writers, live))
            .where(servers.c.retired_at.is_(None)).group_by(servers.c.id, servers.c.name, servers.c.announced_at))


def through(least: Optional[int], began: Optional[int]) -> Optional[int]:
    """Return how far the site is complete: `least` is what all servers have closed, `began` the site's first period."""
    if least is None or began is None or least <= began:  # nothing is closed, or of the site's first period not all
        return None
    return least
