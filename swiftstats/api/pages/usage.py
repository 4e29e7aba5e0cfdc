"""The page of all accounts that may be read: a row each, or a column per server, with what the rows add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from sqlalchemy import Connection

from swiftstats.api.pages import spans, strip
from swiftstats.api.pages.asked import Asked
from swiftstats.fields import METHODS
from swiftstats.names import text_of
from swiftstats.petnames import SEPARATOR
from swiftstats.query import table
from swiftstats.query.question import BadQuestion, fault
from swiftstats.query.selection import Selection
from swiftstats.query.standing import Standing
from swiftstats.query.table import Page
from swiftstats.query.table_question import OWN, TOTAL, TableQuestion, marker_of
from swiftstats.query.table_rows import Row
from swiftstats.store import accounts

#: Accounts of a page where nothing else is asked for, and figures that a column per server can be of.
LIMIT = 100
FIGURES = ("bytes_out", "bytes_in", "GET", "PUT")
#: Accounts are counted no further.
COUNTED = 10_000


@dataclass(frozen=True)
class Column:
    """A column: `fields` of the table are added up in it. `level`: a sum of levels is no total that grows."""

    title: str
    fields: tuple[str, ...]
    kind: str
    order: Optional[str] = None
    level: bool = False
    of: str = ""
    help: str = ""


COLUMNS = (
    Column("Requests", METHODS, "count", help="Billable requests of every method"),
    Column("Bytes in", ("bytes_in",), "B", "-bytes_in", help="Uploaded"),
    Column("Bytes out", ("bytes_out",), "B", "-bytes_out", help="Downloaded"),
    Column("Space", ("space_last",), "B", level=True, help="As it was read last"),
    Column("Byte-hours", ("byte_hours",), "B", level=True, of="·h", help="Space × hours, of what was measured"),
    Column("Not billed", ("denied", "server_errors"), "count", "-denied", help="Requests denied or failed"),
)


@dataclass(frozen=True)
class Line:
    """One row: what it is of, and a value per column, None where it is unknown; of a group also its own, without those below."""

    account: Optional[str]
    petname: Optional[str]
    server: Optional[str]
    time: int
    values: tuple[Any, ...]
    group: Optional[str] = None
    own: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Sum:
    """What a column adds up to; `prefix` says that it may still change, `unknown` how many rows are not in it."""

    value: Optional[int]
    prefix: str
    unknown: int


def shown(connection: Connection, question: TableQuestion, selection: Selection, given: Asked, standing: Standing, *,
          operator: bool, now: float) -> Mapping[str, Any]:
    """Return what the page shows."""
    known = _known(connection, selection)
    if question.by_group and not question.groups and known is None:
        raise BadQuestion([fault("by", "group", f"a group beside it, as group=NAME: of more than {COUNTED:,} accounts not all "
                                                "are read for a page; files have them, as format=csv")])
    page = table.page(connection, question, selection, now=now)
    pivot = question.by_account and question.by_server
    columns, lines, servers = _pivot(page, standing) if pivot else _plain(page)
    final = page.header.final
    only = question.order is None and question.marker is None and page.next is None
    following = None if page.next is None else marker_of(page.next)
    return {
        "page": page, "question": question, "zone": question.zone, "units": given.units, "columns": columns, "lines": lines,
        "servers": servers, "pivot": pivot, "asked": given, "by_time": question.granularity != "total",
        "sums": [_sum(lines, number, column, final) for number, column in enumerate(columns)],
        "known": known, "counted": COUNTED, "whole": only, "groups": question.groups,
        "strip": strip.of_range(standing, question.begin, question.end, zone=question.zone, names=operator,
                                lost_periods=len(page.header.incomplete)),
        "presets": [(each, given.query(begin=each.begin, end=each.end, marker=None)) for each in spans.presets(
            question, now=now, complete_through=standing.complete_through)],
        "permalink": given.query(**spans.permanent(question)),
        "next": None if following is None else given.query(marker=following),
        "next_after": following, "first": given.query(marker=None) if question.marker is not None else None,
        "files": files(question, given, final), "figures": FIGURES, "order": given.text("order") or "account",
        **spans.of_form(question), "through": page.header.space_complete_through,
        "rows_of": len({(line.account, line.server, line.group) for line in lines}),
    }


def _known(connection: Connection, selection: Selection) -> Optional[int]:
    """Return how many accounts there are to show, as far as they are counted; None beyond that, and -1 for those of groups."""
    if selection.groups:
        return -1
    found = accounts.number(connection, at_most=COUNTED + 1, prefixes=selection.prefixes) + len(selection.names)
    return found if found <= COUNTED else None


def files(question: TableQuestion, given: Asked, final: bool) -> list[tuple[str, str, str]]:
    """Return (name, path, file's name) of the page as a file: JSON and XML have the page's rows, CSV and NDJSON all."""
    stem, found = spans.file_stem(question, final), []
    for name in ("csv", "ndjson", "json", "xml"):
        changes: dict[str, Any] = {**spans.permanent(question), "format": name}
        paged = (question.by_account or question.by_group) and (name in ("json", "xml") or question.order is not None)
        if paged:
            changes["limit"] = question.limit
            if question.marker is not None:
                changes["marker"] = marker_of(question.marker)
        found.append((name.upper(), "/usage" + given.file(**changes), f"{stem}.{name}"))
    return found


def _plain(page: Page) -> tuple[list[Column], list[Line], list[str]]:
    """Return a row per account, per account and time, or per server."""
    question = page.header.question
    names = [column.name for column in question.figures]
    shown, own = (TOTAL, OWN) if question.by_group else ("", "")
    columns = [column for column in COLUMNS if all(shown + field in names for field in column.fields)]

    def values(row: Row, of: str) -> tuple[Optional[int], ...]:
        return tuple(_added([row.values[names.index(of + field)] for field in column.fields]) for column in columns)

    lines = [Line(_text(row.account), row.petname, row.server, row.time, values(row, shown), row.group,
                  values(row, own) if question.by_group else ()) for row in page.rows]
    return columns, lines, []


def _pivot(page: Page, standing: Standing) -> tuple[list[Column], list[Line], list[str]]:
    """Return a row per account, with a column per server that counted or is waited for, and their sum."""
    field = page.header.question.columns[0]
    servers = sorted({row.server for row in page.rows if row.server is not None}
                     | {server.name for server in standing.servers if server.writers})
    kind = "B" if field.unit == "B" else "count"
    columns = [*(Column(name, (field.name,), kind) for name in servers), Column("Sum", (field.name,), kind)]
    by_account: dict[Optional[bytes], dict[str, Row]] = {}
    for row in page.rows:
        if row.server is not None:
            by_account.setdefault(row.account, {})[row.server] = row
    lines = []
    for account, rows in by_account.items():
        first = next(iter(rows.values()))
        values = [rows[name].values[0] if name in rows else 0 for name in servers]
        lines.append(Line(_text(account), first.petname, None, first.time, (*values, _added(values))))
    return columns, lines, servers


def _added(values: Sequence[Optional[int]]) -> Optional[int]:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _sum(lines: Sequence[Line], number: int, column: Column, final: bool) -> Sum:
    # What lies in a group is in those above it too: the groups at the top are all there is.
    lines = [line for line in lines if SEPARATOR not in (line.group or "")]
    known = [line.values[number] for line in lines if line.values[number] is not None]
    prefix = "" if final or column.level else "about" if column.kind == "B" else "least"
    return Sum(sum(known) if known else None if lines else 0, prefix, len(lines) - len(known))


def _text(name: Optional[bytes]) -> Optional[str]:
    """Return an account's name as text; what is no UTF-8 is shown as bytes."""
    return None if name is None else text_of(name)
