"""The filter, in process: whatever goes wrong in the metering, the client sees what it would see without it."""

from __future__ import annotations

import gc
import io
from typing import Any

import pytest

from swiftstats.collect.exchange import MIB
from swiftstats.collect.filter import Filter
from swiftstats.collect.meter import Meter
from tests.support.recorder import Recorder
from tests.support.wsgi import Endpoint, environ, serve

OK = [("Content-Type", "text/plain")]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_journal_that_fails_changes_nothing(method: str, journal: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """The request is served, and the log says so once."""
    journal.failure = RuntimeError("journal down")
    meter = Meter(spool="unused", counters=journal)
    for _ in range(5):
        seen = serve(Filter(Endpoint(b"abc", length=3), meter), environ(method, body=b"x" * (2 * MIB)))
        assert (seen.chunks, seen.raised) == ([b"abc"], None)
    assert [record.getMessage() for record in caplog.records].count(caplog.records[0].getMessage()) == 1
    assert len(caplog.records) == 1


@pytest.mark.parametrize("status", ["abc", "", "20"])
def test_a_status_that_is_none_changes_nothing(status: str, journal: Recorder, meter: Meter) -> None:
    """What the server makes of it is the server's business."""
    seen = serve(Filter(Endpoint(b"abc", status=status), meter), environ())
    assert (seen.chunks, seen.raised) == ([b"abc"], None)
    assert journal.usage("AUTH_a") == {"server_errors": 1, "unbilled_bytes_out": 3}


def test_headers_that_can_be_read_once_reach_the_server(journal: Recorder, meter: Meter) -> None:
    """Looking at an iterator would leave the server without headers."""
    seen = []

    def app(env: Any, start_response: Any) -> Any:
        start_response("200 OK", iter([("Content-Length", "3")]))
        return [b"abc"]

    Filter(app, meter)(environ(), lambda status, headers: seen.append(headers))
    assert list(seen[0]) == [("Content-Length", "3")]


def test_chunks_that_are_no_bytes_are_handed_on(meter: Meter) -> None:
    """The server's complaint is the server's."""
    seen = serve(Filter(Endpoint(None, b"abc"), meter), environ())  # type: ignore[arg-type]
    assert seen.chunks == [None, b"abc"]


def test_the_servers_input_shows_through(meter: Meter) -> None:
    """eventlet's input has methods and attributes that applications call and set."""

    class Input(io.BytesIO):
        headers: Any = None
        chunked_input = False

        def set_hundred_continue_response_headers(self, headers: Any) -> None:
            self.headers = headers

        def get_socket(self) -> str:
            return "socket"

    source = Input(b"abc")

    def app(env: Any, start_response: Any) -> Any:
        wrapped = env["wsgi.input"]
        wrapped.set_hundred_continue_response_headers([("a", "b")])
        wrapped.chunked_input = True
        assert wrapped.get_socket() == "socket"
        assert not hasattr(wrapped, "environ")
        start_response("200 OK", OK)
        return []

    seen = serve(Filter(app, meter), environ("PUT", **{"wsgi.input": source}))
    assert seen.raised is None
    assert (source.headers, source.chunked_input) == ([("a", "b")], True)


def test_a_size_may_be_given_by_its_name(journal: Recorder, meter: Meter) -> None:
    """eventlet's input calls it `length`, and refuses what it does not know."""

    class Input:
        def read(self, length: int | None = None) -> bytes:
            return b"x" * (length or 7)

    def app(env: Any, start_response: Any) -> Any:
        source = env["wsgi.input"]
        assert (len(source.read()), len(source.read(length=5)), len(source.read(3))) == (7, 5, 3)
        with pytest.raises(TypeError):
            source.read(3, 5)
        start_response("201 Created", OK)
        return [b""]

    seen = serve(Filter(app, meter), environ("PUT", **{"wsgi.input": Input()}))
    assert seen.raised is None
    assert journal.usage("AUTH_a") == {"PUT": 1, "bytes_in": 15}


def test_a_length_that_is_none_changes_nothing(journal: Recorder, meter: Meter, caplog: pytest.LogCaptureFixture) -> None:
    """The request is counted when its body has come to its end, and nobody is told."""
    seen = serve(Filter(Endpoint(b"abc", headers=[("Content-Length", "many")]), meter), environ())
    assert (seen.chunks, seen.raised, caplog.records) == ([b"abc"], None, [])
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 3}


def test_a_request_leaves_no_garbage(meter: Meter) -> None:
    """Reference cycles would keep each request's buffers until the collector comes."""
    app = Filter(Endpoint(b"abc", length=3), meter)
    serve(app, environ("PUT", body=b"x"))
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            serve(app, environ("PUT", body=b"x"))
        assert gc.collect() == 0
    finally:
        gc.enable()
