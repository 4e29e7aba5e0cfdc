"""Tables of many accounts with a column per server, as Tahoe-LAFS's aggregator was to show them: `t=json`.

    {"servers": [{"id": "proxy-01", "nickname": "proxy-01", "as_of": "2026-10-02T00:00:00Z", "stale": false}],
     "accounts": [{"id": "AUTH_…", "petname": null, "usage": {"proxy-01": 123}, "total": 123, "partial": false}], "next": null}

A usage is the sum of the figures that are asked for (bytes in and out, where none are named); null of a server that nobody
ever heard of, since that is not zero; and so is a petname that there is not.
"""

from __future__ import annotations

import json
from typing import Any

from swiftstats.names import text_of
from swiftstats.query import steps
from swiftstats.query.table import Page
from swiftstats.query.table_question import marker_of
from swiftstats.represent import by_server


def page(answer: Page) -> bytes:
    """Write a page."""
    header = answer.header
    zone = header.question.zone
    servers = [{"id": each.name, "nickname": each.name, "as_of": None if each.as_of is None else steps.iso(each.as_of, zone),
                "stale": each.stale} for each in header.servers]
    accounts: list[dict[str, Any]] = []
    for row in by_server.turned(answer, stepped=False):
        usage = {server: None if values is None else sum(value or 0 for value in values) for server, values in row.usage.items()}
        accounts.append({"id": text_of(row.account), "petname": row.petname, "usage": usage,
                         "total": sum(value or 0 for value in usage.values()), "partial": row.partial})
    following = None if answer.next is None else marker_of(answer.next)
    shown: dict[str, Any] = {"servers": servers, "accounts": accounts, "next": following, "unknown": list(header.unknown)}
    if header.unknown_groups:
        shown["unknown_groups"] = list(header.unknown_groups)
    return (json.dumps(shown) + "\n").encode()
