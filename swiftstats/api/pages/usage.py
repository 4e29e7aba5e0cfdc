"""The page of all accounts that may be read: a row each, or a column per server, with what the rows add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from sqlalchemy import Connection

from swiftstats.api.pages import servers, spans, strip
from swiftstats.api.pages.asked import Asked
from swiftstats.api.pages.columns import NOT_BEGUN, Column, Line, plain
from swiftstats.petnames import SEPARATOR
from swiftstats.query import table
from swiftstats.query.question import BadQuestion, fault
from swiftstats.query.selection import Selection
from swiftstats.query.standing import Standing
from swiftstats.query.table_question import TableQuestion, marker_of
from swiftstats.represent import by_server
from swiftstats.store import accounts

#: Accounts of a page where nothing else is asked for.
LIMIT = 100
#: Accounts are counted no further.
COUNTED = 10_000


@dataclass(frozen=True)
class Sum:
    """What a column adds up to; `prefix` says that it may still change, `unknown` how many rows are not in it."""

    value: Optional[int]
    prefix: str
    unknown: int


def shown(connection: Connection, question: TableQuestion, selection: Selection, given: Asked, standing: Standing, *,
          operator: bool, petnames: bool, now: float) -> Mapping[str, Any]:
    """Return what the page shows; `petnames`: whether there are any, so that an account without one is said to have none."""
    known = _known(connection, selection)
    if question.by_group and not question.groups and known is None:
        raise BadQuestion([fault("by", "group", f"a group beside it, as group=NAME: of more than {COUNTED:,} accounts not all "
                                                "are read for a page; files have them, as format=csv")])
    page = table.page(connection, question, selection, now=now)
    pivot = question.by_account and question.by_server
    turned = servers.table(page) if pivot else None
    each_field = given.text("fields") is not None
    columns, lines = (turned.columns, turned.lines) if turned else plain(page, each_field=each_field)
    final, by_time = page.header.final, question.granularity != "total"
    only = question.order is None and question.marker is None and page.next is None
    following = None if page.next is None else marker_of(page.next)
    return {
        "page": page, "question": question, "zone": question.zone, "units": given.units, "columns": columns, "lines": lines,
        "turned": turned, "asked": given, "by_time": by_time, "final": final, "petnames": petnames,
        "sums": [_sum(lines, number, column, final, by_time) for number, column in enumerate(columns)],
        "known": known, "counted": COUNTED, "whole": only, "groups": question.groups,
        "strip": strip.of_range(standing, question.begin, question.end, zone=question.zone, names=operator,
                                lost_periods=len(page.header.incomplete)),
        "presets": [(each, given.query(begin=each.begin, end=each.end, marker=None)) for each in spans.presets(
            question, now=now, complete_through=standing.complete_through)],
        "permalink": given.query(**spans.permanent(question)),
        "next": None if following is None else given.query(marker=following),
        "next_after": following, "first": given.query(marker=None) if question.marker is not None else None,
        "files": files(question, given, final), "figures": _figures(question, given), "order": given.text("order") or "account",
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


def _sum(lines: Sequence[Line], number: int, column: Column, final: bool, by_time: bool) -> Optional[Sum]:
    if by_time and not column.of_steps or not column.of_accounts:
        return None
    # What lies in a group is in those above it too: the groups at the top are all there is.
    values = [line.values[number] for line in lines if SEPARATOR not in (line.group or "")]
    known = [value for value in values if value not in (None, NOT_BEGUN)]
    unknown = values.count(None)
    prefix = "" if final or column.level else "about" if column.kind == "B" else "least"
    return Sum(sum(known) if known or not unknown else None, prefix, unknown)


def _figures(question: TableQuestion, given: Asked) -> list[tuple[str, str, bool]]:
    """Return (fields, in words, whether they are shown) to choose from, for a table with a column per server."""
    shown = {column.name for column in question.columns}
    found = [(value, words, shown == set((value or ",".join(by_server.USAGE)).split(","))) for value, words in servers.FIGURES]
    asked = given.text("fields")
    return found if asked is None or any(chosen for _, _, chosen in found) else [*found, (asked, asked, True)]
