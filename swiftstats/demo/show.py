"""What the demo prints: the traffic, the 2012 documentation's curl commands with their real answers, and how to go on by hand."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Mapping, Sequence
from urllib.parse import quote
from xml.dom import minidom

from swiftstats import periods
from swiftstats.demo.ledger import Ledger
from swiftstats.demo.site import Site


class Query:
    """One request to the service: as a curl command, and as what it answers."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url, self.headers = url, dict(headers)

    @property
    def command(self) -> str:
        words = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers.items()]
        # Always in quotes: the semicolons are the shell's too.
        return " ".join(["curl", *words, f"'{self.url}'"])

    def answer(self) -> str:
        """Run the very command where curl is installed; else send the same request."""
        if shutil.which("curl"):
            command = self.command.replace("curl ", "curl -sS ", 1)
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
            return done.stdout + done.stderr
        request = urllib.request.Request(self.url, headers=self.headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(response.read().decode())


def by_url(site: Site, method: str, token: str, account: str, begin: int, end: int, form: str) -> Query:
    """Return a query whose parameters stand in the URL, separated by semicolons."""
    given = {"account_id": account, "begin_time": periods.format(begin), "end_time": periods.format(end), "format": form}
    # curl refuses a space in a URL, which it took in 2012.
    parameters = ";".join(f"{name}={quote(value, safe=':')}" for name, value in given.items())
    return Query(f"{site.url}/{method}?{parameters}", {"X-Auth-Token": token})


def by_headers(site: Site, method: str, token: str, account: str, begin: int, end: int, form: str) -> Query:
    """Return a query whose parameters all are headers."""
    return Query(site.url + "/", {
        "X-Auth-Token": token, "X-Query-Method": method, "X-Account-Id": account,
        "X-Begin-Time": periods.format(begin), "X-End-Time": periods.format(end), "X-Format": form,
    })


def traffic(ledger: Ledger) -> str:
    """Return a table of what the clients sent and received."""
    rows = [("account", "method", "status", "sent", "received", "path")]
    for exchange in ledger.exchanges:
        path = exchange.path if len(exchange.path) <= 60 else exchange.path[:59] + "…"
        rows.append((
            exchange.account, exchange.method, str(exchange.status), f"{exchange.sent:,}", f"{exchange.received:,}", path
        ))
    return "\n".join(f"  {a:11} {m:7} {s:>6} {i:>10} {o:>10}  {p}" for a, m, s, i, o, p in rows)


def answers(site: Site, tokens: Mapping[str, str], begin: int, end: int) -> str:
    """Return the documented commands, each with what the service answers it now."""
    operator, tenant = tokens["operator"], tokens["test"]
    queries: Sequence[tuple[str, Query]] = (
        ("The sum of an account, asked by its owner with the token that Swift gave it:",
         by_url(site, "io_sum", tenant, "AUTH_test", begin, end, "json")),
        ("Period by period, by an operator with a token of the service's own:",
         by_url(site, "io_detail", operator, "AUTH_test2", begin, end, "json")),
        ("The same sum by headers:", by_headers(site, "io_sum", operator, "AUTH_test", begin, end, "json")),
        ("And as XML:", by_url(site, "io_sum", operator, "AUTH_test", begin, end, "xml")),
        ("What no account is known for:", by_url(site, "io_sum", operator, "(unknown)", begin, end, "json")),
    )
    return "\n".join(f"{title}\n\n$ {query.command}\n{_pretty(query.answer())}\n" for title, query in queries)


def space(site: Site, begin: int, end: int) -> str:
    """Return the documented command for space, with what the service answers it now."""
    query = by_url(site, "space_detail", site.token, "AUTH_test", begin, end, "json")
    return f"The space that an account occupies:\n\n$ {query.command}\n{_pretty(query.answer())}\n"


def pages(site: Site, begin: int | None = None, end: int | None = None) -> str:
    """Return where to look with a browser, and what to paste there; with a range, also at what the demo's traffic made."""
    lines = ["Look at it in a browser, and paste this token there:", "", f"  {site.url}/usage", f"  {site.token}", ""]
    if begin is not None and end is not None:
        around = f"begin={periods.iso(begin - site.period_seconds)}&end={periods.iso(end + 6 * site.period_seconds)}"
        lines += ["What this traffic made of AUTH_test, period by period; and how the site stands:", "",
                  f"  {site.url}/accounts/AUTH_test?{around}", f"  {site.url}/status", ""]
    return "\n".join(lines)


def by_hand(site: Site, operator: str) -> str:
    """Return commands to paste, that go on from here."""
    swift = site.swift
    user = swift.user("test")
    login = f"-H 'X-Auth-User: {user.login}' -H 'X-Auth-Key: {user.key}' {swift.auth_url}"
    swiftstats = f"{_swiftstats()} --config {site.configuration}"
    today = "begin_time=$(date -u +%F);end_time=$(date -u -d tomorrow +%F)"
    return f"""\
Go on by hand. A token from Swift, an upload, a download:

  TOKEN=$(curl -si {login} | sed -n 's/^X-Auth-Token: //p' | tr -d '\\r')
  curl -X PUT -H "X-Auth-Token: $TOKEN" -T /etc/os-release {swift.url}/v1/{user.storage_account}/photos/notes
  curl -H "X-Auth-Token: $TOKEN" -o /dev/null {swift.url}/v1/{user.storage_account}/photos/notes

What that made of today, a few seconds later; your own account, and any account with the operator's token:

  curl -H "X-Auth-Token: $TOKEN" "{site.url}/io_sum?account_id={user.storage_account};{today}"
  curl -H 'X-Auth-Token: {operator}' "{site.url}/io_sum?account_id=AUTH_test2;{today};format=xml"

In a terminal:

  {swiftstats} status
  {swiftstats} usage {user.storage_account} --begin $(date -u +%F) --end $(date -u -d tomorrow +%F)
  {swiftstats} space --once
  {swiftstats} usage {user.storage_account} --space --begin $(date -u +%F) --end $(date -u -d tomorrow +%F)
"""


def _swiftstats() -> str:
    """Return how this very swiftstats is called."""
    if shutil.which("swiftstats"):
        return "swiftstats"
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "swiftstats" else f"{shlex.quote(sys.executable)} -m swiftstats"


def _pretty(text: str) -> str:
    """Lay out an answer for people; what is neither JSON nor XML stays as it is."""
    text = text.strip()
    if text.startswith("<"):
        document = minidom.parseString("".join(line.strip() for line in text.splitlines()))
        return document.toprettyxml(indent="  ").partition("\n")[2].rstrip()
    try:
        header, *rest = json.loads(text)
    except (ValueError, TypeError):
        return text
    parts = [json.dumps(header)]
    for part in rest:
        if part and all(isinstance(value, dict) for value in part.values()):
            parts.append("{" + ",\n  ".join(f"{json.dumps(time)}: {json.dumps(row)}" for time, row in part.items()) + "}")
        else:
            parts.append(json.dumps(part))
    return "[" + ",\n ".join(parts) + "]"
