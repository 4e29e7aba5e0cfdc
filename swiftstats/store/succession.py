"""Whether a writer's predecessors are gone: who has swept since its successor first came lives elsewhere, and is waited for.

A spool that was copied names the writer that it came from as its predecessor, just as a host that booted again does. No
clock tells the two apart, but the first one goes on sweeping. So a successor writes down, once, how often each predecessor
had swept by itself; what it ships in their name does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from sqlalchemy import Connection, func, insert, select

from swiftstats.store.schema import successions, sweeps, writers
from swiftstats.store.writers import Writer, find


@dataclass(frozen=True)
class Predecessor:
    """A predecessor that has not ended. `lives`: it has swept since its successor first came, so that it must not be ended."""

    writer: Writer
    lives: bool
    retired: bool


def predecessors(connection: Connection, successor: str, incarnations: Iterable[str]) -> list[Predecessor]:
    """Return the predecessors of a writer that have not ended: `incarnations`, and whom it was ever told of before.

    How often those had swept that are new to it is written down. Where a predecessor of it knows another one for longer, what
    that one wrote down holds: who was seen alive by the one is not taken for gone by the next.
    """
    noted = _noted(connection, successor)
    given = set(incarnations) - {successor}
    for name in sorted(given - noted.keys()):
        before = connection.execute(select(func.min(successions.c.sweeps)).where(
            successions.c.predecessor == name, successions.c.successor.in_(given))).scalar()
        if before is None:
            before = connection.execute(select(sweeps.c.sweeps).where(sweeps.c.incarnation == name)).scalar() or 0
        connection.execute(insert(successions).values(successor=successor, predecessor=name, sweeps=before))
        noted[name] = before
    found = []
    for name, before in sorted(noted.items()):
        writer = find(connection, name)
        if writer is not None and not writer.ended:
            retired = connection.execute(select(writers.c.retired_at).where(writers.c.id == writer.id)).scalar() is not None
            found.append(Predecessor(writer, writer.sweeps > before, retired))
    return found


def _noted(connection: Connection, successor: str) -> dict[str, int]:
    query = select(successions.c.predecessor, successions.c.sweeps).where(successions.c.successor == successor)
    return {row.predecessor: row.sweeps for row in connection.execute(query)}
