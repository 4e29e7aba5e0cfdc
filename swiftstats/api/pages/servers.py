"""The page of all accounts with a column per server: how far each server is heads its column, and figures stand in its cells.

A cell has the sum of the figures that are asked for, as `t=json` has it, where they are of one unit; and each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Iterator, Optional, Sequence

from swiftstats.api.pages.columns import NOT_BEGUN, Column, Line, added, of_field
from swiftstats.fields import METHODS
from swiftstats.names import text_of
from swiftstats.query.table import Page
from swiftstats.query.table_header import ServerColumn
from swiftstats.query.table_question import TableQuestion
from swiftstats.query.table_rows import Values
from swiftstats.represent import by_server

#: Figures to choose from, as `fields` and in words; nothing is what by_server.USAGE is.
FIGURES = (("", "bytes in and out"), ("bytes_in", "bytes in"), ("bytes_out", "bytes out"), (",".join(METHODS), "requests"),
           *((method, f"{method} requests") for method in METHODS[:2]))
#: How far a server is: it is behind; nobody heard of it; it is not waited for any more. What a sum is.
LATE, NEVER, GONE, PARTIAL = "late", "never", "gone", "partial"
#: What stands for it in the table, and what that means.
MARKS = {LATE: "late", NEVER: "?", GONE: "gone", PARTIAL: "partial"}
WORDS = {
    LATE: "The server has not closed what was over a period ago: its figures are those up to the time in its column's title.",
    NEVER: "The server is announced, and nobody ever heard from it: its figures are unknown, not 0.",
    GONE: "The server was retired, or has ended: there will be no more of it.",
    PARTIAL: "Servers may still have more of it: each has sent what it counted up to the time in its column's title.",
}


@dataclass(frozen=True)
class Head:
    """A column: of a server, or of the sum where that is None. `as_of`: None where it has closed all of the range.

    `main`: which of the page's columns is the sum of the figures; `parts`: those of each figure, where there are several.
    """

    server: Optional[str]
    state: Optional[str]
    as_of: Optional[int]
    main: Optional[int]
    parts: tuple[int, ...]


@dataclass(frozen=True)
class ByServer:
    """The table: `columns` of which `heads` has the numbers. `legend`: (mark, words) of what is in it."""

    heads: list[Head]
    columns: list[Column]
    lines: list[Line]
    legend: list[tuple[str, str]]


def table(page: Page) -> ByServer:
    """Return a row per account, or account and step; a server that is gone has a column where it has figures on this page."""
    question, now = page.header.question, page.header.now
    rows = list(by_server.turned(page, stepped=question.granularity != "total"))
    servers = [each for each in page.header.servers if each.waited or any(any(row.usage[each.name] or ()) for row in rows)]
    summed, each = _figures(question)
    shown = [*summed, *each]
    heads = [_head(server, question, number * len(shown), len(summed), len(shown))
             for number, server in enumerate([*servers, None])]
    lines = []
    for row in rows:
        found = [row.usage[server.name] for server in servers]
        values = [value for figures in (*found, _total(found)) for value in _cells(figures, len(summed), len(each))]
        lines.append(Line(text_of(row.account), row.petname, None, row.time,
                          (NOT_BEGUN,) * len(values) if row.time > now else tuple(values), partial=row.partial))
    states = {head.state for head in heads} | (set() if page.header.final else {PARTIAL})
    legend = [(MARKS[state], words) for state, words in WORDS.items() if state in states]
    return ByServer(heads, shown * len(heads), lines, legend)


def _figures(question: TableQuestion) -> tuple[list[Column], list[Column]]:
    """Return the columns of a server: their sum, where they are of one unit; and each, where there are several."""
    each = [of_field(field) for field in question.columns]
    if len(each) == 1:
        return each, []
    if len({column.kind for column in each}) > 1:
        return [], each
    return [replace(each[0], title="", fields=tuple(field.name for field in question.columns))], each


def _head(server: Optional[ServerColumn], question: TableQuestion, at: int, summed: int, width: int) -> Head:
    main, parts = at if summed else None, tuple(range(at + summed, at + width))
    if server is None:
        return Head(None, None, None, main, parts)
    state = NEVER if server.as_of is None else GONE if not server.waited else LATE if server.stale else None
    as_of = None if server.as_of is None or server.as_of >= question.end else server.as_of
    return Head(server.name, state if as_of is not None or state == NEVER else None, as_of, main, parts)


def _total(found: Sequence[Optional[Values]]) -> Optional[Values]:
    """Return what the servers that were heard of counted."""
    known = [values for values in found if values is not None]
    return reduce(by_server.added, known) if known else None


def _cells(figures: Optional[Values], summed: int, parts: int) -> Iterator[Optional[int]]:
    """Yield the sum of a server's figures, and each of them."""
    if summed:
        yield None if figures is None else added(figures)
    if parts:
        yield from (None,) * parts if figures is None else figures
