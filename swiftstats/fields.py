"""The fields of an account's usage, and the counters that they are kept in.

Two tables. CELLS are what is counted, stored and shipped: sixty-four bit counters that only grow, so the greater of two
readings is always the later one. FIELDS are what an answer shows; two of them are a difference of cells, since bytes that
passed may prove unbilled afterwards, and a counter that fell could not be merged by maximum.

The order of CELLS is the order in a segment and in a period file. Unbilled bytes stand before passed bytes: a writer adds to
`passed` first and a reader reads `unbilled` first, so a difference is never negative, whatever is counted in between.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

#: What is stored: name of the cell (and of its column).
CELLS = (
    "unbilled_bytes_in",
    "unbilled_bytes_out",
    "passed_in",
    "passed_out",
    "get_count",
    "put_count",
    "head_count",
    "post_count",
    "delete_count",
    "other_count",
    "denied",
    "client_errors",
    "server_errors",
    "disconnects",
)
CELL_COUNT = len(CELLS)
CELL_INDEX = {name: index for index, name in enumerate(CELLS)}

#: The cells of which each request is in exactly one.
REQUEST_CELLS = tuple(CELL_INDEX[name] for name in (
    "get_count", "put_count", "head_count", "post_count", "delete_count", "other_count", "denied", "server_errors"))

#: The largest value that a store keeps: a signed 64-bit integer, in every database.
STORED_MAX = 2**63 - 1

#: The row of requests whose account is not, or never, known. Asked for by this name, without a prefix.
UNKNOWN = "(unknown)"

#: The longest account name that is metered, in bytes: Swift's default `max_account_name_length`.
NAME_BYTES = 256


class Field(NamedTuple):
    """One figure of an answer: `plus` cells minus `minus` cells."""

    name: str  #: in part 2 of the API and in code: GET, bytes_in
    title: str  #: in the answers of the 2012 API: GET, Bytes_In
    plus: str
    minus: Optional[str]
    unit: str
    help: str


#: What is answered, in the order of the 2012 answers.
FIELDS = (
    Field("bytes_in", "Bytes_In", "passed_in", "unbilled_bytes_in", "B",
          "Body bytes read from clients in billable requests."),
    Field("bytes_out", "Bytes_Out", "passed_out", "unbilled_bytes_out", "B",
          "Body bytes handed to the server for clients in billable requests."),
    Field("DELETE", "DELETE", "delete_count", None, "request", "Billable DELETE requests."),
    Field("GET", "GET", "get_count", None, "request", "Billable GET requests."),
    Field("HEAD", "HEAD", "head_count", None, "request", "Billable HEAD requests."),
    Field("OTHER", "OTHER", "other_count", None, "request", "Billable requests of every other method (COPY, OPTIONS, …)."),
    Field("POST", "POST", "post_count", None, "request", "Billable POST requests."),
    Field("PUT", "PUT", "put_count", None, "request", "Billable PUT requests."),
    Field("denied", "Denied", "denied", None, "request", "Requests answered 401 or 403: not billable, in no method's count."),
    Field("client_errors", "Client_Errors", "client_errors", None, "request",
          "Requests answered 4xx but 401, 403, 408 and 499: billable, also in their method's count."),
    Field("server_errors", "Server_Errors", "server_errors", None, "request",
          "Requests answered 5xx, and exceptions: not billable, in no method's count."),
    Field("disconnects", "Disconnects", "disconnects", None, "request",
          "Requests whose client went away (499, 408, or a body closed early): billable, also in their method's count."),
    Field("unbilled_bytes_in", "Unbilled_Bytes_In", "unbilled_bytes_in", None, "B",
          "Body bytes read from clients in denied and failed requests."),
    Field("unbilled_bytes_out", "Unbilled_Bytes_Out", "unbilled_bytes_out", None, "B",
          "Body bytes handed to the server in denied and failed requests."),
)

#: Where each field is in FIELDS, and so in `values`.
FIELD_INDEX = {field.name: index for index, field in enumerate(FIELDS)}
#: The figures that are billable requests, by method, as people look at them.
METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE", "OTHER")


class Figure(NamedTuple):
    """One figure of an answer about space."""

    title: str  # as the 2012 API writes it
    unit: str
    help: str


#: What `space_detail` shows of a period.
SPACE_FIELDS = (
    Figure("Container", "container", "Containers of the account."),
    Figure("Object", "object", "Objects in them."),
    Figure("Space", "B", "Bytes of these objects, as Swift accounts for them: without replicas."),
)

#: What `space_sum` shows of a range; null where nothing was measured, but the last two.
SPACE_SUM_FIELDS = (
    Figure("Byte_Hours", "B·h", "Bytes × seconds / 3600, added up over the measured periods, and rounded half up once."),
    Figure("Space_Max", "B", "The greatest `Space` of a measured period."),
    Figure("Space_Last", "B", "The `Space` of the last measured period."),
    Figure("Space_Average", "B", "The average `Space` of the measured periods, rounded half up."),
    Figure("Object_Max", "object", "The greatest `Object` of a measured period."),
    Figure("Periods", "period", "Periods of the range."),
    Figure("Periods_Measured", "period", "Those of them that were measured; the others are in no figure."),
)

class Column(NamedTuple):
    """One figure of a table of many accounts; `kind` is `delta` (it adds up) or `gauge` (a level)."""

    name: str
    unit: str
    kind: str
    help: str


#: What a table of many accounts can show of space, null where nothing was measured.
SPACE_COLUMNS = (
    Column("space_last", "B", "gauge", "Bytes of the account's objects in the last measured period, without replicas."),
    Column("space_max", "B", "gauge", "The greatest of the measured periods."),
    Column("byte_hours", "B·h", "delta", "Bytes × seconds / 3600, added up over the measured periods, and rounded half up once."),
    Column("objects", "object", "gauge", "Objects in the last measured period."),
    Column("containers", "container", "gauge", "Containers in the last measured period."),
)
#: All that a table of many accounts can show, in its order.
COLUMNS = (*(Column(field.name, field.unit, "delta", field.help) for field in FIELDS), *SPACE_COLUMNS)
#: What stands beside figures of space, so that a sum over unknown periods says so: how many were measured, of how many.
SPACE_COUNTS = (
    Column("space_periods", "period", "delta", "Measured periods; the others are in no figure of space."),
    Column("periods", "period", "delta", "Periods of the row."),
)

_SOURCES = tuple((CELL_INDEX[f.plus], None if f.minus is None else CELL_INDEX[f.minus]) for f in FIELDS)


def values(cells: Sequence[int]) -> tuple[int, ...]:
    """Return the figures of FIELDS, in their order, for the counters of CELLS, in theirs."""
    return tuple(cells[plus] if minus is None else cells[plus] - cells[minus] for plus, minus in _SOURCES)


def added(before: Optional[tuple[int, ...]], cells: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sum of two rows of counters, exact, of which the first may not be there."""
    return cells if before is None else tuple(map(int.__add__, before, cells))


def requests(cells: Sequence[int]) -> int:
    """Return how many requests there were, billable or not, for the counters of CELLS."""
    return sum(cells[index] for index in REQUEST_CELLS)
