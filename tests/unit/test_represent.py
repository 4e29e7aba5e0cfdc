"""Answers and errors in JSON, XML, CSV and tables: the same numbers in all, exact, and never broken unnoticed."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from typing import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats import fields, periods
from swiftstats.errors import DatabaseAway
from swiftstats.query.freshness import Header
from swiftstats.query.io import Detail, Sum
from swiftstats.query.question import Fault, Question
from swiftstats.represent import as_csv, as_json, as_table, as_xml
from swiftstats.represent.chunks import CHUNK, MOST, chunks

T = 1_350_892_800  # 2012-10-22 08:00:00
HOUR = 3600
TITLES = [field.title for field in fields.FIELDS]
VALUES = tuple(2**70 + number for number in range(len(TITLES)))
Row = tuple[int, "tuple[int, ...] | None"]


def header(asked: str = "7f6a", complete: int | None = T + HOUR, waiting: tuple[str, ...] | None = ("proxy-03",),
           incomplete: tuple[int, ...] = (), corrected: tuple[int, ...] = ()) -> Header:
    return Header(Question(asked, b"AUTH_7f6a", T, T + 2 * HOUR, HOUR), complete, waiting, incomplete, corrected)


def detail(rows: Iterator[Row] | None = None) -> Detail:
    return Detail(header(), iter([(T, VALUES), (T + HOUR, None)]) if rows is None else rows)


def test_json_sum() -> None:
    """The sum is the documented array, with its names in their order, and integers beyond 2^64 exactly."""
    written = as_json.total(Sum(header(complete=T + 2 * HOUR, waiting=None), VALUES)).decode()
    assert written.startswith('[{"Account_ID": "7f6a", "Begin Time": "2012-10-22 08:00:00", "End Time": "2012-10-22 10:00:00", '
                              '"Complete Through": "2012-10-22 10:00:00"}, {"Bytes_In": 1180591620717411303424, "Bytes_Out": ')
    assert list(json.loads(written)[1]) == [
        "Bytes_In", "Bytes_Out", "DELETE", "GET", "HEAD", "OTHER", "POST", "PUT",
        "Denied", "Client_Errors", "Server_Errors", "Disconnects", "Unbilled_Bytes_In", "Unbilled_Bytes_Out"]
    assert tuple(json.loads(written)[1].values()) == VALUES


def test_json_header_of_an_unfinished_range() -> None:
    """What is not final is said; lists are left out when empty, but Waiting For, whose presence says not complete."""
    shown = as_json.header_object(header(complete=None, waiting=(), incomplete=(T,), corrected=(T + HOUR,)))
    assert list(shown.items())[3:] == [
        ("Complete Through", None), ("Waiting For", []), ("Incomplete", ["2012-10-22 08:00:00"]),
        ("Corrected", ["2012-10-22 09:00:00"])]


def test_json_detail() -> None:
    """A detail has every period in order, null in every field where nothing is known."""
    first, second = json.loads(b"".join(as_json.detail(detail())))
    assert list(second) == ["2012-10-22 08:00:00", "2012-10-22 09:00:00"]
    assert second["2012-10-22 08:00:00"] == dict(zip(TITLES, VALUES))
    assert second["2012-10-22 09:00:00"] == dict.fromkeys(TITLES)
    assert first["Waiting For"] == ["proxy-03"]


def test_xml_sum() -> None:
    """The sum in XML has the same names, with underscores, and one usage without time."""
    root = ElementTree.fromstring(as_xml.total(Sum(header(complete=None, incomplete=(T,), corrected=(T,)), VALUES)))
    query, usage = root
    assert (root.tag, query.tag, usage.tag, usage.attrib) == ("io_sum", "query", "usage", {})
    assert [each.tag for each in query] == [
        "Account_ID", "Begin_Time", "End_Time", "Complete_Through", "Waiting_For", "Incomplete", "Corrected"]
    assert query[3].attrib == {"nil": "true"} and query[3].text is None
    assert [(each.tag, each.text) for each in query[4]] == [("server", "proxy-03")]
    assert [(each.tag, each.text) for each in query[5]] == [("period", "2012-10-22 08:00:00")]
    assert [(each.tag, int(each.text or "")) for each in usage] == list(zip(TITLES, VALUES))


def test_xml_detail() -> None:
    """A detail in XML has a usage per period, with its time, and nil where nothing is known."""
    root = ElementTree.fromstring(b"".join(as_xml.detail(detail())))
    assert [each.get("time") for each in root[1:]] == ["2012-10-22 08:00:00", "2012-10-22 09:00:00"]
    assert [each.get("nil") for each in root[2]] == ["true"] * len(TITLES)


@given(st.text())
def test_xml_carries_any_name(name: str) -> None:
    """Any name gives well-formed XML, and comes back as it was but for characters that XML cannot carry."""
    root = ElementTree.fromstring(as_xml.total(Sum(header(asked=name), VALUES)))
    again = root[0][0].text or ""
    assert len(again) == len(name)
    assert all(one == other or one == "\ufffd" for one, other in zip(again, name))
    refused = ElementTree.fromstring(as_xml.error(400, "Bad Request", [Fault("account_id", name, name)]))[2]
    assert refused.get("value") == refused.get("expected") == again


def test_xml_escapes() -> None:
    """Markup and quotes in a name are escaped, control characters replaced."""
    assert as_xml.escape("<a>&\"\0\x0b\ufffe\r") == "&lt;a&gt;&amp;&quot;\ufffd\ufffd\ufffd&#13;"


def test_csv() -> None:
    """CSV has a line of titles, CRLF, Time first in a detail, and empty fields where nothing is known."""
    assert as_csv.total(Sum(header(), VALUES)).decode() == ",".join(TITLES) + "\r\n" + ",".join(map(str, VALUES)) + "\r\n"
    text = b"".join(as_csv.detail(detail())).decode()
    assert text.endswith("\r\n2012-10-22 09:00:00" + "," * len(TITLES) + "\r\n")
    assert list(csv.reader(io.StringIO(text, newline="")))[:2] == [["Time", *TITLES], ["2012-10-22 08:00:00", *map(str, VALUES)]]


def test_csv_headers() -> None:
    """What JSON says above an answer stands in HTTP headers: safe in any name, and bounded with a thousand servers."""
    assert as_csv.headers(header(complete=None, waiting=None)) == [("X-Complete-Through", "")]
    assert as_csv.headers(header(waiting=("a", "ü%\udcff"), incomplete=(T,), corrected=(T,))) == [
        ("X-Complete-Through", "2012-10-22 09:00:00"), ("X-Waiting-For", "a, %C3%BC%25%FF"),
        ("X-Incomplete", "2012-10-22 08:00:00"), ("X-Corrected", "2012-10-22 08:00:00")]
    many = dict(as_csv.headers(header(waiting=tuple(f"proxy-{number:04}" for number in range(1000)))))["X-Waiting-For"]
    names = many.split(", ")
    assert len(many) < 900 and names[0] == "proxy-0000" and names[-1] == f"+{1000 - len(names) + 1}"


def test_errors() -> None:
    """An error names status, title and each fault, in every format."""
    found = [Fault("begin_time", "yesterday, \"noon\"", "a time"), Fault("format", "<x>", "json")]
    assert json.loads(as_json.error(400, "Bad Request", found)) == {"error": {"code": 400, "title": "Bad Request", "faults": [
        {"parameter": "begin_time", "value": "yesterday, \"noon\"", "expected": "a time"},
        {"parameter": "format", "value": "<x>", "expected": "json"}]}}
    root = ElementTree.fromstring(as_xml.error(400, "Bad Request", found))
    assert [root.tag, root[0].text, root[1].text, root[2].get("value"), root[3].get("value")] == [
        "error", "400", "Bad Request", "yesterday, \"noon\"", "<x>"]
    assert list(csv.reader(io.StringIO(as_csv.error(400, "Bad Request", found).decode(), newline=""))) == [
        ["code", "title", "parameter", "value", "expected"],
        ["400", "Bad Request", "begin_time", "yesterday, \"noon\"", "a time"], ["400", "Bad Request", "format", "<x>", "json"]]


@given(st.lists(st.tuples(*[st.integers(0, 2**80)] * len(TITLES)), min_size=1, max_size=30))
def test_same_numbers_in_every_format(rows: list[tuple[int, ...]]) -> None:
    """A detail adds up to the same sums in JSON, XML, CSV and table."""
    def made() -> Detail:
        return detail(iter((T + number * HOUR, values) for number, values in enumerate(rows)))

    expected = [sum(column) for column in zip(*rows)]
    as_read = [tuple(each.values()) for each in json.loads(b"".join(as_json.detail(made())))[1].values()]
    assert [sum(column) for column in zip(*as_read)] == expected
    root = ElementTree.fromstring(b"".join(as_xml.detail(made())))
    assert [sum(int(usage[index].text or "") for usage in root[1:]) for index in range(len(TITLES))] == expected
    table = list(csv.reader(io.StringIO(b"".join(as_csv.detail(made())).decode(), newline="")))[1:]
    assert [sum(map(int, column)) for column in list(zip(*table))[1:]] == expected
    text = as_table.detail(made(), aligned=False)
    lines = [line.split("\t") for line in text.splitlines()[1:]]
    assert [sum(map(int, column)) for column in list(zip(*lines))[1:]] == expected


def test_chunks() -> None:
    """Pieces are sent in chunks of about one size, read only as far as needed."""
    pieces = iter(["x" * 100] * 10_000)
    made = chunks(pieces)
    assert CHUNK <= len(next(made)) < CHUNK + 100
    assert sum(1 for _ in pieces) > 9_800  # none was read ahead
    assert sum(len(chunk) for chunk in chunks(["x" * 100] * 10_000)) == 1_000_000


def test_no_chunk_is_too_long() -> None:
    """A piece of any length goes in chunks that a server keeps in memory."""
    pieces = ["é" * MOST, "a", "b" * (3 * MOST + 1)]
    made = list(chunks(pieces))
    assert b"".join(made) == "".join(pieces).encode() and max(map(len, made)) == MOST


@pytest.mark.parametrize("form", [as_json, as_xml, as_csv])
def test_cut_answer_is_malformed(form: object) -> None:
    """An answer whose rows fail half-way raises, and what was sent of it is no whole answer in its format."""
    def rows() -> Iterator[Row]:
        for number in range(1000):
            yield T + number * HOUR, VALUES
        raise DatabaseAway("gone")

    sent = b""
    with pytest.raises(DatabaseAway):
        for chunk in form.detail(detail(rows())):  # type: ignore[attr-defined]
            sent += chunk
    assert len(sent) > CHUNK
    with pytest.raises((ValueError, ElementTree.ParseError, csv.Error)):
        if form is as_json:
            json.loads(sent)
        elif form is as_xml:
            ElementTree.fromstring(sent)
        else:
            list(csv.reader(io.StringIO(sent.decode(), newline=""), strict=True))


def test_table() -> None:
    """A table is aligned for people and separated by tabs for programs; nothing in it can move the cursor."""
    body = [("a\tb\n\x1b[2J", 5, None), ("c", 123, "x")]
    titles = ("Name", "Count", "Note")
    assert as_table.rows(titles, body, aligned=False) == "Name\tCount\tNote\na\ufffdb\ufffd\ufffd[2J\t5\t\nc\t123\tx\n"
    assert as_table.rows(titles, body[1:], aligned=True) == "Name  Count  Note\nc       123  x\n"


def test_table_of_many_periods() -> None:
    """A year of periods that lack something is one span to read, not a page of hours."""
    assert as_table.spans([T, T + 2 * HOUR, T + 3 * HOUR, T + 4 * HOUR], HOUR) == [
        "2012-10-22 08:00:00", "2012-10-22 10:00:00 to 2012-10-22 13:00:00"]


def test_table_of_a_sum() -> None:
    """A sum in a pipe is a name and an exact value a line, what stands above it first."""
    lines = as_table.total(Sum(header(complete=None, incomplete=(T,)), VALUES), aligned=False).splitlines()
    assert lines[:7] == [
        "Account_ID\t7f6a", "Begin Time\t2012-10-22 08:00:00", "End Time\t2012-10-22 10:00:00", "Complete Through\t",
        "Waiting For\tproxy-03", f"Incomplete\t{periods.format(T)}", f"Bytes_In\t{2**70}"]
