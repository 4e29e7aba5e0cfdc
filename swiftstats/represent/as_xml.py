"""Answers and errors as XML 1.0 in UTF-8: `<io_sum>` and `<io_detail>` with `<query>` and `<usage>`.

Names of elements are JSON's with underscores for spaces; null is `nil="true"`; lists hold `<server>` or `<period>`.
"""

from __future__ import annotations

import re
from typing import Iterator, Sequence

from swiftstats import fields, periods
from swiftstats.query.freshness import Header
from swiftstats.query.io import Detail, Sum
from swiftstats.query.question import Fault
from swiftstats.represent.chunks import chunks

CONTENT_TYPE = "application/xml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

# https://www.w3.org/TR/xml/#charsets: whatever else is no XML, even as a character reference.
_CANNOT_CARRY = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Raw, these would be normalised to a line feed or a space by every parser.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})

# PERF: as in JSON, a template for each row.
_FIELDS = "".join(f"<{field.title}>%d</{field.title}>" for field in fields.FIELDS)
_NULL = "".join(f'<{field.title} nil="true"/>' for field in fields.FIELDS)


def escape(text: str) -> str:
    """Return `text` for an element or a double-quoted attribute; what XML cannot carry becomes U+FFFD."""
    return _CANNOT_CARRY.sub("\ufffd", text).translate(_ESCAPES)


def query_element(header: Header) -> str:
    """Write the `<query>` element."""
    question = header.question
    complete = '<Complete_Through nil="true"/>'
    if header.complete_through is not None:
        complete = f"<Complete_Through>{periods.format(header.complete_through)}</Complete_Through>"
    parts = [
        f"<Account_ID>{escape(question.asked)}</Account_ID>",
        f"<Begin_Time>{periods.format(question.begin)}</Begin_Time>",
        f"<End_Time>{periods.format(question.end)}</End_Time>",
        complete,
    ]
    if header.waiting_for is not None:
        parts.append(_list("Waiting_For", "server", header.waiting_for))
    if header.incomplete:
        parts.append(_list("Incomplete", "period", [periods.format(start) for start in header.incomplete]))
    if header.corrected:
        parts.append(_list("Corrected", "period", [periods.format(start) for start in header.corrected]))
    return f"<query>{''.join(parts)}</query>"


def _list(name: str, item: str, values: Sequence[str]) -> str:
    return f"<{name}>" + "".join(f"<{item}>{escape(value)}</{item}>" for value in values) + f"</{name}>"


def total(answer: Sum) -> bytes:
    """Write `io_sum`."""
    usage = _FIELDS % answer.values
    return f"{DECLARATION}<io_sum>{query_element(answer.header)}\n<usage>{usage}</usage></io_sum>\n".encode()


def detail(answer: Detail) -> Iterator[bytes]:
    """Write `io_detail`, in chunks."""
    return chunks(_detail(answer))


def _detail(answer: Detail) -> Iterator[str]:
    yield f"{DECLARATION}<io_detail>{query_element(answer.header)}"
    for start, values in answer.rows:
        yield f'\n<usage time="{periods.format(start)}">{_NULL if values is None else _FIELDS % values}</usage>'
    yield "</io_detail>\n"


def error(code: int, title: str, faults: Sequence[Fault]) -> bytes:
    """Write an error with its faults."""
    listed = "".join(
        f'<fault parameter="{escape(each.parameter)}" value="{escape(each.value)}" expected="{escape(each.expected)}"/>'
        for each in faults
    )
    return f"{DECLARATION}<error><code>{code}</code><title>{escape(title)}</title>{listed}</error>\n".encode()


def headers(header: Header) -> list[tuple[str, str]]:
    """Return no headers: the answer itself says how final it is."""
    return []
