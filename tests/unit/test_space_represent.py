"""Space in JSON, XML, CSV and tables: nulls in sums, names of any kind in breakdowns, and nothing that is cut looks whole."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from typing import Any, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats import periods
from swiftstats.errors import DatabaseAway
from swiftstats.query import space
from swiftstats.query.answer import Values
from swiftstats.query.freshness import Header
from swiftstats.query.question import Question
from swiftstats.represent import as_csv, as_json, as_table, as_xml
from tests.support.service import HOUR, T

FORMS = pytest.mark.parametrize("form", [as_json, as_xml, as_csv])
Rows = Iterator["tuple[int, Sequence[tuple[str, Values]] | None]"]
COUNT = st.integers(0, 2**80)


def header() -> Header:
    return Header(Question("7f6a", b"AUTH_7f6a", T, T + 2 * HOUR, HOUR), None, ("account-01",), (), ())


def number(text: str | None) -> int | None:
    return int(text) if text else None


def test_sum_of_nothing() -> None:
    """A figure of which nothing is known is null in every format, beside those that are known."""
    found = space.Sum(header(), (None, None, None, None, None, 2, 0))
    assert list(json.loads(as_json.total(found))[1].values()) == [None] * 5 + [2, 0]
    usage = ElementTree.fromstring(as_xml.total(found))[1]
    assert [(each.get("nil"), each.text) for each in usage] == [("true", None)] * 5 + [(None, "2"), (None, "0")]
    assert as_csv.total(found).decode().splitlines()[1] == ",,,,,2,0"
    assert "Byte_Hours\t\n" in as_table.total(found, aligned=False)


#: Without NUL: the store refuses it in a name (UnfitReport), and Python 3.10's csv cannot read it back.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(st.none() | st.dictionaries(NAMES, st.tuples(st.none() | COUNT, COUNT, COUNT), max_size=4), max_size=5))
def test_same_names_and_numbers(hours: list[dict[str, Values] | None]) -> None:
    """A breakdown has the same names and numbers in JSON, XML and CSV, whatever the names hold."""
    def made() -> space.Breakdown:
        return space.Breakdown(header(), ((T + at * HOUR, None if parts is None else list(parts.items()))
                                          for at, parts in enumerate(hours)))

    second = json.loads(b"".join(as_json.breakdown(made())))[1]
    assert list(second.values()) == [
        None if parts is None else {name: dict(zip(space.TITLES, values)) for name, values in parts.items()} for parts in hours]
    wanted = [(periods.format(T + at * HOUR), name, *values) for at, parts in enumerate(hours)
              for name, values in (parts or {None: (None if parts is None else 0,) * 3}).items()]  # type: ignore[dict-item]
    root = ElementTree.fromstring(b"".join(as_xml.breakdown(made())))
    read: list[tuple[Any, ...]] = [(each.get("time"), each.get("name"), *(number(one.text) for one in each)) for each in root[1:]]
    assert read == [(time, name and as_xml._CANNOT_CARRY.sub("\ufffd", name), *values) for time, name, *values in wanted]
    table = list(csv.reader(io.StringIO(b"".join(as_csv.breakdown(made())).decode(), newline="")))
    assert [(row[0], row[1] or None, *map(number, row[2:])) for row in table[1:]] == wanted


@FORMS
def test_cut_breakdown_is_malformed(form: Any) -> None:
    """A breakdown whose rows fail half-way raises, and what was sent of it is no whole answer in its format."""
    def rows() -> Rows:
        for at in range(1000):
            yield T + at * HOUR, [("gold, \"1\"", (1, 2, 3))]
        raise DatabaseAway("gone")

    sent = b""
    with pytest.raises(DatabaseAway):
        for chunk in form.breakdown(space.Breakdown(header(), rows())):
            sent += chunk
    with pytest.raises((ValueError, ElementTree.ParseError, csv.Error)):
        if form is as_json:
            json.loads(sent)
        elif form is as_xml:
            ElementTree.fromstring(sent)
        else:
            list(csv.reader(io.StringIO(sent.decode(), newline=""), strict=True))


def test_table_of_names() -> None:
    """A breakdown in a terminal has a row per name; a name cannot break its line."""
    found = space.Breakdown(header(), iter([(T, [("a\tb", (1, 2, 3))]), (T + HOUR, None)]))
    assert as_table.detail(found, aligned=False) == (
        "Time\tName\tContainer\tObject\tSpace\n2012-10-22 08:00:00\ta\ufffdb\t1\t2\t3\n2012-10-22 09:00:00\t\t\t\t\n")
