"""What the filter costs a request and a chunk, in one process without a network, next to its peers and to a floor.

    python -m bench.filter [--rounds N] [--json FILE]

Requests carry 20 headers each way, and an environ such as a Swift proxy's server makes. `dict` is the simplest thing that counts
requests and bytes per account: a wrapped start_response, a generator, a dict that dies with its process. `filter` is ours, with
segments in a temporary folder; `no journal` is ours without them, and `least journal` with the least that one can do, both from
modules loaded once more, as CPython fits code to what it calls and a proxy has one filter. `proxy-logging` is Swift's, which
writes an access line to a logger without handlers; `ceilometer` is ceilometermiddleware with the driver that sends nothing, as it
comes and with `nonblocking_notify`, whose thread shares the processor. Nanoseconds of the process's time beyond the bare
application's.
"""

from __future__ import annotations

import _thread
import importlib
import io
import logging
import mmap
import sys
import tempfile
import time
from typing import Any, Callable, Iterator

from bench.rounds import Case, Target, interleaved, parser, report, say
from swiftstats.collect.filter import Filter
from swiftstats.collect.meter import Meter

REQUESTS = 1_000
CHUNKS = 16_384  #: of 64 KiB: 1 GiB
CHUNK = b"x" * 65536
SEAL, BUSY = 0, 1


class DictFilter:
    """The simplest thing that counts a request and its bytes."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.rows: dict[tuple[str, str], list[int]] = {}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        method, account = environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/")[2]
        status: list[str] = []
        source = environ["wsgi.input"] = DictInput(environ["wsgi.input"])

        def started(line: str, headers: Any, exc_info: Any = None) -> Any:
            status.append(line)
            return start_response(line, headers)

        answer = self.app(environ, started)

        def body() -> Any:
            out = 0
            try:
                for chunk in answer:
                    out += len(chunk)
                    yield chunk
            finally:
                if status[0][:3] not in ("401", "403"):
                    row = self.rows.setdefault((account, method), [0, 0, 0])
                    row[0] += 1
                    row[1] += source.bytes
                    row[2] += out

        return body()


class DictInput:
    def __init__(self, source: Any) -> None:
        self.source, self.bytes = source, 0

    def read(self, *size: Any) -> bytes:
        data: bytes = self.source.read(*size)
        self.bytes += len(data)
        return data


def apart(name: str) -> Any:
    """Return a module of swiftstats.collect that shares no code with the one that everybody has."""
    shared = {each: sys.modules.pop(each) for each in list(sys.modules) if each.startswith("swiftstats.collect")}
    try:
        return importlib.import_module(name)
    finally:
        sys.modules.update(shared)


class NoJournal:
    def add(self, account: str, increments: Any, evidence: bool) -> None:
        return None

    add_at = add


class LeastJournal(NoJournal):
    """The least that a journal can do that is safe in threads, exact in its hours, and final when it is sealed.

    A lock, the clock, a row by name, and its cells in a mapped file, between a word that says so and a look at the seal. It finds
    one account, makes no row, and loses what fails.
    """

    def __init__(self, folder: str) -> None:
        file = tempfile.TemporaryFile(dir=folder)
        file.truncate(4096)
        self._words = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
        self._words[SEAL] = 1
        self._rows = {f"AUTH_{PROJECT}": 100}
        self._lock, self._clock, self._until = _thread.RLock(), time.time, time.time() + 86400

    def add(self, account: str, increments: Any, evidence: bool) -> None:
        self._lock.acquire()
        try:
            clock = self._clock
            now = clock()
            row = self._rows.get(account)
            if now < self._until and row is not None:
                words = self._words
                words[BUSY] = 1
                if words[SEAL] == 1:
                    words[row + increments[0]] += increments[1]
                    if len(increments) == 4:
                        words[row + increments[2]] += increments[3]
                words[BUSY] = 0
        finally:
            self._lock.release()


class Endless:
    """A request's body of one chunk, over and over."""

    def read(self, size: int = -1) -> bytes:
        return CHUNK


PROJECT = "7f6a0f5cb0e94f3a8a7e5f1c2d3b4a59"
#: Twenty headers of an answer, as a proxy sends them for an object, with metadata of its own.
HEADERS = [
    ("Content-Type", "application/octet-stream"), ("Content-Length", "10"), ("Accept-Ranges", "bytes"),
    ("Last-Modified", "Wed, 21 Oct 2026 07:28:00 GMT"), ("Etag", "d41d8cd98f00b204e9800998ecf8427e"),
    ("X-Timestamp", "1792567680.00000"), ("X-Trans-Id", "tx0000000000000000000000-0000000000"),
    ("X-Openstack-Request-Id", "tx0000000000000000000000-0000000000"), ("Date", "Wed, 21 Oct 2026 07:28:00 GMT"),
    ("Vary", "Accept"), ("Cache-Control", "private"),
    *((f"X-Object-Meta-Key-{number}", f"value {number}") for number in range(9)),
]
#: An environ without what is of one request; twenty headers of the client.
ENVIRON = {
    "SCRIPT_NAME": "", "PATH_INFO": f"/v1/AUTH_{PROJECT}/container/object",
    "RAW_PATH_INFO": f"/v1/AUTH_{PROJECT}/container/object",
    "CONTENT_TYPE": "application/octet-stream", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1",
    "GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_ADDR": "192.0.2.17", "REMOTE_PORT": "40000", "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False,
    "wsgi.run_once": False, "headers_raw": (), "eventlet.input": None, "eventlet.posthooks": [], "eventlet.set_idle": None,
    "swift.trans_id": "tx0000000000000000000000-0000000000", "swift.cache": None,
    "REMOTE_USER": f"test,test:tester,AUTH_{PROJECT}", "HTTP_X_IDENTITY_STATUS": "Confirmed",
    "HTTP_X_USER_ID": "1f0e9d8c7b6a4958a7b6c5d4e3f2a1b0", "HTTP_X_PROJECT_ID": PROJECT, "HTTP_X_ROLES": "member,reader",
    "HTTP_HOST": "swift.example.org",
    "HTTP_USER_AGENT": "client/1.0", "HTTP_ACCEPT": "*/*", "HTTP_ACCEPT_ENCODING": "gzip",
    "HTTP_X_AUTH_TOKEN": "AUTH_tk00000000000000000000000000000000",
    "HTTP_CONNECTION": "keep-alive", "HTTP_DATE": "Wed, 21 Oct 2026 07:28:00 GMT", "HTTP_X_TRANS_ID_EXTRA": "x",
    "HTTP_CACHE_CONTROL": "no-cache", "HTTP_X_FORWARDED_FOR": "198.51.100.7",
    **{f"HTTP_X_OBJECT_META_KEY_{number}": f"value {number}" for number in range(6)},
}


def small(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", HEADERS)
    yield b"0123456789"


def head(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", HEADERS)
    yield b""


def put(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"].read(65536)
    start_response("201 Created", [("Content-Length", "0"), *HEADERS[2:]])
    yield b""


def download(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", str(CHUNKS * len(CHUNK))), *HEADERS[2:]])
    for _ in range(CHUNKS):
        yield CHUNK


def upload(environ: Any, start_response: Any) -> Any:
    read = environ["wsgi.input"].read
    for _ in range(CHUNKS):
        read(65536)
    start_response("201 Created", HEADERS[2:])
    yield b""


def started(status: str, headers: Any, exc_info: Any = None) -> None:
    return None


def drive(app: Any, method: str, times: int, source: Callable[[], Any], after: Callable[[], None] = lambda: None) -> float:
    """Return the nanoseconds of the process's time that each of `times` requests takes."""
    begin = time.process_time_ns()
    for _ in range(times):
        environ = ENVIRON.copy()
        environ["REQUEST_METHOD"], environ["wsgi.input"] = method, source()
        if method == "PUT":
            environ["CONTENT_LENGTH"] = "10"
        answer = app(environ, started)
        for _chunk in answer:
            pass
        answer.close()
    after()
    return (time.process_time_ns() - begin) / times


def peers() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Yield the peers that are installed."""
    try:
        from swift.common.middleware.proxy_logging import ProxyLoggingMiddleware
        from swift.common.utils import get_logger
    except ImportError:
        say("swift is not installed: proxy-logging is left out")
    else:
        silent = get_logger({}, log_route="bench-access")
        silent.logger.handlers[:] = [logging.NullHandler()]
        yield "proxy-logging", lambda app: ProxyLoggingMiddleware(app, {}, logger=silent)
    try:
        from ceilometermiddleware.swift import Swift, filter_factory
    except ImportError:
        say("ceilometermiddleware is not installed (`make bench` does it): it is left out")
    else:
        yield "ceilometer", filter_factory({}, driver="noop", url="fake://")
        yield "ceilometer, thread", filter_factory({}, driver="noop", url="fake://", nonblocking_notify="true")
        AFTER["ceilometer, thread"] = lambda: _drained(Swift)


#: What belongs to a contender's round and comes after its requests.
AFTER: dict[str, Callable[[], None]] = {}


def _drained(peer: Any) -> None:
    """Wait until the peer's thread has sent everything: its time is the contender's."""
    while peer.event_queue is not None and not peer.event_queue.empty():
        time.sleep(0.001)


CASES: tuple[tuple[str, Any, str, int, int], ...] = (
    ("GET of 10 B, a request", small, "GET", REQUESTS, 1),
    ("HEAD, a request", head, "HEAD", REQUESTS, 1),
    ("PUT of 10 B, a request", put, "PUT", REQUESTS, 1),
    ("GET of 1 GiB, a chunk of 64 KiB", download, "GET", 1, CHUNKS),
    ("PUT of 1 GiB, a chunk of 64 KiB", upload, "PUT", 1, CHUNKS),
)


def measure(name: str, app: Any, method: str, times: int, units: int, ways: dict[str, Callable[[Any], Any]], rounds: int) -> Case:
    """Return what a case costs beyond the bare application, which is shown as it is."""
    apps = {way: wrap(app) for way, wrap in ways.items()}

    def once(way: str) -> float:
        return drive(apps[way], method, times, Endless if units > 1 else lambda: io.BytesIO(b"0123456789"),
                     AFTER.get(way, lambda: None)) / units

    found = interleaved({way: lambda way=way: once(way) for way in apps}, rounds)  # type: ignore[misc]
    bare = found["bare"]
    # Noise only adds: the least of some rounds in a row is nearer to the truth than any of them.
    calm = {way: [min(each[at:at + 5]) for at in range(0, len(each), 5)] for way, each in found.items()}
    beyond = {way: each if way == "bare" else [one - other for one, other in zip(each, calm["bare"])]
              for way, each in calm.items()}
    case = Case(name, "ns", "dict", beyond)
    if units > 1:
        return Case(name, "ns", "dict", beyond, (Target("filter, ns a chunk", case.median("filter"), 150),),
                    {"bare, ns a chunk": round(min(bare))})
    targets = [Target("filter to dict", case.ratio("filter"), 2)]
    targets += [Target(f"filter to {way}, one in", 1 / case.ratio("filter", way), 60, most=False)
                for way in beyond if way.startswith("ceilometer")]
    floors = {f"least journal to {way}, one in": round(1 / case.ratio("least journal", way), 1)
              for way in beyond if way.startswith("ceilometer")}
    return Case(name, "ns", "dict", beyond, tuple(targets), floors)


def main() -> int:
    arguments = parser(__doc__, rounds=100).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        real = Meter(spool=folder + "/spool", server="bench")
        other, third = apart("swiftstats.collect.filter"), apart("swiftstats.collect.filter")
        ways: dict[str, Callable[[Any], Any]] = {
            "bare": lambda app: app,
            "dict": DictFilter,
            "no journal": lambda app: other.Filter(app, other.Meter(spool="unused", counters=NoJournal())),
            "least journal": lambda app: third.Filter(app, third.Meter(spool="unused", counters=LeastJournal(folder))),
            "filter": lambda app: Filter(app, real),
            **dict(peers()),
        }
        cases = []
        for name, app, method, times, units in CASES:
            say(name)
            rounds = arguments.rounds if units == 1 else max(5, arguments.rounds // 5)
            cases.append(measure(name, app, method, times, units, ways, rounds))
        real.close()
    return report("filter", cases, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
