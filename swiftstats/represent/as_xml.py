"""Answers and errors as XML 1.0 in UTF-8: `<io_sum>`, `<space_detail>` and the like, with `<query>` and `<usage>`.

Names of elements are JSON's with underscores for spaces; null is `nil="true"`; lists hold `<server>` or `<period>`.
"""

from __future__ import annotations

import functools
import re
from typing import Iterator, Sequence

from swiftstats import periods
from swiftstats.query.answer import Breakdown, Detail, Sum, Values
from swiftstats.query.freshness import Header
from swiftstats.query.question import Fault
from swiftstats.represent.chunks import chunks

CONTENT_TYPE = "application/xml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

# https://www.w3.org/TR/xml/#charsets: whatever else is no XML, even as a character reference.
_CANNOT_CARRY = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Raw, these would be normalised to a line feed or a space by every parser.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})


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
    """Write a sum."""
    usage = f"<usage>{_elements(answer.titles, answer.values)}</usage>"
    return f"{DECLARATION}<{answer.query}>{query_element(answer.header)}\n{usage}</{answer.query}>\n".encode()


def detail(answer: Detail) -> Iterator[bytes]:
    """Write a detail, in chunks."""
    return chunks(_detail(answer))


def breakdown(answer: Breakdown) -> Iterator[bytes]:
    """Write a detail by name, in chunks: a `<usage>` per name."""
    return chunks(_breakdown(answer))


def _detail(answer: Detail) -> Iterator[str]:
    row, null = _row(answer.titles), _elements(answer.titles, (None,) * len(answer.titles))
    yield f"{DECLARATION}<{answer.query}>{query_element(answer.header)}"
    for start, values in answer.rows:
        yield f'\n<usage time="{periods.format(start)}">{null if values is None else row % values}</usage>'
    yield f"</{answer.query}>\n"


def _breakdown(answer: Breakdown) -> Iterator[str]:
    yield f"{DECLARATION}<{answer.query}>{query_element(answer.header)}"
    for start, name, values in answer.flat():
        of = "" if name is None else f' name="{escape(name)}"'
        yield f'\n<usage time="{periods.format(start)}"{of}>{_elements(answer.titles, values)}</usage>'
    yield f"</{answer.query}>\n"


def _elements(titles: tuple[str, ...], values: Values) -> str:
    return "".join(f'<{title} nil="true"/>' if value is None else f"<{title}>{value}</{title}>"
                   for title, value in zip(titles, values))


@functools.cache
def _row(titles: tuple[str, ...]) -> str:
    # PERF: as in JSON, a template for each row.
    return "".join(f"<{title}>%d</{title}>" for title in titles)


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
