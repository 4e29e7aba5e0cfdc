"""The filter in a proxy's pipeline: what a client sees, where it stands, and what becomes of it when metering breaks."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from swiftstats import periods
from swiftstats.demo.confs import Filter
from swiftstats.demo.processes import wait_for
from swiftstats.demo.site import Site
from swiftstats.demo.swift import Proxy, Swift
from tests.functional.cases_refused import limit_writes
from tests.support.caller import Answer, Caller, read_answer, request
from tests.support.cluster import Asker, mismatches, running_site, users_of

pytestmark = [pytest.mark.swift, pytest.mark.timeout(300)]

PERIOD = 20
NAMES = ["across", "twice", "right", "broken", "seen", "spawned"]
#: What differs between two answers to the same request in any case.
OWN = {"date", "x-trans-id", "x-openstack-request-id", "x-timestamp", "last-modified", "etag"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site, to whose Swift the tests add proxies with other pipelines."""
    folder: Path = tmp_path_factory.mktemp("pipeline")
    with running_site(folder, names=NAMES, period_seconds=PERIOD, plain_proxy=True) as running:
        yield running


def _caller(site: Site, name: str) -> Caller:
    caller = Caller(site.swift, name)
    caller.send("PUT", "/c")
    caller.send("PUT", "/c/o", b"o" * 1000)
    return caller


def _get(proxy: Proxy, caller: Caller, path: str = "/c/o", **named: Any) -> Answer:
    headers = {**caller.credentials(), **named.pop("headers", {})}
    return request(proxy.port, named.pop("method", "GET"), caller.path(path), headers=headers, **named)


def _usage(site: Site, caller: Caller, begin: int) -> dict[str, int]:
    site.flush()
    return Asker(site, site.token, begin, periods.floor(time.time(), PERIOD) + PERIOD).json(caller.account)[1]


def test_twice_in_the_pipeline_counts_once(site: Site) -> None:
    """A pipeline that names the filter twice counts each request once."""
    begin = periods.floor(time.time(), PERIOD)
    meter = {"config": str(site.configuration)}
    caller = _caller(site, "twice")
    again = Filter("swiftstats-again", "swiftstats", {"use": "egg:swiftstats#filter", **meter})
    proxy = site.swift.add_proxy("twice-proxy", meter=meter, extra=[again])
    for _ in range(3):
        assert len(_get(proxy, caller).body) == 1000
    assert not mismatches(_usage(site, caller, begin), {"PUT": 2, "GET": 3, "Bytes_In": 1000, "Bytes_Out": 3000})


def test_right_of_what_misleads_it_is_said(site: Site) -> None:
    """A filter that stands right of bulk or copy says so in the proxy's log; requests are served."""
    caller = _caller(site, "right")
    late = Filter("swiftstats-late", "copy", {"use": "egg:swiftstats#filter", "config": str(site.configuration)})
    proxy = site.swift.add_proxy("right-proxy", extra=[late])
    assert _get(proxy, caller).status == 200
    warnings = [line for line in proxy.process.log.read_text().splitlines() if "WARNING" in line and "swiftstats" in line.lower()]
    assert any("copy" in line and "bulk" in line for line in warnings), warnings


def test_a_download_across_periods_is_split(site: Site) -> None:
    """The bytes of a download that lasts from one period into the next are counted in each as they passed; the request once."""
    size = 30_000_000
    caller = _caller(site, "across")
    caller.send("PUT", "/c/big", b"a" * size)
    begin = periods.floor(time.time(), PERIOD)
    download = caller.raw(f"GET {caller.path('/c/big')} HTTP/1.1")
    first = b""
    while len(first) < 1_000_000:
        first += download.recv(65536)
    wait_for(lambda: time.time() > begin + PERIOD + 0.5, seconds=PERIOD + 10, what="the next period")
    assert len(read_answer(download, first)[1]) == size
    site.flush()
    detail = Asker(site, site.token, begin, periods.floor(time.time(), PERIOD) + PERIOD).json(caller.account, "io_detail")[1]
    before, *later = [(row["Bytes_Out"], row["GET"]) for row in detail.values()]
    # What the kernel's sockets hold has passed too.
    assert 1_000_000 <= before[0] < size - 1_000_000
    assert before[0] + sum(out for out, _ in later) == size
    assert before[1] + sum(gets for _, gets in later) == 1


def test_the_demos_own_memcache_serves_swift(tmp_path: Path) -> None:
    """Swift keeps tokens, and counts for its ratelimit, in the demo's own memcache where the real one is not installed."""
    with Swift(tmp_path, workers=1, users=users_of(["limited"]), own_memcache=True) as swift:
        caller = Caller(swift, "limited")
        limit_writes(caller, "0.001")
        caller.send("PUT", "/c")
        caller.send("PUT", "/c2", expect=498)
        assert "emcache" not in swift.proxy.process.log.read_text(), "errors of Swift's memcache client"


def test_info_names_the_filter(site: Site) -> None:
    """Swift's /info shows that the proxy meters, and not where to."""
    info = json.loads(request(site.swift.proxy.port, "GET", "/info").body)
    assert "swiftstats" in info
    assert str(site.folder) not in json.dumps(info)


def test_a_client_sees_no_difference(site: Site) -> None:
    """Status, headers and body of an answer are the same with the filter and without it, for all kinds of answers."""
    caller = _caller(site, "seen")
    plain = site.swift.proxies[1]
    # Swift's updater tells the account of the object a second later: by then, and not between two answers that are compared.
    wait_for(lambda: _get(plain, caller, "", method="HEAD").headers["x-account-object-count"] == "1", seconds=60,
             what="Swift to tell the account of its object")
    for method, path, headers in (
        ("GET", "/c/o", {}), ("HEAD", "/c/o", {}), ("GET", "/c/o", {"Range": "bytes=1-9"}),
        ("GET", "/c/o", {"Range": "bytes=5000-"}), ("GET", "/c/none", {}), ("GET", "/none", {}), ("GET", "/c?format=json", {}),
        ("GET", "/c?format=xml", {}), ("GET", "?format=plain", {}), ("HEAD", "", {}), ("OPTIONS", "/c", {}),
        ("POST", "/c/o", {"X-Object-Meta-A": "1"}), ("PUT", "/c", {}), ("BREW", "/c/o", {}), ("GET", "/c/o", {"If-Match": "no"}),
        ("DELETE", "/c", {}), ("GET", "/c/o", {"X-Auth-Token": "wrong"}),
    ):
        metered, unmetered = (_get(proxy, caller, path, method=method, headers=headers) for proxy in (site.swift.proxy, plain))
        assert metered.status == unmetered.status, (method, path)
        assert metered.body == unmetered.body or metered.status in (500, 503), (method, path)
        assert list(metered.headers) == list(unmetered.headers), (method, path)
        assert _comparable(metered) == _comparable(unmetered), (method, path)


def _comparable(answer: Answer) -> dict[str, object]:
    headers: dict[str, object] = {name: value for name, value in answer.headers.items() if name not in OWN}
    # Swift makes it from a set, in an order that each process has for itself.
    return {**headers, "allow": sorted(answer.headers.get("allow", "").split(", "))}


def test_requests_are_served_when_the_spool_is_broken(site: Site, tmp_path: Path) -> None:
    """Where the spool cannot be used at all, every request is served as ever, and the log says so, not once a request."""
    caller = _caller(site, "broken")
    spool = tmp_path / "spool"
    spool.write_text("a file where a directory should be")
    proxy = site.swift.add_proxy(
        "broken-proxy", meter={"config": str(site.configuration), "spool": str(spool), "flush": "external"}
    )
    for _ in range(20):
        assert len(_get(proxy, caller).body) == 1000
        assert request(proxy.port, "PUT", caller.path("/c/o2"), b"p" * 500, caller.credentials()).status == 201
    said = [line for line in proxy.process.log.read_text().splitlines() if str(spool) in line]
    assert 1 <= len(said) <= 3, said


def test_a_spawned_flusher(site: Site, tmp_path: Path) -> None:
    """With the filter alone, usage reaches the database: a worker starts the flusher, which ends after the last worker."""
    caller = _caller(site, "spawned")
    configuration = tmp_path / "swiftstats.conf"
    database = tmp_path / "usage.sqlite"
    configuration.write_text(
        f"[DEFAULT]\ndatabase = sqlite:///{database}\nspool = {tmp_path}/spool\nserver = spawner\nperiod_seconds = {PERIOD}\n"
        "[flusher]\nflush = spawn\nflush_interval = 1\nflush_jitter = 0\n"
    )
    site.command("migrate", "--config", str(configuration))
    proxy = site.swift.add_proxy("spawning-proxy", workers=2, meter={"config": str(configuration)})
    for _ in range(5):
        assert _get(proxy, caller).status == 200

    def counted() -> int:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT coalesce(sum(get_count), 0) FROM io_hours").fetchone()[0] or 0

    wait_for(lambda: counted() == 5, seconds=60, what="5 requests in the database")
    # Each worker may have started one; who loses the election ends at once.
    wait_for(lambda: len(_flushers_of(tmp_path)) == 1, seconds=30, what="one flusher for the host")
    flusher = _flushers_of(tmp_path)[0]
    assert os.getsid(flusher) == flusher, "it stands in a session of its own"
    assert b"sqlite" not in Path(f"/proc/{flusher}/cmdline").read_bytes(), "the database's URL may hold a password"
    for _ in range(3):
        assert _get(proxy, caller).status == 200
    proxy.stop()
    wait_for(lambda: counted() == 8, seconds=60, what="what was counted last")
    wait_for(lambda: not _flushers_of(tmp_path), seconds=PERIOD + 60, what="the flusher to end after the last worker")


def _flushers_of(folder: Path) -> list[int]:
    """Return the flushers that hold a file in a folder open."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and b"swiftstats\0flush" in (entry / "cmdline").read_bytes():
                if any(str(folder) in str(link.readlink()) for link in (entry / "fd").iterdir()):
                    found.append(int(entry.name))
    return found
