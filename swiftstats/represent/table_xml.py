"""Tables of many accounts as XML 1.0 in UTF-8: `<usage>` with `<query>`, a `<row>` each, and `<next>`; else as as_xml."""

from __future__ import annotations

from typing import Any, Callable

from swiftstats.names import text_of
from swiftstats.query import steps
from swiftstats.query.table import Page
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion, marker_of
from swiftstats.query.table_rows import Row
from swiftstats.represent.as_xml import DECLARATION, escape
from swiftstats.represent.table_json import header_object

#: What is in a list of the query element.
_ITEMS = {"waiting_for": "server", "unknown": "account", "unknown_groups": "group", "incomplete": "period", "corrected": "period"}


def page(answer: Page) -> bytes:
    """Write a page; `<next>` is the marker of the page after, and left out where there is none."""
    write = row_writer(answer.header.question)
    rows = "".join("\n" + write(row) for row in answer.rows)
    following = "" if answer.next is None else f"\n<next>{escape(marker_of(answer.next))}</next>"
    return f"{DECLARATION}<usage>{_query(answer.header)}{rows}{following}</usage>\n".encode()


def _query(header: TableHeader) -> str:
    return f"<query>{''.join(_element(name, value) for name, value in header_object(header).items())}</query>"


def _element(name: str, value: Any) -> str:
    if value is None:
        return f'<{name} nil="true"/>'
    if isinstance(value, bool):
        return f"<{name}>{'true' if value else 'false'}</{name}>"
    if isinstance(value, list):
        item = _ITEMS[name]
        return f"<{name}>" + "".join(f"<{item}>{escape(each)}</{item}>" for each in value) + f"</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def row_writer(question: TableQuestion) -> Callable[[Row], str]:
    """Return what writes a row: what it is of as attributes, figures as elements."""
    names = [column.name for column in question.figures]
    stepped = question.granularity != "total"

    def write(row: Row) -> str:
        of = []
        if row.account is not None:
            of.append(("account", text_of(row.account)))
        if row.petname is not None:
            of.append(("petname", row.petname))
        if row.group is not None:
            of.append(("group", row.group))
        if row.server is not None:
            of.append(("server", row.server))
        if stepped:
            of.append(("time", steps.iso(row.time, question.zone)))
        of.append(("complete", "true" if row.complete else "false"))
        attributes = "".join(f' {name}="{escape(value)}"' for name, value in of)
        return f"<row{attributes}>{''.join(map(_element, names, row.values))}</row>"

    return write
