"""The columns of the page of all accounts: figures added up in some, or one for each field that is asked for; and its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Optional, Sequence

from swiftstats import fields
from swiftstats.fields import FIELD_INDEX, METHODS
from swiftstats.names import text_of
from swiftstats.query.table import Page
from swiftstats.query.table_question import OWN, TOTAL
from swiftstats.query.table_rows import Row

#: What a row shows of a step that has not begun.
NOT_BEGUN = ""


@dataclass(frozen=True)
class Column:
    """A column: `fields` of the table are added up in it. `level`: it is no total that grows.

    `of_steps`, `of_accounts`: whether the values of several steps, or accounts, are a sum.
    """

    title: str
    fields: tuple[str, ...]
    kind: str
    order: Optional[str] = None
    level: bool = False
    of: str = ""
    help: str = ""
    of_steps: bool = True
    of_accounts: bool = True


@dataclass(frozen=True)
class Line:
    """One row: what it is of, and a value per column: None where it is unknown, NOT_BEGUN; of a group also its own.

    `partial`: servers may have more of it.
    """

    account: Optional[str]
    petname: Optional[str]
    server: Optional[str]
    time: int
    values: tuple[Any, ...]
    group: Optional[str] = None
    own: tuple[Any, ...] = ()
    partial: bool = False


#: Those that are shown where no fields are asked for.
COLUMNS = (
    Column("Requests", METHODS, "count", help="Billable requests of every method"),
    Column("Bytes in", ("bytes_in",), "B", "-bytes_in", help="Uploaded"),
    Column("Bytes out", ("bytes_out",), "B", "-bytes_out", help="Downloaded"),
    Column("Space", ("space_last",), "B", level=True, help="As it was read last", of_steps=False),
    Column("Byte-hours", ("byte_hours",), "B", level=True, of="·h", help="Space × hours, of what was measured"),
    Column("Not billed", ("denied", "server_errors"), "count", "-denied", help="Requests denied or failed"),
)
_OF_ONE = {column.fields: column for column in COLUMNS}


def of_field(field: fields.Column) -> Column:
    """Return the column of one field."""
    known = _OF_ONE.get((field.name,))
    title = field.name if field.name.isupper() else field.name.replace("_", " ").capitalize()
    if known is not None:
        return replace(known, help=field.help)
    return Column(title, (field.name,), "B" if field.unit == "B" else "count", help=field.help,
                  order=f"-{field.name}" if field.name in FIELD_INDEX else None, level=field.kind == "gauge",
                  of_steps=field.kind != "gauge", of_accounts=field.name != "space_max")


def plain(page: Page, *, each_field: bool) -> tuple[list[Column], list[Line]]:
    """Return a row per account, per account and time, per group, or per server; `each_field`: fields are asked for by name."""
    question = page.header.question
    names = [column.name for column in question.figures]
    shown, own = (TOTAL, OWN) if question.by_group else ("", "")
    columns = [column for column in COLUMNS if all(shown + field in names for field in column.fields)]
    if each_field:
        columns = [of_field(field) for field in question.columns]

    def values(row: Row, of: str) -> tuple[Any, ...]:
        if row.time > page.header.now:
            return (NOT_BEGUN,) * len(columns)
        return tuple(added([row.values[names.index(of + field)] for field in column.fields]) for column in columns)

    return columns, [Line(None if row.account is None else text_of(row.account), row.petname, row.server, row.time,
                          values(row, shown), row.group, values(row, own) if question.by_group else ()) for row in page.rows]


def added(values: Sequence[Optional[int]]) -> Optional[int]:
    """Return the sum; None where any of it is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
