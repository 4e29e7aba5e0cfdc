"""A month of all accounts as lines of text that the database puts together itself, in the very form that rows are written in.

Only a whole month of UTC that is rolled up, requests and bytes, a row an account; any other table, and among these accounts those
with a petname or a name that must be quoted, are made of rows as ever.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Callable, Iterator, Optional, Union

from sqlalchemy import Connection

from swiftstats.fields import FIELDS
from swiftstats.query import table, table_rows
from swiftstats.query.selection import Selection
from swiftstats.query.table import Lines, Stream
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.query.table_rows import Row
from swiftstats.store import many, petnames

Writer = Callable[[Row], str]
#: What a row of text is made of: text, the account's name (None), or the sum of a cell less that of another.
Template = tuple[Union[str, None, tuple[str, Optional[str]]], ...]

#: Accounts that the database puts together at a time. PERF: bench/billing.py; a statement has costs of its own, and one more than
#: these of a batch that is to be made of rows after all.
BATCH = 4000

#: An account and figures that stand for any others: no form quotes or shortens them.
_ACCOUNT, _FIGURE = "ACCOUNT", 10**30
_PLACES = re.compile(rf"({_ACCOUNT}|1{'0' * 27}\d\d\d)")


def stream(connection: Connection, question: TableQuestion, selection: Selection, *, now: float, line: Optional[Writer],
           ) -> Stream:
    """Return a table of all accounts, with `lines` where they can be had; `line` writes a row, None: not a line each."""
    found = table.stream(connection, question, selection, now=now)
    if line is None or selection != Selection((), (b"",)) or not _is_plain(question):
        return found
    month = many.month_of(connection, question.begin, question.end)
    if month is None:
        return found
    return replace(found, lines=_lines(connection, found.header, selection, month, line, now))


def _is_plain(question: TableQuestion) -> bool:
    return question.by == ("account",) and len(question.edges) == 2 and not question.space and question.order is None


def template(question: TableQuestion, complete: bool, line: Writer) -> Template:
    """Return what a line is made of, as `line` writes it."""
    values = tuple(_FIGURE + at for at in question.io)
    text = line(Row(_ACCOUNT.encode(), None, question.begin, complete, values))
    return tuple(_piece(each) for each in _PLACES.split(text))


def _piece(text: str) -> Union[str, None, tuple[str, Optional[str]]]:
    if text == _ACCOUNT or not _PLACES.fullmatch(text):
        return None if text == _ACCOUNT else text
    field = FIELDS[int(text) - _FIGURE]
    return field.plus, field.minus


def _lines(connection: Connection, header: TableHeader, selection: Selection, month: int, line: Writer, now: float,
           ) -> Iterator[Lines]:
    pieces, after = template(header.question, header.complete(header.question.end), line), b""
    called = petnames.version(connection) > 0
    while (found := many.lines(connection, month, pieces, after=after, limit=BATCH, petnames=called)) is not None:
        if found.text is not None:
            yield Lines(found.text.count("\n"), found.text)  # each ends with one, and nothing else has any
        else:
            batch = many.accounts_after(connection, after=after, limit=BATCH)
            rows = [row for rows in table_rows.accounts(connection, header, iter([batch]), now) for row in rows]
            yield Lines(len(rows), "".join(map(line, rows)))
        after = found.last
