"""Rows that are put together as they are asked for."""

from __future__ import annotations

from swiftstats.store.upsert import Joined


def test_joined() -> None:
    """They are, in every way to ask, the rows that they stand for."""
    rows = [(number, 2 * number, 3 * number) for number in range(7)]
    joined = Joined([(first, (second, third)) for first, second, third in rows])
    assert len(joined) == 7 and list(joined) == rows and joined[3] == rows[3] and joined[-1] == rows[-1]
    assert joined[2:5] == rows[2:5] and joined[:100] == rows
