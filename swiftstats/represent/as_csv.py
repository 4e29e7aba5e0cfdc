"""Answers and errors as CSV (RFC 4180): a header line, then a row per period, `Time` first, or one row for a sum.

How final the answer is stands in HTTP headers, since there is no place for it in a table. A list in them is cut at
HEADER_CHARACTERS, and `+N` last says how many more there are: a proxy refuses an answer whose headers are too long.
"""

from __future__ import annotations

import csv
import io
from typing import Iterator, Sequence
from urllib.parse import quote

from swiftstats import fields, periods
from swiftstats.query.freshness import Header
from swiftstats.query.io import Detail, Sum
from swiftstats.query.question import Fault
from swiftstats.represent.chunks import chunks

CONTENT_TYPE = "text/csv"
#: How many characters a list in an HTTP header may take (nginx gives all headers of an answer 4 KiB by default).
HEADER_CHARACTERS = 800
#: Ends an answer that failed half-way: a quote that is never closed, so that no reader of RFC 4180 takes it for whole.
CUT = '"cut: the rest could not be read'

_TITLES = ",".join(field.title for field in fields.FIELDS)
_ROW = ",".join(["%d"] * len(fields.FIELDS))
_NULL = "," * (len(fields.FIELDS) - 1)


def total(answer: Sum) -> bytes:
    """Write `io_sum`."""
    return f"{_TITLES}\r\n{_ROW % answer.values}\r\n".encode()


def detail(answer: Detail) -> Iterator[bytes]:
    """Write `io_detail`, in chunks."""
    return chunks(_detail(answer), cut=CUT)


def _detail(answer: Detail) -> Iterator[str]:
    yield f"Time,{_TITLES}\r\n"
    for start, values in answer.rows:
        yield f"{periods.format(start)},{_NULL if values is None else _ROW % values}\r\n"


def error(code: int, title: str, faults: Sequence[Fault]) -> bytes:
    """Write an error: a row per fault, or one row where there is none to name."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["code", "title", "parameter", "value", "expected"])
    for each in faults:
        writer.writerow([code, title, each.parameter, each.value, each.expected])
    if not faults:
        writer.writerow([code, title, "", "", ""])
    return text.getvalue().encode()


def headers(header: Header) -> list[tuple[str, str]]:
    """Return the headers that say how final the answer is; names are percent-encoded UTF-8, empty is null."""
    through = header.complete_through
    found = [("X-Complete-Through", "" if through is None else periods.format(through))]
    if header.waiting_for is not None:
        found.append(("X-Waiting-For", _listed([_quoted(name) for name in header.waiting_for])))
    if header.incomplete:
        found.append(("X-Incomplete", _listed([periods.format(start) for start in header.incomplete])))
    if header.corrected:
        found.append(("X-Corrected", _listed([periods.format(start) for start in header.corrected])))
    return found


def _quoted(name: str) -> str:
    return quote(name, safe="!#$&'()*+/:;=?@[]~", errors="surrogateescape")


def _listed(values: Sequence[str]) -> str:
    """Join values with commas, as many as may be; `+N` last says how many more there are."""
    shown: list[str] = []
    size = 0
    for value in values:
        size += len(value) + 2
        if size > HEADER_CHARACTERS:
            return ", ".join([*shown, f"+{len(values) - len(shown)}"])
        shown.append(value)
    return ", ".join(shown)
