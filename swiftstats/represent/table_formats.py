"""The formats of tables of many accounts: what comes in pages and what as a stream, and how errors look in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator, Optional

from webob.acceptparse import create_accept_header  # type: ignore[import-untyped]

from swiftstats.query.question import BadQuestion, fault
from swiftstats.query.table import Page, Stream
from swiftstats.query.table_question import TableQuestion
from swiftstats.query.table_rows import Row
from swiftstats.represent import negotiate, table_aggregate, table_csv, table_focus, table_json, table_xml
from swiftstats.represent.negotiate import Format, NotAcceptable, UnknownFormat


@dataclass(frozen=True)
class TableFormat:
    """One way to write tables: as a `page` or as a `stream`, whichever is not None. `ending`: of a file, where it is one.

    `line` makes what writes a row of a stream, where that is a line for each.
    """

    name: str
    content_type: str
    page: Optional[Callable[[Page], bytes]]
    stream: Optional[Callable[[Stream], Iterator[bytes]]]
    errors: Format
    ending: Optional[str] = None
    line: Optional[Callable[[TableQuestion], Callable[[Row], str]]] = None

_JSON, _CSV, _XML = (negotiate.FORMATS[name] for name in ("json", "csv", "xml"))
#: By the value of `format`; the first is the default, and wins where `Accept` likes several equally.
FORMATS = {each.name: each for each in (
    TableFormat("json", "application/json", table_json.page, None, _JSON),
    TableFormat("ndjson", "application/x-ndjson", None, table_json.stream, _JSON, "ndjson", table_json.line),
    TableFormat("csv", "text/csv", None, table_csv.stream, _CSV, "csv", table_csv.line),
    TableFormat("xml", "application/xml", table_xml.page, None, _XML),
    TableFormat("focus", "text/csv", None, table_focus.stream, _CSV, "focus.csv"),
)}
DEFAULT = FORMATS["json"]
#: What `t=json` is: a row per account, a column per server.
AGGREGATE = TableFormat("json", "application/json", table_aggregate.page, None, _JSON)

_BY_TYPE = {each.content_type: each for each in reversed(FORMATS.values()) if each.name != "focus"}
_ALIASES = {"application/ndjson": "application/x-ndjson", "text/xml": "application/xml"}


def check(question: TableQuestion, form: TableFormat) -> None:
    """Raise BadQuestion where a format is of accounts alone, and the question is not."""
    if question.by_group and form in (FORMATS["focus"], AGGREGATE):
        raise BadQuestion([fault("by", ",".join(question.by), "account or server: a table in this format has no groups")])


def named(name: str) -> TableFormat:
    """Return the format of that name, in any case; raise UnknownFormat."""
    try:
        return FORMATS[name.strip().lower()]
    except KeyError:
        raise UnknownFormat(name) from None


def accepted(accept: str | None) -> TableFormat:
    """Return the format that an `Accept` header prefers; raise NotAcceptable. None or a malformed one: the default."""
    offers = [each.content_type for each in FORMATS.values() if each.name != "focus"] + [*_ALIASES]
    best = create_accept_header(accept).acceptable_offers(offers)
    if not best:
        raise NotAcceptable(accept or "")
    offer: str = best[0][0]
    return _BY_TYPE[_ALIASES.get(offer, offer)]
