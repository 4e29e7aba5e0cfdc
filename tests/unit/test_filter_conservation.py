"""Whatever an application, a client and a server do: bytes in are bytes out, each request counts once, and nobody notices.

An application is a script that hypothesis writes: reads, chunks, writes, a status at some moment, an exception at any other. It
is served once bare and once behind the filter.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from swiftstats.collect import exchange
from swiftstats.collect.filter import Filter
from swiftstats.collect.meter import Meter
from swiftstats.fields import CELL_INDEX, CELLS
from tests.support.recorder import Recorder
from tests.support.wsgi import Seen, environ, serve

#: Bytes are counted after so many here, so that small bodies cross it often.
LITTLE_MIB = 50

METHODS = ("get_count", "put_count", "head_count", "post_count", "delete_count", "other_count")


class Trouble(Exception):
    """What an application of these tests raises."""


@dataclass(frozen=True)
class Script:
    """What an application does. `steps`: ("read" | "readline" | "chunk" | "write", size) or ("raise", 0)."""

    method: str
    body: bytes
    status: int
    length: str  # none, right, long, short
    form: str  # generator, late, iterator, list, sized
    early: list[tuple[str, int]]  # before the answer is returned; no chunks
    steps: list[tuple[str, int]]  # while it is iterated; no writes
    cut: int | None
    close: bool
    close_raises: bool


@dataclass
class Application:
    """A script at work, and what it saw."""

    script: Script
    read: list[bytes] = field(default_factory=list)
    closes: int = 0

    def __call__(self, env: dict[str, Any], start_response: Any) -> Any:
        self.input = env["wsgi.input"]
        self.write = None
        if self.script.form != "late":
            self.start(start_response)
        for step in self.script.early:
            self.step(*step)
        if self.script.form in ("generator", "late"):
            return self.generate(start_response)
        if self.script.form == "list":
            return [chunk for step in self.script.steps if (chunk := self.step(*step)) is not None]
        return (Sized if self.script.form == "sized" else Iterator_)(self)

    def start(self, start_response: Any) -> None:
        headers = [("Content-Type", "text/plain")]
        total = sum(size for name, size in (*self.script.early, *self.script.steps) if name in ("chunk", "write"))
        if self.script.length != "none":
            headers.append(("content-LENGTH", str(total + {"right": 0, "long": 7, "short": -1}[self.script.length])))
        self.write = start_response(f"{self.script.status} Whatever", headers)

    def step(self, name: str, size: int) -> bytes | None:
        if name == "raise":
            raise Trouble(size)
        if name in ("read", "readline"):
            self.read.append(getattr(self.input, name)(size))
        elif name == "write":
            if self.write is not None:
                self.write(b"w" * size)
        else:
            return b"c" * size
        return None

    def generate(self, start_response: Any) -> Any:
        try:
            if self.script.form == "late":
                self.start(start_response)
            for step in self.script.steps:
                if (chunk := self.step(*step)) is not None:
                    yield chunk
        finally:
            self.closed()

    def closed(self) -> None:
        self.closes += 1


class Iterator_:
    """An answer that is a class of its own, with a close that may fail."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.steps = iter(application.script.steps)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> bytes:
        for step in self.steps:
            if (chunk := self.application.step(*step)) is not None:
                return chunk
        raise StopIteration

    def close(self) -> None:
        self.application.closed()
        if self.application.script.close_raises:
            raise Trouble("close")


class Sized(Iterator_):
    def __len__(self) -> int:
        return len(self.application.script.steps)


sizes = st.integers(0, 120)
reads = st.tuples(st.sampled_from(["read", "readline"]), st.integers(-1, 120))
raising = st.just(("raise", 0))
scripts = st.builds(
    Script,
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "COPY", "put"]),
    body=st.binary(max_size=400),
    status=st.sampled_from([200, 201, 204, 304, 401, 403, 404, 408, 422, 499, 500, 503]),
    length=st.sampled_from(["none", "right", "right", "long", "short"]),
    form=st.sampled_from(["generator", "late", "iterator", "list", "sized"]),
    early=st.lists(st.one_of(reads, st.tuples(st.just("write"), sizes), raising), max_size=6),
    steps=st.lists(st.one_of(st.tuples(st.just("chunk"), sizes), st.tuples(st.just("chunk"), sizes), reads, raising), max_size=8),
    cut=st.one_of(st.none(), st.integers(0, 6)),
    close=st.booleans(),
    close_raises=st.booleans(),
)


def run(script: Script, wrap: Any = lambda app: app) -> tuple[Application, Seen, Any]:
    """Serve a script; return the application, what the server saw, and what close raised."""
    application = Application(script)
    env = environ(script.method, body=script.body)
    raised = None
    try:
        seen = serve(wrap(application), env, chunks=script.cut, close=script.close)
    except Trouble as error:  # from close
        seen, raised = Seen(), error.args
    application.input = application.write = None  # what only this test still holds
    return application, seen, raised


def total(journal: Recorder) -> dict[str, int]:
    cells = [sum(column) for column in zip(*journal.rows.values())] or [0] * len(CELLS)
    return {name: cells[CELL_INDEX[name]] for name in CELLS}


@settings(max_examples=400, deadline=None)
@given(scripts)
@example(Script("GET", b"", 200, "right", "generator", [], [("chunk", 10)], 1, True, False))
@example(Script("PUT", b"x" * 200, 201, "right", "late", [("read", 60), ("read", 60), ("raise", 0)], [], None, True, False))
@example(Script("GET", b"", 200, "long", "iterator", [("write", 60)], [("chunk", 60), ("raise", 0)], None, False, False))
def test_a_client_sees_exactly_what_it_would_see_without_the_filter(script: Script) -> None:
    """Status, headers, chunks, writes, exceptions and closes are the same, one by one, and so is what the application reads."""
    journal = Recorder()
    bare, seen_bare, raised_bare = run(script)
    metered, seen, raised = run(script, lambda app: Filter(app, Meter(spool="unused", counters=journal)))
    assert (seen.starts, seen.written, seen.chunks, seen.sized) == (
        seen_bare.starts, seen_bare.written, seen_bare.chunks, seen_bare.sized)
    assert (type(seen.raised), getattr(seen.raised, "args", None), raised) == (
        type(seen_bare.raised), getattr(seen_bare.raised, "args", None), raised_bare)
    assert (metered.read, metered.closes) == (bare.read, bare.closes)


@settings(max_examples=400, deadline=None)
@given(scripts)
@example(Script("PUT", b"x" * 200, 403, "none", "late", [("read", 60), ("read", 60)], [("chunk", 70)], None, True, False))
@example(Script("GET", b"", 200, "right", "iterator", [], [("chunk", 60), ("chunk", 60), ("raise", 0), ("chunk", 9)], None, True,
                False))
def test_what_passes_is_what_is_counted(script: Script) -> None:
    """Bytes read are passed in, bytes handed over are passed out, exactly one request is counted, unbilled is all or nothing."""
    journal = Recorder()
    with mock.patch.object(exchange, "MIB", LITTLE_MIB):
        application, seen, raised = run(script, lambda app: Filter(app, Meter(spool="unused", counters=journal)))
    cells = total(journal)
    assert cells["passed_in"] == sum(map(len, application.read))
    if script.form != "list" and raised is None:
        assert cells["passed_out"] == sum(map(len, (*seen.chunks, *seen.written)))
    billable = sum(cells[name] for name in METHODS)
    assert billable + cells["denied"] + cells["server_errors"] == 1
    assert (cells["unbilled_bytes_in"], cells["unbilled_bytes_out"]) == (
        (0, 0) if billable else (cells["passed_in"], cells["passed_out"]))
    assert journal.accounts() <= {"AUTH_a"}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=20), st.lists(st.integers(0, 3), min_size=1, max_size=8), st.booleans())
def test_no_periods_bytes_are_ever_negative(chunks: list[int], periods: list[int], fails: bool) -> None:
    """However a download lies over periods, and whichever of them are closed by then, no period bills fewer than no bytes."""
    journal = Recorder()

    def app(env: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        for number, size in enumerate(chunks):
            journal.period = periods[number % len(periods)]
            journal.closed = set(range(max(0, journal.period - 1)))
            yield b"c" * size
        if fails:
            raise Trouble

    with mock.patch.object(exchange, "MIB", LITTLE_MIB):
        serve(Filter(app, Meter(spool="unused", counters=journal)), environ())
    for cells in journal.rows.values():
        assert cells[CELL_INDEX["unbilled_bytes_out"]] <= cells[CELL_INDEX["passed_out"]]
    assert total(journal)["passed_out"] == sum(chunks)


def test_the_little_mebibyte_is_used(monkeypatch: Any) -> None:
    """The tests above count in many small additions, or they would prove little."""
    monkeypatch.setattr(exchange, "MIB", LITTLE_MIB)
    journal = Recorder()

    def app(env: Any, start_response: Any) -> Any:
        env["wsgi.input"].read(60)
        env["wsgi.input"].read(60)
        start_response("200 OK", [])
        yield from [b"c" * 60] * 3

    serve(Filter(app, Meter(spool="unused", counters=journal)), environ("PUT", **{"wsgi.input": io.BytesIO(b"x" * 200)}))
    assert len(journal.adds) == 6
