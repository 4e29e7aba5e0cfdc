"""Answers and errors as CSV (RFC 4180): a header line, then a row per period, `Time` first, or one row for a sum.

By name there is a row per period and name, `Time` and `Name` first.

How final the answer is stands in HTTP headers, since there is no place for it in a table. A list in them is cut at
HEADER_CHARACTERS, and `+N` last says how many more there are: a proxy refuses an answer whose headers are too long.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Iterator, Sequence
from urllib.parse import quote

from swiftstats import periods
from swiftstats.query.answer import Breakdown, Detail, Sum, Values
from swiftstats.query.freshness import Header
from swiftstats.query.question import Fault
from swiftstats.represent.chunks import chunks

CONTENT_TYPE = "text/csv"
#: How many characters a list in an HTTP header may take (nginx gives all headers of an answer 4 KiB by default).
HEADER_CHARACTERS = 800
#: Ends an answer that failed half-way: a quote that is never closed, so that no reader of RFC 4180 takes it for whole.
CUT = '"cut: the rest could not be read'
#: What makes a field quoted; a space at an end, since some readers strip it.
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')


def total(answer: Sum) -> bytes:
    """Write a sum."""
    return f"{','.join(answer.titles)}\r\n{_row(answer.values)}\r\n".encode()


def detail(answer: Detail) -> Iterator[bytes]:
    """Write a detail, in chunks."""
    return chunks(_detail(answer), cut=CUT)


def breakdown(answer: Breakdown) -> Iterator[bytes]:
    """Write a detail by name, in chunks."""
    return chunks(_breakdown(answer), cut=CUT)


def _detail(answer: Detail) -> Iterator[str]:
    row = ",".join(["%d"] * len(answer.titles))  # PERF: as in JSON
    null = row.replace("%d", "")
    yield f"Time,{','.join(answer.titles)}\r\n"
    for start, values in answer.rows:
        yield f"{periods.format(start)},{null if values is None else row % values}\r\n"


def _breakdown(answer: Breakdown) -> Iterator[str]:
    yield f"Time,Name,{','.join(answer.titles)}\r\n"
    for start, name, values in answer.flat():
        yield f"{periods.format(start)},{cell(name or '')},{_row(values)}\r\n"


def _row(values: Values) -> str:
    return ",".join(["" if value is None else str(value) for value in values])


def cell(name: str) -> str:
    """Write text as a field."""
    return '"' + name.replace('"', '""') + '"' if _QUOTED.search(name) else name


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
        found.append(("X-Waiting-For", listed([quoted(name) for name in header.waiting_for])))
    if header.incomplete:
        found.append(("X-Incomplete", listed([periods.format(start) for start in header.incomplete])))
    if header.corrected:
        found.append(("X-Corrected", listed([periods.format(start) for start in header.corrected])))
    return found


def quoted(name: str) -> str:
    """Write a server's name for an HTTP header."""
    return quote(name, safe="!#$&'()*+/:;=?@[]~", errors="surrogateescape")


def listed(values: Sequence[str]) -> str:
    """Join values with commas, as many as may be; `+N` last says how many more there are."""
    shown: list[str] = []
    size = 0
    for value in values:
        size += len(value) + 2
        if size > HEADER_CHARACTERS:
            return ", ".join([*shown, f"+{len(values) - len(shown)}"])
        shown.append(value)
    return ", ".join(shown)
