"""Compare what the service answers with the clients' ledger: each account, each field, in JSON, XML and in detail."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any, Mapping
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


def stored(client: Any) -> dict[str, int]:
    """Return what an account's containers say that they hold, as a client of it sees them."""
    names = [row["name"] for row in client.get_account(full_listing=True)[1]]
    heads = [client.head_container(name) for name in names]
    return {"Container": len(names), "Object": sum(int(head["x-container-object-count"]) for head in heads),
            "Space": sum(int(head["x-container-bytes-used"]) for head in heads)}


def wait_space(site: Site, expected: Mapping[str, Mapping[str, int]], *, seconds: float) -> tuple[int, int]:
    """Crawl until the service answers what is stored; return the period (begin, end). Raises DemoError after `seconds`.

    Swift's own accounts learn of uploads late: from the container updater, a moment after.
    """
    deadline = time.monotonic() + seconds
    while True:
        site.command("space", "--once")
        # The period may just have ended: the one in which the crawl began has the readings then, or part of them.
        end = periods.floor(time.time(), site.period_seconds) + site.period_seconds
        begin = end - site.period_seconds
        found = {}
        for account in expected:
            detail = json.loads(ask(by_url(site, "space_detail", site.token, account, begin, end, "json")))[1]
            (found[account],) = detail.values()
        if found == expected:
            return begin, end
        if time.monotonic() > deadline:
            raise DemoError(f"the space was not that of the containers within {seconds:g} s: {found}, not {expected}")


def _of_xml(text: str) -> dict[str, Any]:
    usage = ElementTree.fromstring(text).find("usage")
    return {} if usage is None else {child.tag: int(child.text or 0) for child in usage}
