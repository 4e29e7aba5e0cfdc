"""Tables of many accounts with a column per server, as Tahoe-LAFS's aggregator was to show them: `t=json`.

    {"servers": [{"id": "proxy-01", "nickname": "proxy-01", "as_of": "2026-10-02T00:00:00Z", "stale": false}],
     "accounts": [{"id": "AUTH_…", "petname": null, "usage": {"proxy-01": 123}, "total": 123, "partial": false}], "next": null}

A usage is the sum of the figures that are asked for (bytes in and out, where none are named); null of a server that nobody
ever heard of, since that is not zero; and so is a petname that there is not.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from swiftstats.names import text_of
from swiftstats.query import steps
from swiftstats.query.table import Page
from swiftstats.query.table_question import marker_of


def page(answer: Page) -> bytes:
    """Write a page."""
    header = answer.header
    zone = header.question.zone
    servers = [{"id": each.name, "nickname": each.name, "as_of": None if each.as_of is None else steps.iso(each.as_of, zone),
                "stale": each.stale} for each in header.servers]
    heard = {each.name: None if each.as_of is None else 0 for each in header.servers}
    accounts: list[dict[str, Any]] = []
    for name, rows in groupby(answer.rows, key=lambda row: row.account):
        usage: dict[str, int | None] = dict(heard)
        petname = None
        for row in rows:
            petname = row.petname
            if row.server is not None:
                usage[row.server] = (usage.get(row.server) or 0) + sum(value or 0 for value in row.values)
        accounts.append({"id": text_of(name or b""), "petname": petname, "usage": usage,
                         "total": sum(value or 0 for value in usage.values()), "partial": not header.final})
    following = None if answer.next is None else marker_of(answer.next)
    shown: dict[str, Any] = {"servers": servers, "accounts": accounts, "next": following, "unknown": list(header.unknown)}
    if header.unknown_groups:
        shown["unknown_groups"] = list(header.unknown_groups)
    return (json.dumps(shown) + "\n").encode()
