"""A real Swift with the filter, the flusher and the service for functional tests: the demo's site, with what tests add.

Tests' sites have a filter right of ours that fails on request (faulty.py), and a second proxy on the same cluster without our
filter, to compare with.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence
from xml.etree import ElementTree

from swiftstats import fields
from swiftstats.demo import show
from swiftstats.demo.check import ask
from swiftstats.demo.confs import Filter, User
from swiftstats.demo.site import Site
from swiftstats.demo.swift import USERS
from tests.support import keystone_pipeline
from tests.support.keystone import ROOT, Keystone

#: Right of proxy-logging too, so that its access log has these requests.
FAULTY = Filter("faulty", "proxy-logging", {"paste.filter_factory": "tests.support.faulty:filter_factory"})


def users_of(names: Sequence[str]) -> tuple[User, ...]:
    """Return a user of an account for each name, one of an account `NAME-other` too, and those that every demo has."""
    return (*USERS, *(User(account, "user", "key") for name in names for account in (name, name + "-other")))


@contextlib.contextmanager
def running_site(
    folder: Path, *, database: str | None = None, names: Sequence[str] = (), period_seconds: int = 10, workers: int = 2,
    plain_proxy: bool = False, server: str = "proxy-01", client_timeout: int = 60,
    options: Mapping[str, Mapping[str, str]] | None = None, keystone: Keystone | None = None,
) -> Iterator[Site]:
    """Start a site with users for `names`; stop it afterwards.

    client_timeout: seconds after which the proxy gives up a client that sends or takes nothing. options: more, by filter.
    keystone: the one that Swift stands behind; tempauth, where none is given.
    """
    site = Site(
        folder, database=database, period_seconds=period_seconds, flush_interval=1, server=server,
        reseller_prefix=keystone_pipeline.PREFIXES if keystone else "AUTH",
        swift_options={
            "instead": keystone_pipeline.instead(keystone) if keystone else {},
            "users": users_of(names), "workers": workers, "extra": [FAULTY],
            "options": {"proxy-server": {"client_timeout": str(client_timeout)}, **(options or {})},
            # So that the proxy finds tests.support.faulty.
            "environment": {"PYTHONPATH": str(ROOT)},
        },
    )
    with site:
        if plain_proxy:
            site.swift.add_proxy("plain-proxy")
        yield site


class Asker:
    """Asks a site's service about one range of time, as an operator."""

    def __init__(self, site: Site, token: str, begin: int, end: int) -> None:
        self.site, self.token, self.begin, self.end = site, token, begin, end

    def json(self, account: str, method: str = "io_sum") -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and figures of an answer in JSON."""
        header, figures = json.loads(ask(show.by_url(self.site, method, self.token, account, self.begin, self.end, "json")))
        return header, figures

    def xml(self, account: str, method: str = "io_sum") -> list[dict[str, int]]:
        """Return the figures of each `usage` of an answer in XML."""
        text = ask(show.by_url(self.site, method, self.token, account, self.begin, self.end, "xml"))
        return [{child.tag: int(child.text or 0) for child in usage} for usage in ElementTree.fromstring(text).findall("usage")]

    def every_form(self, account: str) -> dict[str, dict[str, int]]:
        """Return an account's sum as JSON and XML have it, and as the sum over their details."""
        details, usages = self.json(account, "io_detail")[1].values(), self.xml(account, "io_detail")
        titles = [field.title for field in fields.FIELDS]
        return {
            "json": self.json(account)[1],
            "xml": self.xml(account)[0],
            "json detail": {title: sum(row[title] or 0 for row in details) for title in titles},
            "xml detail": {title: sum(row[title] for row in usages) for title in titles},
        }


def mismatches(found: Mapping[str, int], expected: Mapping[str, Any]) -> list[str]:
    """Return a line per field that is not as expected; a pair is the least and the most that will do."""
    lines = []
    for field in fields.FIELDS:
        want, have = expected.get(field.title, 0), found[field.title]
        least, most = want if isinstance(want, tuple) else (want, want)
        if not least <= have <= most:
            lines.append(f"{field.title}: {have}, not {want}")
    return lines
