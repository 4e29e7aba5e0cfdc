"""What a proxy is told by signals, under requests: every request that a client saw finished is counted exactly once."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from swiftstats import fields, periods
from swiftstats.demo.check import wait_complete
from swiftstats.demo.ledger import classify
from swiftstats.demo.processes import wait_for
from swiftstats.demo.site import Site
from swiftstats.demo.swift import Proxy
from tests.support.caller import Caller, read_answer, request
from tests.support.cluster import Asker, mismatches, running_site
from tests.support.witness import examine, shown

pytestmark = [pytest.mark.swift, pytest.mark.timeout(300)]

PERIOD = 20
SIZE = 700
CLIENTS = 4


def _stop_and_start(proxy: Proxy) -> None:
    proxy.stop()
    proxy.start()


def _kill_a_worker(proxy: Proxy) -> None:
    proxy.wait_for_workers(without=[proxy.kill_worker()])


def _kill_all(proxy: Proxy) -> None:
    proxy.kill()
    proxy.start()


#: What is done to the proxy, and whether it lets requests under way finish.
SIGNALS: dict[str, tuple[Callable[[Proxy], object], bool]] = {
    "sighup": (Proxy.hang_up, True),
    "sigusr1": (Proxy.reload, True),
    "sigterm": (_stop_and_start, False),
    "sigkill-worker": (_kill_a_worker, False),
    "sigkill-all": (_kill_all, False),
}
NAMES = [*SIGNALS, "many"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose proxy has four workers, and an account for each test."""
    folder: Path = tmp_path_factory.mktemp("signals")
    with running_site(folder, names=NAMES, period_seconds=PERIOD, workers=4) as running:
        yield running


class Traffic:
    """Clients that send requests until told to stop, and remember what they saw finished and what they saw only half of."""

    def __init__(self, caller: Caller) -> None:
        self._caller, self._lock, self._ending = caller, threading.Lock(), threading.Event()
        self.finished = 0
        self.least: dict[str, int] = {field.title: 0 for field in fields.FIELDS}
        self.most = dict(self.least)
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int) -> None:
        """Return when `count` more requests have finished."""
        wanted = self.finished + count
        wait_for(lambda: self.finished >= wanted, seconds=60, what=f"{count} more requests to finish")

    def saw(self, numbers: dict[str, int], *, certainly: bool = True) -> None:
        with self._lock:
            self.finished += certainly
            for title, amount in numbers.items():
                self.most[title] += amount
                self.least[title] += amount if certainly else 0

    def _client(self, number: int) -> None:
        body, path = b"b" * SIZE, self._caller.path(f"/c/o{number}")
        while not self._ending.is_set():
            for method, sent, received in (("PUT", body, 0), ("GET", b"", SIZE), ("HEAD", b"", 0)):
                try:
                    answer = request(self._caller.swift.proxy.port, method, path, sent, self._caller.credentials())
                except ConnectionRefusedError:
                    continue  # no worker was there: nothing to count
                except (OSError, http.client.HTTPException):
                    # It may have been counted, as what it was or as what became of it.
                    self.saw({method: 1, "Bytes_In": len(sent), "Bytes_Out": received, "Disconnects": 1, "Server_Errors": 1,
                              "Unbilled_Bytes_In": len(sent), "Unbilled_Bytes_Out": SIZE}, certainly=False)
                else:
                    self.saw(classify(method, answer.status, len(sent), len(answer.body)))


def _prepare(site: Site, name: str) -> tuple[Caller, Traffic]:
    caller = Caller(site.swift, name)
    traffic = Traffic(caller)
    for path, body in (("/c", b""), *((f"/c/o{number}", b"b" * SIZE) for number in range(CLIENTS))):
        caller.send("PUT", path, body)
        traffic.saw({"PUT": 1, "Bytes_In": len(body)})
    return caller, traffic


def _check(site: Site, caller: Caller, traffic: Traffic, begin: int) -> None:
    site.flush()
    asker = Asker(site, site.token, begin, periods.floor(time.time(), PERIOD) + PERIOD)
    expected = {title: (traffic.least[title], traffic.most[title]) for title in traffic.least}
    for form, found in asker.every_form(caller.account).items():
        assert not mismatches(found, expected), form


@pytest.mark.parametrize("name", SIGNALS)
def test_signal_under_requests(site: Site, name: str) -> None:
    """Requests that clients saw finished before, while and after a signal reached the proxy are counted, once each."""
    act, graceful = SIGNALS[name]
    begin = periods.floor(time.time(), PERIOD)
    caller, traffic = _prepare(site, name)
    big = b"z" * 20_000_000
    caller.send("PUT", "/c/big", big)
    traffic.saw({"PUT": 1, "Bytes_In": len(big)})
    with traffic:
        traffic.wait_for_more(40)
        download = caller.raw(f"GET {caller.path('/c/big')} HTTP/1.1")
        first = download.recv(1000)
        act(site.swift.proxy)
        if graceful:
            status, body = read_answer(download, first)
            assert status == 200 and body == big, "a request under way was cut"
            traffic.saw({"GET": 1, "Bytes_Out": len(big)})
        else:
            download.close()
            traffic.saw({"GET": 1, "Bytes_Out": len(big), "Disconnects": 1}, certainly=False)
        traffic.wait_for_more(40)
    _check(site, caller, traffic, begin)


def test_many_requests_of_four_workers(site: Site) -> None:
    """The sum over workers is exact: as many requests as clients sent, to the byte."""
    begin = periods.floor(time.time(), PERIOD)
    caller, traffic = _prepare(site, "many")
    with traffic:
        traffic.wait_for_more(1500)
    assert traffic.least == traffic.most, "no request may fail here"
    _check(site, caller, traffic, begin)


def test_the_access_log_agrees(site: Site) -> None:
    """The access log has what was metered; where workers were killed, it may lack lines of requests, but never we what it has.

    A worker counts a request before its last byte leaves and logs it after; SIGTERM too ends a worker at once.
    """
    end = periods.floor(time.time(), PERIOD) + PERIOD
    wait_complete(site, end - PERIOD, end, seconds=PERIOD + 60)
    found = examine(site)["differences"]
    killed = {f"AUTH_{name}" for name, (_, graceful) in SIGNALS.items() if not graceful}
    unexpected = [each for each in found if each["account"] not in killed or each["difference"] < 0]
    assert not unexpected, shown(unexpected)
