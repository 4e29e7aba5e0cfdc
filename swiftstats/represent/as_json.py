"""Answers and errors as JSON, in the shapes of the 2012 API: an array of the header object and the usage object.

ASCII only (everything else is escaped); numbers are integers of any size. Python reads them exactly; JavaScript does up to
2^53, as JSON's own limits go (RFC 8259, section 6).
"""

from __future__ import annotations

import functools
import json
from typing import Any, Iterator, Sequence

from swiftstats import periods
from swiftstats.query.answer import Breakdown, Detail, Sum, Values
from swiftstats.query.freshness import Header
from swiftstats.query.question import Fault
from swiftstats.represent.chunks import chunks

CONTENT_TYPE = "application/json"


def header_object(header: Header) -> dict[str, Any]:
    """Return the first object of an answer."""
    question = header.question
    shown: dict[str, Any] = {
        "Account_ID": question.asked,
        "Begin Time": periods.format(question.begin),
        "End Time": periods.format(question.end),
        "Complete Through": None if header.complete_through is None else periods.format(header.complete_through),
    }
    if header.waiting_for is not None:
        shown["Waiting For"] = list(header.waiting_for)
    if header.incomplete:
        shown["Incomplete"] = [periods.format(start) for start in header.incomplete]
    if header.corrected:
        shown["Corrected"] = [periods.format(start) for start in header.corrected]
    return shown


def total(answer: Sum) -> bytes:
    """Write a sum."""
    return f"[{json.dumps(header_object(answer.header))}, {_object(answer.titles, answer.values)}]\n".encode()


def detail(answer: Detail) -> Iterator[bytes]:
    """Write a detail, in chunks."""
    return chunks(_detail(answer))


def breakdown(answer: Breakdown) -> Iterator[bytes]:
    """Write a detail by name, in chunks: for each period an object of objects, or null."""
    return chunks(_breakdown(answer))


def _detail(answer: Detail) -> Iterator[str]:
    yield f"[{json.dumps(header_object(answer.header))}, {{"
    separator, row = "", _row(answer.titles)
    null = row.replace("%d", "null")
    for start, values in answer.rows:
        yield f'{separator}"{periods.format(start)}": {null if values is None else row % values}'
        separator = ",\n"
    yield "}]\n"


def _breakdown(answer: Breakdown) -> Iterator[str]:
    yield f"[{json.dumps(header_object(answer.header))}, {{"
    separator = ""
    for start, parts in answer.rows:
        yield f'{separator}"{periods.format(start)}": {"null" if parts is None else "{"}'
        for number, (name, values) in enumerate(parts or ()):
            yield f"{', ' if number else ''}{json.dumps(name)}: {_object(answer.titles, values)}"
        yield "" if parts is None else "}"
        separator = ",\n"
    yield "}]\n"


def _object(titles: tuple[str, ...], values: Values) -> str:
    return json.dumps(dict(zip(titles, values))) if None in values else _row(titles) % values


@functools.cache
def _row(titles: tuple[str, ...]) -> str:
    # PERF: rows are formatted from a template, one `%` each; json.dumps of a dictionary per period takes five times as long.
    return "{" + ", ".join(f"{json.dumps(title)}: %d" for title in titles) + "}"


def error(code: int, title: str, faults: Sequence[Fault]) -> bytes:
    """Write an error with its faults."""
    listed = [{"parameter": each.parameter, "value": each.value, "expected": each.expected} for each in faults]
    return (json.dumps({"error": {"code": code, "title": title, "faults": listed}}) + "\n").encode()


def headers(header: Header) -> list[tuple[str, str]]:
    """Return no headers: the answer itself says how final it is."""
    return []
