"""What can be asked of many accounts: every mistake is named with its parameter, and words mean their range in the zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats.query import table_question
from swiftstats.query.question import BadQuestion
from swiftstats.query.table_question import PARAMETERS, TableQuestion

#: 2026-10-31 23:30 in UTC: in Berlin it is November.
NOW = 1_793_489_400


def ask(pages: bool = True, now: float = NOW, **values: str | list[str]) -> TableQuestion:
    """Return a question of a site with hours, which reads these parameters."""
    given = {name: [value] if isinstance(value, str) else value for name, value in values.items()}
    return table_question.ask(given, prefixes=("AUTH_", ""), period_seconds=3600, max_periods=8784, now=now, pages=pages)


def faults(pages: bool = True, **values: str | list[str]) -> dict[str, str]:
    """Return what is expected, by parameter, of a question that cannot be asked."""
    with pytest.raises(BadQuestion) as error:
        ask(pages, **values)
    return {each.parameter: each.expected for each in error.value.faults}


@pytest.mark.parametrize(("values", "parameter", "expected"), [
    ({"colour": "red"}, "colour", "one of begin, end"),
    ({"begin": ["2026-09", "2026-10"]}, "begin", "one begin, not 2"),
    ({"begin": "yesterday"}, "begin", "2026-10-21, this-month"),
    ({"begin": "2026-13"}, "begin", "2026-10"),
    ({"begin": "2026-02-30"}, "begin", "2026-10"),
    ({"begin": "2026-10-01T00:30", "end": "2026-10-02"}, "begin", "2026-10-01"),
    ({"begin": "2026-10-01T00:00"}, "end", "needed where begin names a moment"),
    ({"begin": "2026-10-02", "end": "2026-10-01"}, "end", "a time after begin, 2026-10-02T00:00:00Z"),
    ({"begin": "2026-10-02", "end": "2026-10-02"}, "end", "a time after begin"),
    ({"timezone": "Berlin"}, "timezone", "Europe/Berlin"),
    ({"timezone": "../../etc/passwd"}, "timezone", "Europe/Berlin"),
    ({"timezone": "Asia/Kathmandu"}, "timezone", "period_seconds = 900"),
    ({"granularity": "week"}, "granularity", "one of total, period, hour, day, month"),
    ({"begin": "2024-01-01T00:00", "end": "2026-01-01T00:00", "granularity": "hour"}, "granularity", "at most 8784 steps"),
    ({"by": "policy"}, "by", "one or more of account, group, server"),
    ({"by": "account,group"}, "by", "account or group"),
    ({"account": "a/b"}, "account", ""),
    ({"account_prefix": "\0"}, "account_prefix", ""),
    ({"group": "/physics"}, "group", "a group such as physics/lab1"),
    ({"fields": "bytes"}, "fields", "some of"),
    ({"fields": ""}, "fields", "some of"),
    ({"fields": "GET,space_last", "by": "server"}, "fields", "space is not told by server"),
    ({"fields": "space_max", "by": "group"}, "fields", "is no sum"),
    ({"order": "name"}, "order", "one of account, -"),
    ({"order": "-GET", "by": "server"}, "order", "only accounts can be put in order"),
    ({"order": "-GET", "marker": "AUTH_a"}, "marker", "a top list has one page"),
    ({"limit": "0"}, "limit", "from 1 to 1000"),
    ({"limit": "1001"}, "limit", "from 1 to 1000"),
    ({"limit": "-1"}, "limit", "from 1 to 1000"),
    ({"limit": "١"}, "limit", "from 1 to 1000"),
    ({"limit": "5", "by": "server"}, "limit", "a row per server has no pages"),
    ({"marker": "hex:zz"}, "marker", "what `next` of the page before was"),
    ({"final": "yes"}, "final", "one of no, required"),
])
def test_every_mistake_is_named(values: dict[str, str | list[str]], parameter: str, expected: str) -> None:
    """A parameter that cannot be is named alone, with what could be."""
    found = faults(**values)
    assert list(found) == [parameter] and expected in found[parameter]


@pytest.mark.parametrize("name", ["limit", "marker"])
def test_a_stream_has_no_pages(name: str) -> None:
    """A stream gives all accounts: a limit on it is refused, where it would have been ignored."""
    assert "takes no limit and no marker" in faults(False, **{name: "7"})[name]


def test_every_mistake_at_once() -> None:
    """All that is wrong is named in one answer."""
    assert set(faults(begin="soon", timezone="Mars", by="x", fields="y", order="z", limit="0", final="?", granularity="eon")) == {
        "begin", "timezone", "by", "fields", "order", "limit", "final", "granularity"}


@pytest.mark.parametrize(("word", "zone", "begin", "end"), [
    ("this-month", "UTC", "2026-10-01", "2026-11-01"),
    ("this-month", "Europe/Berlin", "2026-11-01", "2026-12-01"),
    ("last-month", "UTC", "2026-09-01", "2026-10-01"),
    ("last-month", "Europe/Berlin", "2026-10-01", "2026-11-01"),
    ("today", "UTC", "2026-10-31", "2026-11-01"),
    ("today", "Europe/Berlin", "2026-11-01", "2026-11-02"),
    (None, "Europe/Berlin", "2026-11-01", "2026-12-01"),
    ("2026-10", "Europe/Berlin", "2026-10-01", "2026-11-01"),
    ("2026-10-25", "Europe/Berlin", "2026-10-25", "2026-10-26"),
])
def test_words_are_those_of_the_zone(word: str | None, zone: str, begin: str, end: str) -> None:
    """This month, last month and today are those of the zone, where the clocks may have gone into another month."""
    asked = ask(timezone=zone) if word is None else ask(timezone=zone, begin=word)
    expected = [int(datetime.fromisoformat(each).replace(tzinfo=ZoneInfo(zone)).timestamp()) for each in (begin, end)]
    assert [asked.begin, asked.end] == expected


TEXT = st.one_of(st.text(max_size=20), st.sampled_from([
    "2026-10", "2026-10-21", "today", "this-month", "9999-12-31", "0001-01", "1970-01-01", "2026-10-21T00:00+14:00",
    "day", "hour", "account,server", "account", "GET,bytes_out", "-GET", "-space_last", "1", "1000", "hex:00",
    "Europe/Berlin", "required", "AUTH_a"]))


@given(st.dictionaries(st.sampled_from(PARAMETERS), st.lists(TEXT, min_size=1, max_size=2)), st.booleans())
def test_any_text(values: dict[str, list[str]], pages: bool) -> None:
    """Whatever is asked is a question, or a list of what is wrong with it: never a failure."""
    try:
        asked = ask(pages, **values)
    except BadQuestion as error:
        assert error.faults and all(each.parameter in PARAMETERS and each.expected for each in error.faults)
    else:
        assert asked.begin < asked.end and asked.edges[0] == asked.begin and asked.edges[-1] == asked.end
        assert list(asked.edges) == sorted(set(asked.edges)) and 1 <= asked.limit <= 1000
