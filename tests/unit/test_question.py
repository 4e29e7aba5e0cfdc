"""A question read from text: names, times, and every fault at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats import periods
from swiftstats.query.question import BadQuestion, Fault, Question, ask, resolve

PREFIXES = ("AUTH_", "SERVICE_")
GOOD = {"account_id": "7f6a", "begin_time": "2012-10-22 08:00:00", "end_time": "2012-10-22 10:00:00"}


def faults(changes: dict[str, str], **options: object) -> dict[str, str]:
    with pytest.raises(BadQuestion) as caught:
        ask({**GOOD, **changes}, **{"prefixes": PREFIXES, "period_seconds": 3600, **options})  # type: ignore[arg-type]
    return {fault.parameter: fault.expected for fault in caught.value.faults}


def test_question() -> None:
    """Text becomes the stored name and seconds, and the name as it was given is kept for the answer."""
    assert ask(GOOD, prefixes=PREFIXES, period_seconds=3600) == Question("7f6a", b"AUTH_7f6a", 1350892800, 1350900000, 3600)


@pytest.mark.parametrize(("asked", "stored"), [
    ("7f6a", b"AUTH_7f6a"), ("AUTH_7f6a", b"AUTH_7f6a"), ("SERVICE_7f6a", b"SERVICE_7f6a"), ("(unknown)", b"(unknown)"),
    ("auth_7f6a", b"AUTH_auth_7f6a"), ("unknown", b"AUTH_unknown"), ("ü ", "AUTH_ü ".encode()),
    ("x" * 251, b"AUTH_" + b"x" * 251),
])
def test_names(asked: str, stored: bytes) -> None:
    """A name with a configured prefix, or (unknown), is taken as it stands; any other gets the first prefix."""
    assert resolve(asked, PREFIXES) == stored


def test_empty_prefix() -> None:
    """Where the cluster has the empty prefix, every name stands as it is."""
    assert resolve("7f6a", ("",)) == b"7f6a"


@pytest.mark.parametrize("asked", ["", "a/b", "a\0b", "x" * 252, "ü" * 126, "\udcff"])
def test_names_that_no_account_has(asked: str) -> None:
    """A name that is empty, too long with its prefix, or holds what no account's name can, is a fault."""
    assert list(faults({"account_id": asked})) == ["account_id"]


def test_every_fault_at_once() -> None:
    """Whatever is wrong is listed together, so that nobody mends a request one fault at a time."""
    with pytest.raises(BadQuestion) as caught:
        ask({"begin_time": "yesterday", "end_time": "2012-10-22 08:30:00"}, prefixes=PREFIXES, period_seconds=3600,
            faults=[Fault("format", "yaml", "one of json")])
    assert [fault.parameter for fault in caught.value.faults] == ["format", "account_id", "begin_time", "end_time"]


@pytest.mark.parametrize(("text", "nearest"), [
    ("2012-10-22 08:30:00", "2012-10-22 08:00:00 or 2012-10-22 09:00:00"),
    ("2012-10-22 08:00:01", "2012-10-22 08:00:00 or 2012-10-22 09:00:00"),
    ("2012-10-22T08:00:00.5Z", "2012-10-22 08:00:00 or 2012-10-22 09:00:00"),
    ("2012-10-22T08:00:00+05:45", "2012-10-22 02:00:00 or 2012-10-22 03:00:00"),
    ("9999-12-31 23:30:00", "9999-12-31 23:00:00"),
])
def test_nearest_times(text: str, nearest: str) -> None:
    """A time within a period is answered with the boundaries next to it."""
    assert faults({"begin_time": text, "end_time": text})["begin_time"].endswith("nearest: " + nearest)


def test_quarter_hours() -> None:
    """With periods of 15 minutes, an offset of 5:45 is a boundary."""
    question = ask({**GOOD, "begin_time": "2012-10-22T08:00:00+05:45"}, prefixes=PREFIXES, period_seconds=900)
    assert question.begin == periods.parse("2012-10-22 02:15:00")


@pytest.mark.parametrize("end", ["2012-10-22 08:00:00", "2012-10-21 08:00:00"])
def test_order(end: str) -> None:
    """An end that is not after the begin is refused, with the first that would do."""
    assert faults({"end_time": end}) == {"end_time": "a time after begin_time: 2012-10-22 09:00:00 or later"}


def test_longest_detail() -> None:
    """A detail of max_periods is answered, one more is refused with the latest end that would do."""
    ask({**GOOD, "end_time": "2013-10-23 08:00:00"}, prefixes=PREFIXES, period_seconds=3600, max_periods=8784)
    expected = faults({"end_time": "2013-10-23 09:00:00"}, max_periods=8784)
    assert expected == {"end_time": "at most 8784 periods of 3600 seconds: 2013-10-23 08:00:00 or before"}


def test_lost_plus() -> None:
    """An offset whose plus became a space on its way in a URL is told from nonsense."""
    assert "%2B" in faults({"begin_time": "2012-10-22T10:00:00 02:00"})["begin_time"]


def test_long_values_are_cut() -> None:
    """What is shown again of a refused value is bounded."""
    with pytest.raises(BadQuestion) as caught:
        ask({**GOOD, "begin_time": "x" * 60000}, prefixes=PREFIXES, period_seconds=3600)
    assert len(caught.value.faults[0].value) < 300


@given(st.dictionaries(st.sampled_from(["account_id", "begin_time", "end_time"]), st.text()))
def test_any_text(values: dict[str, str]) -> None:
    """Any text at all is a question or a BadQuestion, never another error."""
    try:
        ask(values, prefixes=PREFIXES, period_seconds=3600, max_periods=10)
    except BadQuestion as error:
        assert error.faults
