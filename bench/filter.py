"""What the filter costs a request and a chunk, next to the bare application and to the simplest filter that counts at all.

    python bench/filter.py [ROUNDS]

In one process, without a network: `dict` counts requests and bytes per account in a dict, with a generator that dies with its
request; `no journal` is ours without the journal behind it; `filter` is ours with segments in a temporary folder. Nanoseconds,
the least of the rounds, which are interleaved; the bare application's own are taken off.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from typing import Any, Callable

from swiftstats.collect.filter import Filter
from swiftstats.collect.meter import Meter

REQUESTS = 1_000
CHUNKS = 1_600
CHUNK = b"x" * 65536


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


class NoJournal:
    def add(self, account: str, increments: Any, evidence: bool) -> None:
        return None

    add_at = add


class Endless:
    """A request's body of one chunk, over and over."""

    def read(self, size: int = -1) -> bytes:
        return CHUNK


HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "10"), ("Accept-Ranges", "bytes"), ("Last-Modified", "x"),
           ("Etag", "x"), ("X-Timestamp", "1"), ("X-Trans-Id", "tx"), ("X-Openstack-Request-Id", "tx")]


def small(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", HEADERS)
    yield b"0123456789"


def put(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"].read(65536)
    start_response("201 Created", HEADERS[:1])
    yield b""


def download(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", str(CHUNKS * len(CHUNK)))])
    for _ in range(CHUNKS):
        yield CHUNK


def upload(environ: Any, start_response: Any) -> Any:
    read = environ["wsgi.input"].read
    for _ in range(CHUNKS):
        read(65536)
    start_response("201 Created", [])
    yield b""


def started(status: str, headers: Any, exc_info: Any = None) -> None:
    return None


def drive(app: Any, method: str, times: int, source: Any) -> float:
    """Return the seconds that `times` requests take."""
    begin = time.perf_counter()
    for _ in range(times):
        answer = app({"REQUEST_METHOD": method, "PATH_INFO": "/v1/AUTH_test/c/o", "QUERY_STRING": "", "CONTENT_LENGTH":
                      "10" if method == "PUT" else None, "wsgi.input": source}, started)
        for _chunk in answer:
            pass
        answer.close()
    return time.perf_counter() - begin


CASES: tuple[tuple[str, Any, str, int, int], ...] = (
    ("GET of 10 B, a request", small, "GET", REQUESTS, REQUESTS),
    ("PUT of 10 B, a request", put, "PUT", REQUESTS, REQUESTS),
    ("GET, a chunk of 64 KiB", download, "GET", 1, CHUNKS),
    ("PUT, a chunk of 64 KiB", upload, "PUT", 1, CHUNKS),
)


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        real = Meter(spool=folder + "/spool", server="bench")
        ways: dict[str, Callable[[Any], Any]] = {
            "bare": lambda app: app,
            "dict": DictFilter,
            "no journal": lambda app: Filter(app, Meter(spool="unused", counters=NoJournal())),
            "filter": lambda app: Filter(app, real),
        }
        print(f"{'ns':26}" + "".join(f"{way:>12}" for way in ways))
        for name, app, method, times, units in CASES:
            apps = {way: wrap(app) for way, wrap in ways.items()}
            best = dict.fromkeys(ways, float("inf"))
            for _ in range(rounds):
                for way in ways:
                    source = Endless() if units == CHUNKS and times == 1 else io.BytesIO(b"0123456789")
                    best[way] = min(best[way], drive(apps[way], method, times, source) / units * 1e9)
            print(f"{name:26}" + "".join(f"{best[way] - (0 if way == 'bare' else best['bare']):12.0f}" for way in ways))
        real.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
