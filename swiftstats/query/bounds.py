"""What one line of the access log adds to each figure of its account: at least, and at most.

The two differ where the log puts a word of its own in the place of what the client was told: 499, whatever the status was, where
the client was gone when the last byte had been handed over. A large body was served; a small one may have been an error.
"""

from __future__ import annotations

from typing import NamedTuple

from swiftstats import fields
from swiftstats.collect.accesslog import AccessLine
from swiftstats.collect.classify import ALWAYS, KINDS, is_malformed, outcome
from swiftstats.fields import CELL_COUNT, CELL_INDEX, FIELDS, REQUEST_CELLS

#: The figures that are compared: those of every answer, and what remains exact where these are not.
REQUESTS, ALL_IN, ALL_OUT = "requests", "bytes_in_and_unbilled", "bytes_out_and_unbilled"
FIGURES = (*(field.name for field in FIELDS), REQUESTS, ALL_IN, ALL_OUT)
WIDTH = len(FIGURES)
INDEX = {name: number for number, name in enumerate(FIGURES)}
#: Figures whose sum another one is: a difference in a part is not told again as one of the sum.
PARTS = {
    REQUESTS: ("GET", "PUT", "HEAD", "POST", "DELETE", "OTHER", "denied", "server_errors"),
    ALL_IN: ("bytes_in", "unbilled_bytes_in"),
    ALL_OUT: ("bytes_out", "unbilled_bytes_out"),
}

#: The sum that tells whether what a figure lacks stands in another one.
WHOLE = {"client_errors": REQUESTS, "disconnects": REQUESTS, **{part: whole for whole, parts in PARTS.items() for part in parts}}

GONE = 499
#: More body than this is no error's.
SERVED_BYTES = 65536

_BYTES = tuple(INDEX[name] for name in ("bytes_in", "bytes_out", "unbilled_bytes_in", "unbilled_bytes_out"))

Figures = tuple[int, ...]


class Bounds(NamedTuple):
    """At least and at most; `proven`: that such an answer proves its account real; `billable`: its bytes are."""

    low: Figures
    high: Figures
    proven: bool
    billable: bool


def figures(cells: tuple[int, ...]) -> Figures:
    """Return the compared figures of counters, in the order of FIGURES."""
    return (*fields.values(cells), sum(cells[cell] for cell in REQUEST_CELLS), cells[CELL_INDEX["passed_in"]],
            cells[CELL_INDEX["passed_out"]])


def bounds(line: AccessLine) -> Bounds:
    """Return what a client's request adds."""
    kind = KINDS.get(line.method, "OTHER")
    increments, billable, proof = outcome(kind, line.status, False)
    cells = [0] * CELL_COUNT
    for cell, amount in zip(increments[::2], increments[1::2]):
        cells[cell] += amount
    cells[CELL_INDEX["passed_in"]] = line.bytes_in
    cells[CELL_INDEX["passed_out"]] = line.bytes_out
    if not billable:
        cells[CELL_INDEX["unbilled_bytes_in"]], cells[CELL_INDEX["unbilled_bytes_out"]] = line.bytes_in, line.bytes_out
    exact = figures(tuple(cells))
    proven = proof == ALWAYS and line.status != GONE and not (line.status == 404 and is_malformed(line.path))
    if line.status != GONE:
        return Bounds(exact, exact, proven, billable)
    low, high = list(exact), list(exact)
    low[INDEX["disconnects"]] = 0
    if line.bytes_out <= SERVED_BYTES:
        method = kind if kind in INDEX else "OTHER"
        for name in (method, "bytes_in", "bytes_out"):
            low[INDEX[name]] = 0
        for name in ("denied", "server_errors", "client_errors"):
            high[INDEX[name]] = 1
        high[INDEX["unbilled_bytes_in"]], high[INDEX["unbilled_bytes_out"]] = line.bytes_in, line.bytes_out
    return Bounds(tuple(low), tuple(high), False, billable)


def spread(found: Bounds) -> Bounds:
    """Return the bounds of a request that lasted over the end of a period: bytes that passed before it stay as they counted."""
    if found.billable:
        return found
    low, high = list(found.low), list(found.high)
    for index in _BYTES:
        low[index] = 0
    for index, whole in zip(_BYTES, (ALL_IN, ALL_OUT, ALL_IN, ALL_OUT)):
        high[index] = found.high[INDEX[whole]]
    return Bounds(tuple(low), tuple(high), found.proven, found.billable)
