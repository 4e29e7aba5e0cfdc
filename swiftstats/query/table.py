"""Usage of many accounts over a range: a page of them, or all of them as a stream; requests, bytes and space side by side.

The caller opens one read snapshot for an answer. How final it is is read first in it, then the counts, some accounts at a time:
memory is bounded by a batch, whatever the number of accounts. A page, a stream and a top list are made of the same rows.

Which accounts have rows, table_rows.py says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Iterator, NamedTuple, Optional

from sqlalchemy import Connection

from swiftstats import fields
from swiftstats.fields import CELL_COUNT, FIELD_INDEX
from swiftstats.query import table_header
from swiftstats.query.selection import BATCH, Selection
from swiftstats.query.table_groups import GroupSums
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.query.table_rows import ROWS, Row, accounts, batch_size, cells_of
from swiftstats.store import many, totals
from swiftstats.store.many import Found
from swiftstats.store.parts import Cells

#: The first batch of a stream is smaller, so that there soon is something to send.
FIRST = 100

_NOTHING = (0,) * CELL_COUNT


@dataclass(frozen=True)
class Page:
    """Some accounts, each whole; `next` is the marker of the page after, None where this is the last one."""

    header: TableHeader
    rows: tuple[Row, ...]
    next: Optional[bytes]


class Lines(NamedTuple):
    """So many rows, written already."""

    number: int
    text: str


@dataclass(frozen=True)
class Stream:
    """All accounts; `rows` is read once, inside the snapshot that it was made in, and may raise StoreError half-way.

    `lines`, where it is not None, are the same rows, written: to be read instead.
    """

    header: TableHeader
    rows: Iterator[Row]
    lines: Optional[Iterator[Lines]] = None


def page(connection: Connection, question: TableQuestion, selection: Selection, *, now: float) -> Page:
    """Return a page of a table."""
    header = table_header.header(connection, question, selection, now=now)
    if question.by_group:
        return _page_of_groups(connection, header, selection, now)
    if question.order is not None or not question.by_account:
        return Page(header, tuple(_rows(connection, header, selection, now)), None)
    batches = selection.walk(connection, question.marker, batch_size(question, question.limit + 1))
    found = list(islice(accounts(connection, header, batches, now), question.limit + 1))
    kept = found[:question.limit]
    following = kept[-1][0].account if len(found) > len(kept) else None
    return Page(header, tuple(row for rows in kept for row in rows), following)


def stream(connection: Connection, question: TableQuestion, selection: Selection, *, now: float) -> Stream:
    """Return a table of all accounts."""
    header = table_header.header(connection, question, selection, now=now)
    return Stream(header, _rows(connection, header, selection, now))


def _rows(connection: Connection, header: TableHeader, selection: Selection, now: float) -> Iterator[Row]:
    question = header.question
    if question.by_group:
        yield from _every_group(connection, header, selection, now)
        return
    if not question.by_account:
        yield from _servers(connection, header, selection)
        return
    if question.order is not None:
        batches = _top(connection, question, selection)
    else:
        batches = _grown(selection, connection, batch_size(question, BATCH))
    for rows in accounts(connection, header, batches, now):
        yield from rows


def _grown(selection: Selection, connection: Connection, size: int) -> Iterator[list[Found]]:
    first = next(selection.walk(connection, None, min(FIRST, size)), None)
    if first is not None:
        yield first
        yield from selection.walk(connection, first[-1].name, size)


def _servers(connection: Connection, header: TableHeader, selection: Selection) -> Iterator[Row]:
    """Yield the rows of servers, all accounts of the selection added up."""
    question = header.question
    sums: dict[tuple[str, int], Cells] = {}

    def add(found: dict[Optional[str], list[tuple[int, Cells]]]) -> None:
        for server, counted in found.items():
            for start, cells in counted:
                key = server or "", start
                sums[key] = fields.added(sums.get(key), cells)

    for prefix in selection.prefixes:
        add(totals.steps(connection, question.edges, by_server=True, prefix=prefix))
    for batch in replace(selection, prefixes=()).walk(connection, None, batch_size(question, BATCH)):
        ids = [each.id for each in batch if not each.name.startswith(selection.prefixes)]
        for (_, server), counted in cells_of(connection, question, ids).items():
            add({server: counted})
    ends = dict(zip(question.edges, question.edges[1:]))
    for (server, start), cells in sorted(sums.items()):
        io = fields.values(cells)
        yield Row(None, server, start, header.complete(ends[start]), tuple(io[at] for at in question.io))


def _page_of_groups(connection: Connection, header: TableHeader, selection: Selection, now: float) -> Page:
    question = header.question
    found = list(_groups(connection, header, selection, question.marker, question.limit + 1, now))
    kept = found[:question.limit]
    following = (kept[-1][0].group or "").encode() if len(found) > len(kept) else None
    return Page(header, tuple(row for rows in kept for row in rows), following)


def _every_group(connection: Connection, header: TableHeader, selection: Selection, now: float) -> Iterator[Row]:
    """Yield the rows of all groups; where they are too many for memory, the accounts are read again for the next ones."""
    most, after = batch_size(header.question, ROWS), None
    while True:
        found = list(_groups(connection, header, selection, after, most + 1, now))
        for rows in found[:most]:
            yield from rows
        if len(found) <= most:
            return
        after = (found[most - 1][0].group or "").encode()


def _groups(connection: Connection, header: TableHeader, selection: Selection, after: Optional[bytes], most: int, now: float,
            ) -> Iterator[list[Row]]:
    """Yield the rows of each of `most` groups behind `after`."""
    question = header.question
    sums = GroupSums(after=after, most=most, within=question.groups)
    for rows in accounts(connection, header, selection.walk(connection, None, batch_size(question, BATCH)), now):
        for row in rows:
            sums.add(row.petname, (row.server, row.time), row.values)
    ends = dict(zip(question.edges, question.edges[1:]))
    for found in sums.found():
        yield [Row(None, each.server, each.time, header.complete(ends[each.time]),
                   tuple(value for both in zip(each.own, each.total) for value in both), group=each.group) for each in found]


def _top(connection: Connection, question: TableQuestion, selection: Selection) -> Iterator[list[Found]]:
    """Yield the accounts of a top list, greatest first, then by name."""
    assert question.order is not None
    of = question.order
    most: list[Found] = []
    for prefix in selection.prefixes:
        most += many.top(connection, question.begin, question.end, plus=(of.plus,),
                         minus=() if of.minus is None else (of.minus,), limit=question.limit, prefix=prefix)
    if selection.groups:
        most += _top_of_groups(connection, question, replace(selection, names=(), prefixes=()))
    if selection.names or selection.groups or len(selection.prefixes) > 1:
        most = list({each.id: each for each in (*most, *many.named(connection, selection.names))}.values())
        sums = many.sums(connection, [each.id for each in most], question.begin, question.end)
        at = FIELD_INDEX[of.name]
        most.sort(key=lambda each: (-fields.values(sums.get((each.id, None), _NOTHING))[at], each.name))
    size = batch_size(question, BATCH)
    for start in range(0, len(most[:question.limit]), size):
        yield most[start:min(start + size, question.limit)]


def _top_of_groups(connection: Connection, question: TableQuestion, selection: Selection) -> list[Found]:
    """Return the greatest accounts of groups, read some at a time."""
    assert question.order is not None
    at = FIELD_INDEX[question.order.name]
    most: list[tuple[int, Found]] = []
    for batch in selection.walk(connection, None):
        sums = many.sums(connection, [each.id for each in batch], question.begin, question.end)
        most += [(-fields.values(sums[each.id, None])[at], each) for each in batch if (each.id, None) in sums]
        most = sorted(most, key=lambda each: (each[0], each[1].name))[:question.limit]
    return [each for _, each in most]
