"""Periods and times: what is read, what is refused, and that both directions agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats import periods
from swiftstats.errors import TimeError

LENGTHS = [seconds for seconds in range(1, periods.HOUR + 1) if periods.HOUR % seconds == 0]
moments = st.integers(0, periods.LAST)


@pytest.mark.parametrize("seconds", [1, 60, 900, 1800, 3600])
def test_divisors_of_an_hour_are_period_lengths(seconds):
    """Any divisor of an hour may be the length of a period."""
    assert periods.is_period_length(seconds)


@pytest.mark.parametrize("seconds", [0, -1800, 7, 1000, 3599, 7200])
def test_other_lengths_are_refused(seconds):
    """A length that does not divide an hour would drift against the hours that bills are made of."""
    assert not periods.is_period_length(seconds)


@given(moments, st.sampled_from(LENGTHS))
def test_a_moment_lies_in_its_period(moment, seconds):
    """A period holds its start and not its end, and every moment lies in exactly one."""
    start = periods.floor(moment, seconds)
    assert start % seconds == 0
    assert start <= moment < start + seconds


@given(moments.map(lambda moment: moment + 0.999))
def test_a_fraction_of_a_second_belongs_to_the_period_it_lies_in(moment):
    """Clocks give fractions; the last of them before an hour's end still counts into that hour."""
    assert periods.floor(moment, periods.HOUR) == periods.floor(int(moment), periods.HOUR)


@given(moments)
def test_a_moment_survives_being_written_and_read(moment):
    """What the API writes, in either form, it reads as the same moment."""
    assert periods.parse(periods.format(moment)) == moment
    assert periods.parse(periods.iso(moment)) == moment


@pytest.mark.parametrize("text", [
    "2012-10-22 08:00:00", "2012-10-22T08:00:00", "2012-10-22T08:00", "2012-10-22 08:00", "2012-10-22T08:00:00Z",
    "2012-10-22T08:00:00z", "2012-10-22T08:00:00.000", "2012-10-22T08:00:00,000Z", "2012-10-22T10:00:00+02:00",
    "2012-10-22T10:00:00+0200", "2012-10-22 13:45:00+05:45", "2012-10-22T00:00:00-08:00", " 2012-10-22 08:00:00 ",
    "2012-10-22T08:00:00 Z",
])
def test_spellings_of_one_moment(text):
    """Every spelling that the API documents means the same moment; one without an offset is UTC."""
    assert periods.format(periods.parse(text)) == "2012-10-22 08:00:00"


def test_a_date_alone_is_its_midnight():
    """A day's start may be written as the day."""
    assert periods.parse("2012-10-22") == periods.parse("2012-10-22 00:00:00")


@pytest.mark.parametrize("text", [
    "", "yesterday", "1350892800", "2012-10-22 08", "2012-10-32 08:00:00", "2012-02-30", "2012-10-22 24:00:00",
    "2012-10-22 08:60:00", "2012-10-22 08:00:60", "2012-10-22 08:00:00 CET", "2012-10-22 08:00:00.5", "2012-10-22 08:00:00+25:00",
    "2012-10-22 08:00:00+02:60", "12-10-22 08:00:00", "2012/10/22 08:00:00", "1969-12-31 23:59:59", "1970-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "2012-10-22 08:00:00; DROP TABLE io_hours", "２０１２-10-22 08:00:00", "2012-10-22 08:00:00\n2012", "0000-01-01 00:00:00",
])
def test_what_is_no_usable_time_is_refused_with_what_would_do(text):
    """A time that cannot be read exactly is an error that shows the value and what was expected, never a guess."""
    with pytest.raises(TimeError) as caught:
        periods.parse(text)
    assert caught.value.value == text
    assert caught.value.expected
    assert repr(text) in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_time_error(text):
    """Nothing that a client can send makes the reader of times fail in another way."""
    try:
        moment = periods.parse(text)
    except TimeError:
        return
    assert 0 <= moment <= periods.LAST
