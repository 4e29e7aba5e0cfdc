"""A month of all accounts as lines of text that the database puts together itself, in the very form that rows are written in.

Only a whole month of UTC that is rolled up, requests and bytes, a row an account; any other table, and among these accounts those
with a petname or a name that must be quoted, are made of rows as ever.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Callable, Generator, Iterator, NamedTuple, Optional, Union

from sqlalchemy import Connection, Engine

from swiftstats.errors import StoreError
from swiftstats.fields import FIELDS
from swiftstats.query import shared, table, table_rows
from swiftstats.query.selection import Selection
from swiftstats.query.table import Lines, Stream
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.query.table_rows import Row
from swiftstats.store import engine as engines
from swiftstats.store import many, marks, petnames, rollups

Writer = Callable[[Row], str]
#: What a row of text is made of: text, the account's name (None), or the sum of a cell less that of another.
Template = tuple[Union[str, None, tuple[str, Optional[str]]], ...]

#: Accounts that the database puts together at a time. PERF: bench/billing.py; a statement has costs of its own, and one more than
#: these of a batch that is to be made of rows after all.
BATCH = 4000

#: An account and figures that stand for any others: no form quotes or shortens them.
_ACCOUNT, _FIGURE = "ACCOUNT", 10**30
_PLACES = re.compile(rf"({_ACCOUNT}|1{'0' * 27}\d\d\d)")


@contextmanager
def stream(engine: Engine, connection: Connection, question: TableQuestion, selection: Selection, *, now: float,
           line: Optional[Writer]) -> Iterator[Stream]:
    """Yield a table of all accounts, with `lines` where they can be had; `line` writes a row, None: not a line each.

    Once lines are read the connection is theirs, until the end of this. Another one of the engine's reads its share of them,
    where there is one and its snapshot holds the same.
    """
    found = table.stream(connection, question, selection, now=now)
    plain = line is not None and selection == Selection((), (b"",)) and _is_plain(question)
    content = _Content.of(connection, question) if plain else None
    if line is None or content is None:
        yield found
        return
    with closing(_lines(engine, connection, content, found.header, line, now)) as lines:
        yield replace(found, lines=lines)


def _lines(engine: Engine, connection: Connection, content: _Content, header: TableHeader, line: Writer, now: float,
           ) -> Generator[Lines, None, None]:
    question = header.question
    pieces = template(question, header.complete(question.end), line)

    def read(connection: Connection, after: bytes, last: Optional[bytes]) -> Lines:
        text = many.lines(connection, content.month, pieces, after=after, last=last, petnames=content.petnames > 0)
        if text is not None:
            return Lines(text.count("\n"), text)  # each ends with one, and nothing else has any
        batch = many.accounts_after(connection, after=after, limit=BATCH)
        rows = [row for rows in table_rows.accounts(connection, header, iter([batch]), now) for row in rows]
        return Lines(len(rows), "".join(map(line, rows)))

    # PERF: bench/billing.py; a statement keeps one processor of the database busy, and nobody else.
    with ExitStack() as held:
        connections = [connection]
        with suppress(StoreError):
            second = held.enter_context(engines.read(engine))
            if _Content.of(second, question) == content:
                connections.append(second)
            else:
                held.close()
        yield from shared.batches(connections, partial(many.account_after, offset=BATCH), read)


class _Content(NamedTuple):
    """What a snapshot holds, of what lines are made of: two that are equal have the same lines."""

    month: int
    changes: int
    petnames: int

    @staticmethod
    def of(connection: Connection, question: TableQuestion) -> Optional[_Content]:
        """Return it; None where the rollup of one month does not answer the question."""
        month = many.month_of(connection, question.begin, question.end)
        if month is None:
            return None
        # It is rolled up, as it has been since this number of changes; and no account ever leaves the dictionary.
        return _Content(month, rollups.changes(connection, marks.IO, month), petnames.version(connection))


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

