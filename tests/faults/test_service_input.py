"""What anybody may send to the service: nothing but the contract's errors comes back, no traceback, and memory stays bounded."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swiftstats.api import params, routes
from swiftstats.demo.processes import Process, free_port, listening, wait_for
from tests.support.service import HOUR, RANGE, T, close, count, fresh, sqlite

pytestmark = [pytest.mark.faults, pytest.mark.timeout(200)]

#: Of the contract, and the WSGI server's own 400, 413, 414, 431 and 501 (a transfer coding that it does not know).
STATUSES = {200, 400, 401, 403, 404, 405, 406, 411, 413, 414, 415, 431, 501}
EXAMPLES = 300
#: The most that hostile input may add to the service's memory (MiB).
GROWTH = 100
CONFIGURATION = """\
[DEFAULT]
database = {database}
spool = {folder}/spool
[api]
bind_port = {port}
auth = none
allow_anonymous = yes
"""


class Service:
    """The real service, in a process of its own, with a little usage in SQLite."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.engine = fresh(sqlite(folder))
        close(self.engine, count(self.engine, get_count=7), through=T + HOUR)
        path = folder / "swiftstats.conf"
        path.write_text(CONFIGURATION.format(database=sqlite(folder), folder=folder, port=self.port))
        self.process = Process("service", [sys.executable, "-m", "swiftstats", "--config", str(path), "api"], folder / "log")
        self.process.start()
        self.process.wait_ready(lambda: listening(self.port))

    def memory(self) -> int:
        """Return its resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) // 1024

    def raw(self, content: bytes) -> bytes:
        """Send bytes, say that there will be no more, and return all that comes back."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while chunk := connection.recv(65536):
                    received += chunk
        return received

    def get(self, path: str, *, method: str = "GET", headers: bytes = b"", body: bytes = b"") -> tuple[int, bytes]:
        """Send one request as it stands; return status and the whole answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode("latin-1")
        answer = self.raw(head + headers + b"\r\n" + body)
        return check(answer), answer

    def log(self) -> str:
        return (self.process.log).read_text(errors="replace")


def check(answer: bytes) -> int:
    """Return the status of an answer that may be; fail for any other."""
    assert answer.startswith(b"HTTP/1."), answer[:200]
    status = int(answer[9:12])
    assert status in STATUSES, answer[:300]
    for secret in (b"Traceback", b"sqlalchemy", b"SELECT", b'File "'):
        assert secret not in answer, answer[:500]
    return status


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("service"))
    before = started.memory()
    try:
        yield started
        assert started.process.running
        assert "Traceback" not in started.log(), started.log()[-3000:]
        assert started.memory() < before + GROWTH, f"{before} MiB before, {started.memory()} MiB after"
        assert started.get("/io_sum?" + "&".join(f"{name}={quote(value)}" for name, value in RANGE.items()))[1].count(b'"GET": 7')
    finally:
        started.process.stop()


def token_text() -> st.SearchStrategy[bytes]:
    """Bytes that a header may hold on the wire, well-formed or not."""
    return st.binary(max_size=60).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b""))


values = st.one_of(
    st.sampled_from(["", "7f6a", "2012-10-22 08:00:00", "9999-12-31 23:59:59", "0000-00-00", "1e9", "-1", "json", "xml", "\x00",
                     "' OR 1=1 --", "a\r\nX-Evil: 1", "2012-10-22T08:00:00+14:00", "(unknown)", "AUTH_" + "é" * 200]),
    st.text(max_size=40), st.integers().map(str), st.binary(max_size=40).map(lambda value: value.decode("latin-1")))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from([route.path for route in routes.ROUTES]), method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "X"]),
       given_values=st.dictionaries(st.sampled_from([*params.PARAMETERS, "junk"]), values, max_size=6),
       headers=st.dictionaries(st.sampled_from([*params.PARAMETERS.values(), "X-Query-Method", "Accept", "X-Auth-Token",
                                                "Content-Type", "Transfer-Encoding", "Range", "Expect", "Content-Length"]),
                               token_text(), max_size=4),
       encoded=st.booleans(), body=st.binary(max_size=200))
def test_any_parameters(service: Service, path: str, method: str, given_values: dict[str, str], headers: dict[str, bytes],
                        encoded: bool, body: bytes) -> None:
    """Whatever stands in URL, headers and body, the answer is one of the contract's."""
    safe = b"" if encoded else b"'()=;"
    query = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'), safe=safe)}" for name, value in given_values.items())
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers.items())
    service.get(f"{path}?{query}", method=method, headers=lines, body=body)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes(service: Service, content: bytes) -> None:
    """What is no HTTP at all gets a 400, or nothing."""
    answer = service.raw(content + b"\r\n\r\n")
    if answer.startswith(b"HTTP/"):
        check(answer)


@pytest.mark.parametrize(("content", "statuses"), [
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n", {400, 431}, id="10-MB-header"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Y: z\r\n" * 1_000_000 + b"\r\n", {400, 431}, id="a-million-headers"),
    pytest.param(b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400, 414, 431}, id="10-MB-URL"),
    pytest.param(b"POST /io_sum HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\nConnection: close\r\n\r\n" + b"a" * 10_000_000,
                 {413}, id="10-MB-body"),
    pytest.param(b"POST /io_sum HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\nConnection: close\r\n\r\n", {400}, id="length"),
])
def test_too_much(service: Service, content: bytes, statuses: set[int]) -> None:
    """What is too long is refused, or the connection ends; memory does not grow with it."""
    before = service.memory()
    answer = service.raw(content)
    assert not answer or check(answer) in statuses
    assert service.memory() < before + GROWTH
    assert service.get("/healthcheck")[0] == 200


def test_a_billion_rows(service: Service) -> None:
    """A detail over all of time is refused; its sum is not."""
    ever = "account_id=7f6a;begin_time=1970-01-01%2000:00:00;end_time=9999-12-31%2023:00:00"
    assert service.get(f"/io_detail?{ever}")[0] == 400
    assert service.get(f"/io_sum?{ever}")[0] == 200


def test_sql_injection(service: Service) -> None:
    """A parameter is a value wherever it stands: no other account's usage comes back, and every table is there."""
    for text in ("' OR '1'='1", "7f6a'; DROP TABLE io_hours; --", '" OR ""="', "7f6a' union select 1,2,3 --", "%", "_",
                 "\\' OR 1=1 #"):
        for name in RANGE:
            asked = {**RANGE, name: text}
            status, answer = service.get("/io_sum?" + "&".join(f"{key}={quote(value)}" for key, value in asked.items()))
            assert status == (200 if name == "account_id" else 400)
            assert b'"GET": 7' not in answer


def test_header_injection(service: Service) -> None:
    """No parameter becomes a header or a second answer."""
    text = quote("json\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200 OK\r\n")
    for name in params.PARAMETERS:
        asked = {**RANGE, name: text}
        _, answer = service.get("/io_sum?" + "&".join(f"{key}={value if key == name else quote(value)}"
                                                      for key, value in asked.items()))
        head = answer.partition(b"\r\n\r\n")[0]
        assert b"evil" not in head.lower() and answer.count(b"\r\n\r\n") == 1


def test_invalid_utf8(service: Service) -> None:
    """Bytes that are no text are named as that."""
    for name in params.PARAMETERS:
        assert service.get(f"/io_sum?{name}=%ff%fe")[0] == 400


def test_slow_loris(service: Service) -> None:
    """Clients that never end their requests keep nobody from an answer."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=30)) for _ in range(60)]
        for one in slow:
            one.sendall(b"GET /io_sum HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        for _ in range(5):
            for one in slow:
                one.sendall(b"a")
            assert service.get("/healthcheck")[0] == 200
            assert service.get("/io_sum?" + "&".join(f"{name}={quote(value)}" for name, value in RANGE.items()))[0] == 200
    wait_for(lambda: len(os.listdir(f"/proc/{service.process.pid}/fd")) < 40, seconds=30, what="the connections to be let go")
