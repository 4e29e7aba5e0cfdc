"""Choose the format of an answer: what the request names, else what its `Accept` prefers, else JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from webob.acceptparse import create_accept_header  # type: ignore[import-untyped]

from swiftstats.errors import SwiftStatsError
from swiftstats.query.answer import Breakdown, Detail, Sum
from swiftstats.query.freshness import Header
from swiftstats.query.question import Fault
from swiftstats.represent import as_csv, as_json, as_xml


@dataclass(frozen=True)
class Format:
    """One way to write answers and errors."""

    name: str
    content_type: str
    total: Callable[[Sum], bytes]
    detail: Callable[[Detail], Iterator[bytes]]
    breakdown: Callable[[Breakdown], Iterator[bytes]]
    error: Callable[[int, str, Sequence[Fault]], bytes]
    headers: Callable[[Header], list[tuple[str, str]]]


#: The first is the default, and wins where `Accept` likes several equally.
FORMATS = {
    name: Format(name, module.CONTENT_TYPE, module.total, module.detail, module.breakdown, module.error, module.headers)
    for name, module in (("json", as_json), ("xml", as_xml), ("csv", as_csv))
}
DEFAULT = FORMATS["json"]

#: Other names that clients of old ask with; the answer says the proper one.
_ALIASES = {"text/xml": "application/xml"}


class UnknownFormat(SwiftStatsError):
    """A format that is asked for by name, and that there is not."""


class NotAcceptable(SwiftStatsError):
    """An `Accept` that no format satisfies."""


def named(name: str) -> Format:
    """Return the format of that name, in any case; raise UnknownFormat."""
    try:
        return FORMATS[name.strip().lower()]
    except KeyError:
        raise UnknownFormat(name) from None


def accepted(accept: str | None) -> Format:
    """Return the format that an `Accept` header prefers; raise NotAcceptable. None or a malformed one: the default."""
    if accept is None:
        return DEFAULT  # PERF: bench/sums.py; WebOb parses what it is offered each time
    by_type = {each.content_type: each for each in FORMATS.values()}
    offers = [*by_type, *_ALIASES]
    best = create_accept_header(accept).acceptable_offers(offers)
    if not best:
        raise NotAcceptable(accept or "")
    offer: str = best[0][0]
    return by_type[_ALIASES.get(offer, offer)]
