"""From when on hours are kept: what lies before has left, or is leaving, and is told by the rollups alone.

The mark only rises, and always to the start of a UTC month. Once it stands, nothing before it is merged, rolled up or answered
by the hour again, whether or not the rows are still there: so they can be removed in small steps, later, in any order.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from swiftstats.periods import DAY
from swiftstats.store import dialects
from swiftstats.store.schema import kept

#: Nothing is let go of before it is so many days old (retention.py lets a month go when a whole one lies after it).
LEAST_DAYS = 27

_HOURS_FROM = select(kept.c.hours_from)


def hours_from(connection: Connection) -> int:
    """Return the moment from which hours are kept; 0: nothing has left."""
    return (connection.execute(_HOURS_FROM).scalar() or 0) * DAY


def hold(connection: Connection) -> int:
    """Keep the mark where it is to the end of the transaction; return it as a day's number. Holding is writing, as in `site`."""
    connection.execute(update(kept).where(kept.c.id == 1).values(changes=kept.c.changes + 1))
    return connection.execute(select(kept.c.hours_from).where(kept.c.id == 1)).scalar() or 0


def has_left(connection: Connection, day: int, now: int) -> bool:
    """Tell whether a day's hours have left; those of a day that are there stay to the end of the transaction.

    `now` is asked where the database has no clock of its own.
    """
    clock = dialects.of(connection).clock(connection)
    # Holding makes others wait: only days that could leave are worth it.
    recent = day > (now if clock is None else clock) // DAY - LEAST_DAYS
    return day < (hours_from(connection) // DAY if recent else hold(connection))


def raise_to(connection: Connection, day: int) -> None:
    """Let go of the hours before a day's number. The caller holds the mark and the site, and has seen that all is rolled up."""
    connection.execute(update(kept).where(kept.c.id == 1, kept.c.hours_from < day).values(hours_from=day))
