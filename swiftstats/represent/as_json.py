"""Answers and errors as JSON, in the shapes of the 2012 API: an array of the header object and the usage object.

ASCII only (everything else is escaped); numbers are integers of any size. Python reads them exactly; JavaScript does up to
2^53, as JSON's own limits go (RFC 8259, section 6).
"""

from __future__ import annotations

import json
from typing import Any, Iterator, Sequence

from swiftstats import fields, periods
from swiftstats.query.freshness import Header
from swiftstats.query.io import Detail, Sum
from swiftstats.query.question import Fault
from swiftstats.represent.chunks import chunks

CONTENT_TYPE = "application/json"

# PERF: rows are formatted from a template, one `%` each; json.dumps of a dictionary per period takes five times as long.
_ROW = "{" + ", ".join(f"{json.dumps(field.title)}: %d" for field in fields.FIELDS) + "}"
_NULL = _ROW.replace("%d", "null")


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
    """Write `io_sum`."""
    return f"[{json.dumps(header_object(answer.header))}, {_ROW % answer.values}]\n".encode()


def detail(answer: Detail) -> Iterator[bytes]:
    """Write `io_detail`, in chunks."""
    return chunks(_detail(answer))


def _detail(answer: Detail) -> Iterator[str]:
    yield f"[{json.dumps(header_object(answer.header))}, {{"
    separator = ""
    for start, values in answer.rows:
        yield f'{separator}"{periods.format(start)}": {_NULL if values is None else _ROW % values}'
        separator = ",\n"
    yield "}]\n"


def error(code: int, title: str, faults: Sequence[Fault]) -> bytes:
    """Write an error with its faults."""
    listed = [{"parameter": each.parameter, "value": each.value, "expected": each.expected} for each in faults]
    return (json.dumps({"error": {"code": code, "title": title, "faults": listed}}) + "\n").encode()


def headers(header: Header) -> list[tuple[str, str]]:
    """Return no headers: the answer itself says how final it is."""
    return []
