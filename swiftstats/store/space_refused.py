"""Reports of space that came when the hours of their period had left: kept as they came, and in no reading and no sum.

What was measured of such a period is told by days and months, and nobody can tell any more whether a report is in them already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence

from sqlalchemy import Connection, func, select

from swiftstats.store import upsert
from swiftstats.store.schema import space_refused
from swiftstats.store.space_report import LATER


@dataclass(frozen=True)
class Refused:
    """How many reports were refused, of which periods (their starts), and when the last one was."""

    reports: int
    first_period: int
    last_period: int
    recorded_at: int


def record(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Record rows of `space_refused`, of a replica and period the later one; again it changes nothing."""
    upsert.latest(connection, space_refused, rows, LATER)


def refused(connection: Connection) -> Optional[Refused]:
    """Return what was ever refused; None where nothing was."""
    of = space_refused.c
    reports, first, last, recorded_at = connection.execute(
        select(func.count(), func.min(of.period), func.max(of.period), func.max(of.recorded_at))).one()
    return Refused(reports, first, last, recorded_at) if reports else None
