"""Compare what the service answers with the clients' ledger: each account, each field, in JSON, XML and in detail."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any
from xml.etree import ElementTree

from swiftstats import periods
from swiftstats.demo.ledger import Ledger
from swiftstats.demo.processes import DemoError
from swiftstats.demo.show import Query, by_headers, by_url
from swiftstats.demo.site import Site

_POLL_SECONDS = 0.25


def ask(query: Query) -> str:
    """Return what the service answers; raise DemoError for anything but 200."""
    try:
        with urllib.request.urlopen(urllib.request.Request(query.url, headers=query.headers), timeout=60) as response:
            return str(response.read().decode())
    except OSError as error:
        said = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
        raise DemoError(f"{query.url}: {error} {said}".rstrip()) from None


def wait_complete(site: Site, begin: int, end: int, *, seconds: float) -> str:
    """Return `Complete Through` once it has reached `end`; raise DemoError after `seconds`, or when a server has ended."""
    deadline = time.monotonic() + seconds
    while True:
        header = json.loads(ask(by_url(site, "io_sum", site.token, "(unknown)", begin, end, "json")))[0]
        through = header["Complete Through"]
        if through is not None and through >= periods.format(end):
            return str(through)
        site.check()
        if time.monotonic() > deadline:
            raise DemoError(
                f"the usage up to {periods.format(end)} was not complete within {seconds:g} s: complete through {through}, "
                f"waiting for {header.get('Waiting For')}\n{site.flusher.tail()}"
            )
        time.sleep(_POLL_SECONDS)


def differences(site: Site, ledger: Ledger, begin: int, end: int) -> list[str]:
    """Return a line per figure that is not the ledger's; none when all is right."""
    found, token = [], site.token
    for account, expected in ledger.usage().items():
        detail = json.loads(ask(by_url(site, "io_detail", token, account, begin, end, "json")))[1]
        for form, row in (
            ("json", json.loads(ask(by_url(site, "io_sum", token, account, begin, end, "json")))[1]),
            ("json by headers", json.loads(ask(by_headers(site, "io_sum", token, account, begin, end, "json")))[1]),
            ("xml", _of_xml(ask(by_url(site, "io_sum", token, account, begin, end, "xml")))),
            ("detail", {name: sum(row[name] or 0 for row in detail.values()) for name in expected}),
        ):
            found += [
                f"{account}, {form}: {name} is {row.get(name)}, the clients' ledger says {value}"
                for name, value in expected.items() if row.get(name) != value
            ]
    return found


def _of_xml(text: str) -> dict[str, Any]:
    usage = ElementTree.fromstring(text).find("usage")
    return {} if usage is None else {child.tag: int(child.text or 0) for child in usage}
