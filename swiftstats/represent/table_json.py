"""Tables of many accounts as JSON, in pages, and as NDJSON, a row a line: the same objects in both.

NDJSON ends with a line that says how final it is and how many rows there were, so that a cut stream shows.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Iterator

from swiftstats.names import text_of
from swiftstats.query import steps
from swiftstats.query.table import Page, Stream
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion, marker_of
from swiftstats.query.table_rows import Row
from swiftstats.represent.chunks import chunks


def page(answer: Page) -> bytes:
    """Write a page; `next` is the marker of the page after."""
    above = json.dumps(header_object(answer.header))[:-1]
    write = row_writer(answer.header.question)
    rows = ",\n".join(map(write, answer.rows))
    following = json.dumps(None if answer.next is None else marker_of(answer.next))
    return f'{above}, "rows": [{rows}], "next": {following}}}\n'.encode()


def stream(answer: Stream) -> Iterator[bytes]:
    """Write all rows, in chunks."""
    return chunks(_lines(answer))


def _lines(answer: Stream) -> Iterator[str]:
    number = 0
    for written in map(line(answer.header.question), answer.rows) if answer.lines is None else ():
        number += 1
        yield written
    for lines in answer.lines or ():
        number += lines.number
        yield lines.text
    yield json.dumps({**header_object(answer.header), "rows": number}) + "\n"


def line(question: TableQuestion) -> Callable[[Row], str]:
    """Return what writes a row as a line."""
    write = row_writer(question)
    return lambda row: write(row) + "\n"


def header_object(header: TableHeader) -> dict[str, Any]:
    """Return what stands above, or below, the rows; lists of periods are left out where they are empty."""
    question = header.question

    def iso(moment: int | None) -> str | None:
        return None if moment is None else steps.iso(moment, question.zone)

    shown: dict[str, Any] = {
        "begin": iso(question.begin), "end": iso(question.end), "complete_through": iso(header.complete_through),
        "final": header.final, "waiting_for": list(header.waiting_for or ()), "unknown": list(header.unknown),
    }
    if question.space:
        shown["space_complete_through"] = iso(header.space_complete_through)
    if header.unknown_groups:
        shown["unknown_groups"] = list(header.unknown_groups)
    for name, starts in (("incomplete", header.incomplete), ("corrected", header.corrected)):
        if starts:
            shown[name] = [iso(start) for start in starts]
    return shown


def row_writer(question: TableQuestion) -> Callable[[Row], str]:
    """Return what writes a row as an object."""
    names = [column.name for column in question.figures]
    # PERF: as in as_json, rows are formatted from a template, one `%` each.
    template = "".join(f', "{name}": %d' for name in names)
    stepped, grouped = question.granularity != "total", question.by_group

    def write(row: Row) -> str:
        parts = []
        if row.account is not None:
            parts.append(f'"account": {json.dumps(text_of(row.account))}, "petname": {json.dumps(row.petname)}')
        elif grouped:
            parts.append(f'"group": {json.dumps(row.group)}')
        if row.server is not None:
            parts.append(f'"server": {json.dumps(row.server)}')
        if stepped:
            parts.append(f'"time": "{steps.iso(row.time, question.zone)}"')
        parts.append(f'"complete": {"true" if row.complete else "false"}')
        if None in row.values:
            figures = "".join(f', "{name}": {"null" if value is None else value}' for name, value in zip(names, row.values))
        else:
            figures = template % row.values
        return "{" + ", ".join(parts) + figures + "}"

    return write
