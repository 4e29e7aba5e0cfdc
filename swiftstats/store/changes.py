"""What changed of a range after it was complete: which periods were corrected, and whether anything at all did since."""

from __future__ import annotations

from sqlalchemy import Connection, func, or_, select

from swiftstats.periods import DAY
from swiftstats.store.schema import corrections, space_runs

#: No run of a crawler lasts longer.
LONGEST_RUN_DAYS = 7


def corrected(connection: Connection, begin: int, end: int) -> list[int]:
    """Return the periods of [begin, end) that were corrected for any account, ascending."""
    query = select(corrections.c.period).distinct().where(corrections.c.period >= begin, corrections.c.period < end)
    return list(connection.execute(query.order_by(corrections.c.period)).scalars())


def version(connection: Connection, begin: int, end: int, *, space: bool) -> tuple[int | None, ...]:
    """Return numbers that are others once a figure of [begin, end), which the site had completed, has changed.

    Figures of a complete period change by corrections alone; with `space`, levels do by the runs of crawlers that reach into it.
    """
    of = corrections.c
    found = connection.execute(select(func.count(), func.max(of.id)).where(of.period >= begin, of.period < end)).one()
    if not space:
        return tuple(found)
    run = space_runs.c
    runs = connection.execute(select(func.count(), func.count(run.ended_at), func.max(run.ended_at)).where(
        run.period >= begin - LONGEST_RUN_DAYS * DAY, run.period < end, or_(run.ended_at.is_(None), run.ended_at >= begin))).one()
    return *found, *runs
