"""The range before a range: months and days are as long as they are, on the days on which clocks change too."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats.query import steps

HOUR = 3600


def moment(text: str, zone: str) -> int:
    """Return a local time as a moment."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(("zone", "begin", "end", "before"), [
    ("Europe/Berlin", "2026-10-25", "2026-10-26", "2026-10-24"),  # 25 hours
    ("Europe/Berlin", "2026-10-26", "2026-10-27", "2026-10-25"),
    ("Europe/Berlin", "2026-03-29", "2026-03-30", "2026-03-28"),  # 23 hours
    ("Europe/Berlin", "2026-03-30", "2026-03-31", "2026-03-29"),
    ("Europe/Berlin", "2026-10-24", "2026-10-31", "2026-10-17"),
    ("Europe/Berlin", "2026-11-01", "2026-12-01", "2026-10-01"),
    ("Europe/Berlin", "2026-03-01", "2026-04-01", "2026-02-01"),
    ("UTC", "2025-01-01", "2026-01-01", "2024-01-01"),  # after a leap year
    ("UTC", "2026-10-01", "2027-01-01", "2026-07-01"),
    ("UTC", "2026-11-20T14:00", "2026-11-21T14:00", "2026-11-19T14:00"),
    ("America/Sao_Paulo", "2018-11-04T01:00", "2018-11-05", "2018-11-03"),  # midnight does not exist
    ("Asia/Kathmandu", "2026-10-25", "2026-10-26", "2026-10-24"),
])
def test_the_range_before(zone: str, begin: str, end: str, before: str) -> None:
    """What is shown before some months is as many months, before some days as many days, and else as many seconds."""
    found = steps.before(moment(begin, zone), moment(end, zone), ZoneInfo(zone))
    assert found == moment(before, zone)


def test_hours_on_the_day_of_a_change() -> None:
    """Hours that are no whole days are as many seconds, whatever the clocks did."""
    begin, end = moment("2026-10-25T12:00", "Europe/Berlin"), moment("2026-10-26T12:00", "Europe/Berlin")
    assert steps.before(begin, end, ZoneInfo("Europe/Berlin")) == begin - (end - begin)


@given(st.integers(0, 2**32), st.integers(1, 20_000), st.sampled_from(("UTC", "Europe/Berlin", "America/Sao_Paulo")))
def test_the_range_before_ends_where_the_range_begins(begin: int, hours: int, zone: str) -> None:
    """The range before is never empty, and never reaches into the range."""
    assert steps.before(begin, begin + hours * HOUR, ZoneInfo(zone)) < begin


def test_before_the_first_year() -> None:
    """A range so long that there is none before it begins below zero, and does not fail."""
    assert steps.before(0, moment("9998-01-01", "UTC"), ZoneInfo("UTC")) < 0
