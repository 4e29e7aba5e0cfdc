"""Tables of many accounts as CSV (RFC 4180): a header line, then a row a line; null is empty.

How final it is stands in HTTP headers, and of each row in its column `complete`: yes or no.
"""

from __future__ import annotations

from typing import Callable, Iterator, Sequence
from urllib.parse import quote

from swiftstats.names import text_of
from swiftstats.query import steps
from swiftstats.query.table import Stream
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.query.table_rows import Row
from swiftstats.represent.as_csv import CUT, cell, listed, quoted
from swiftstats.represent.chunks import chunks
from swiftstats.represent.table_names import keys


def stream(answer: Stream) -> Iterator[bytes]:
    """Write all rows, in chunks; the line of titles goes at once."""
    yield (",".join(titles(answer.header.question)) + "\r\n").encode()
    written = map(line(answer.header.question), answer.rows) if answer.lines is None else (each.text for each in answer.lines)
    yield from chunks(written, cut=CUT)


def line(question: TableQuestion) -> Callable[[Row], str]:
    """Return what writes a row as a line."""
    write = row_writer(question)
    return lambda row: ",".join(write(row)) + "\r\n"


def titles(question: TableQuestion) -> tuple[str, ...]:
    """Return the titles of the columns."""
    return (*keys(question), *(column.name for column in question.figures))


def row_writer(question: TableQuestion, cell: Callable[[str], str] = cell) -> Callable[[Row], list[str]]:
    """Return what writes a row's cells; `cell` quotes text."""
    stepped, grouped = question.granularity != "total", question.by_group

    def write(row: Row) -> list[str]:
        cells = []
        if row.account is not None:
            cells += [cell(text_of(row.account)), cell(row.petname or "")]
        elif grouped:
            cells.append(cell(row.group or ""))
        if row.server is not None:
            cells.append(cell(text_of(row.server.encode("utf-8", "surrogateescape"))))
        if stepped:
            cells.append(steps.iso(row.time, question.zone))
        cells.append("yes" if row.complete else "no")
        cells += ["" if value is None else str(value) for value in row.values]
        return cells

    return write


def headers(header: TableHeader) -> list[tuple[str, str]]:
    """Return the HTTP headers that say how final a table is, for every format; names are percent-encoded UTF-8."""
    zone = header.question.zone
    through = header.complete_through
    found = [("X-Complete-Through", "" if through is None else steps.iso(through, zone))]
    for name, values in (("X-Waiting-For", [quoted(each) for each in header.waiting_for or ()]),
                         ("X-Unknown", [quote(each, safe="") for each in header.unknown]),
                         ("X-Unknown-Groups", [quote(each, safe="") for each in header.unknown_groups]),
                         ("X-Incomplete", _moments(header, header.incomplete)),
                         ("X-Corrected", _moments(header, header.corrected))):
        if values:
            found.append((name, listed(values)))
    return found


def _moments(header: TableHeader, starts: Sequence[int]) -> list[str]:
    return [steps.iso(start, header.question.zone) for start in starts]


def file_name(header: TableHeader, ending: str) -> str:
    """Return a name for a file of a table: its range, zone, and whether it is final."""
    question = header.question
    begin, end = (steps.iso(moment, question.zone)[:16].replace(":", "") for moment in (question.begin, question.end))
    zone = "".join(each if each.isalnum() or each in "+-_" else "-" for each in question.zone_name)
    return f"usage-{begin}-{end}-{zone}-{'final' if header.final else 'not-final'}.{ending}"
