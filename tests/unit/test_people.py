"""Counts, bytes, times and ranges as people read them: three digits, rounded from whole numbers, in the zone asked for."""

from __future__ import annotations

from datetime import timezone
from zoneinfo import ZoneInfo

import pytest

from swiftstats.query import steps
from swiftstats.represent import people

T = 1_350_892_800  # 2012-10-22 08:00:00


@pytest.mark.parametrize(("number", "shown"), [
    (0, "0 B"), (1023, "1,023 B"), (1024, "1.00 KiB"), (1_535_000, "1.46 MiB"), (261_095_424, "249 MiB"),
    (1023 * 1024**2, "1,023 MiB"), (1024**3 - 1, "1.00 GiB"), (2**64, "16.0 EiB"), (10**30, "827,181 YiB"),
])
def test_bytes_have_three_digits(number, shown):
    """Bytes are three digits in units of 1,024, labelled so; up to 1,023 of a unit stay in it; no size is too great."""
    assert people.size(number) == shown


def test_bytes_in_other_units():
    """Bytes can be asked for in units of 1,000, or exactly; byte-hours say so."""
    assert people.size(1_535_000, people.SI) == "1.54 MB"
    assert people.size(999_999, people.SI) == "1.00 MB"
    assert people.size(2**63, people.EXACT) == "9,223,372,036,854,775,808 B"
    assert people.size(2_544_767_631, of="·h") == "2.37 GiB·h"


def test_moments_name_their_offset():
    """A time says which zone it is in, so that the hour that comes twice is two; one without a name says its offset."""
    berlin = ZoneInfo("Europe/Berlin")
    assert people.moment(T) == "2012-10-22 08:00 UTC"
    assert people.moment(T + 20) == "2012-10-22 08:00:20 UTC"
    assert people.moment(T, ZoneInfo("Asia/Kathmandu")) == "2012-10-22 13:45 +05:45"
    assert [people.moment(1_351_382_400 + hour * 3600, berlin) for hour in (0, 1)] == [
        "2012-10-28 02:00 CEST", "2012-10-28 02:00 CET"]
    assert (steps.iso(T, timezone.utc), steps.iso(T, berlin)) == ("2012-10-22T08:00:00Z", "2012-10-22T10:00:00+02:00")


@pytest.mark.parametrize(("begin", "end", "shown"), [
    (T - 8 * 3600, T + 16 * 3600, "22 October 2012, UTC"),
    (1_349_049_600, 1_351_728_000, "1 to 31 October 2012, UTC"),
    (1_349_049_600, 1_354_320_000, "1 October to 30 November 2012, UTC"),
    (1_325_376_000, 1_388_534_400, "1 January 2012 to 31 December 2013, UTC"),
    (T, T + 3600, "2012-10-22 08:00 UTC to 2012-10-22 09:00 UTC"),
])
def test_ranges_of_whole_days_are_named_by_days(begin, end, shown):
    """Whole days are named with the last one included; anything else by both of its ends."""
    assert people.span(begin, end) == shown


def test_lengths_of_time():
    """A length is told in its greatest unit, rounded down, with the right plural."""
    assert [people.duration(seconds) for seconds in (0.4, 1, 59, 2220, 3600, 86400 * 3 + 5)] == [
        "less than a second", "1 second", "59 seconds", "37 minutes", "1 hour", "3 days"]
