"""The filter, in process: what it counts of each kind of answer, and when."""

from __future__ import annotations

import gc
import io
from typing import Any

import pytest

from swiftstats.collect.classify import LINES
from swiftstats.collect.exchange import MIB
from swiftstats.collect.filter import Filter
from swiftstats.collect.meter import Meter
from swiftstats.fields import CELL_INDEX
from tests.support.recorder import Recorder
from tests.support.wsgi import ClientGone, Endpoint, Trouble, environ, serve

OK = [("Content-Type", "text/plain")]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "with the first chunk"])
@pytest.mark.parametrize(("app", "request_", "usage"), [
    ({"chunks": (b"x" * 1023,), "length": 1023}, {}, {"GET": 1, "bytes_out": 1023}),
    ({"chunks": (b"abc", b"", b"de")}, {}, {"GET": 1, "bytes_out": 5}),
    ({"status": "201 Created", "chunks": (b"",)}, {"method": "PUT", "body": b"y" * 1023}, {"PUT": 1, "bytes_in": 1023}),
    ({"length": 1023, "chunks": ()}, {"method": "HEAD"}, {"HEAD": 1}),
    ({"status": "304 Not Modified", "length": 1023, "chunks": ()}, {}, {"GET": 1}),
    ({"status": "204 No Content", "chunks": ()}, {"method": "DELETE"}, {"DELETE": 1}),
    ({"status": "206 Partial Content", "length": 10, "chunks": (b"z" * 10,)}, {}, {"GET": 1, "bytes_out": 10}),
    ({"status": "422 Unprocessable Entity", "length": 2, "chunks": (b"no",)}, {"method": "PUT", "body": b"y" * 1000},
     {"PUT": 1, "client_errors": 1, "bytes_in": 1000, "bytes_out": 2}),
    ({"status": "401 Unauthorized", "length": 3, "chunks": (b"no!",), "read": False}, {"method": "PUT", "body": b"y" * 300_000},
     {"denied": 1, "unbilled_bytes_out": 3}),
    ({"status": "403 Forbidden", "chunks": (b"no!",)}, {"method": "POST", "body": b"yy"},
     {"denied": 1, "unbilled_bytes_in": 2, "unbilled_bytes_out": 3}),
    ({"status": "503 Service Unavailable", "chunks": (b"oh",), "length": 2}, {"method": "PUT", "body": b"yyy"},
     {"server_errors": 1, "unbilled_bytes_in": 3, "unbilled_bytes_out": 2}),
    ({"status": "408 Request Timeout", "chunks": (b"",)}, {"method": "PUT", "body": b"yyy"},
     {"PUT": 1, "disconnects": 1, "bytes_in": 3}),
    ({"status": "499 Client Disconnect", "chunks": (b"",)}, {"method": "PUT", "body": b"yyy"},
     {"PUT": 1, "disconnects": 1, "bytes_in": 3}),
    ({"status": "498 Rate Limited", "chunks": (b"",)}, {"method": "PUT"}, {"PUT": 1, "client_errors": 1}),
    ({"status": "405 Method Not Allowed", "chunks": (b"",)}, {"method": "get"}, {"OTHER": 1, "client_errors": 1}),
    ({"status": "201 Created", "chunks": (b"",)}, {"method": "COPY"}, {"OTHER": 1}),
], ids=lambda value: None)
def test_a_request_is_counted_with_its_bytes(app: dict[str, Any], request_: dict[str, Any], usage: dict[str, int], late: bool,
                                             journal: Recorder, meter: Meter) -> None:
    """Each kind of answer is counted once, in one addition, in its method's count or in its own field, with what passed."""
    arguments = dict(app)
    serve(Filter(Endpoint(*arguments.pop("chunks"), late=late, **arguments), meter), environ(**request_))
    assert journal.usage("AUTH_a") == usage
    assert len(journal.adds) == 1


@pytest.mark.parametrize(("method", "line"), [
    (method, line) for method, lines in LINES.items() for line, (_, adds, _) in lines.items() if adds is not None], ids=" ".join)
def test_what_most_requests_are_is_counted_as_any_other(method: str, line: str) -> None:
    """An answer whose status line is known beforehand takes a shorter way, to the same cells and the same evidence."""
    adds = []
    for status in (line, line[:3] + " Whatever"):
        for chunks in ((b"",), (b"abc", b"x" * MIB, b"de")):
            for length in (None, 0, MIB + 5):
                journal = Recorder()
                app = Filter(Endpoint(*chunks, status=status, length=length), Meter(spool="unused", counters=journal))
                serve(app, environ(method, body=b"y" * 1023))
                adds.append(journal.adds)
    assert adds[:6] == adds[6:]
    assert all(adds)


@pytest.mark.parametrize("late", [False, True])
def test_a_get_is_counted_before_its_last_byte_is_handed_out(late: bool, journal: Recorder, meter: Meter) -> None:
    """A worker that is killed right after the last chunk was sent has counted the request."""
    answer = Filter(Endpoint(b"abc", b"de", length=5, late=late), meter)(environ(), lambda *_: None)
    chunks = iter(answer)
    assert next(chunks) == b"abc"
    assert journal.adds == []
    assert next(chunks) == b"de"
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 5}
    answer.close()
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 5}


@pytest.mark.parametrize("app", [Endpoint(length=5), Endpoint(b"", status="204 No Content"), Endpoint(b"", length=0)],
                         ids=["HEAD", "204", "empty"])
def test_an_empty_body_is_counted_before_it_is_returned(app: Endpoint, journal: Recorder, meter: Meter) -> None:
    """What has no body is finished for the client with its headers."""
    method = "HEAD" if app.headers == [("Content-Length", "5")] else "GET"
    answer = Filter(app, meter)(environ(method), lambda *_: None)
    assert journal.usage("AUTH_a") == {method: 1}
    answer.close()
    assert len(journal.adds) == 1


def test_a_list_is_counted_whole_and_stays_a_list(journal: Recorder, meter: Meter) -> None:
    """A server takes the Content-Length from a list, so the filter hands on the very object."""
    body = [b"abc", b"de"]

    def app(env: Any, start_response: Any) -> Any:
        start_response("200 OK", OK)
        return body

    assert Filter(app, meter)(environ(), lambda *_: None) is body
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 5}


def test_an_answer_that_tells_its_length_still_does(journal: Recorder, meter: Meter) -> None:
    """catch_errors' ByteEnforcer has a length and no items; the server must see the one and get the bytes."""

    class Enforcer:
        def __len__(self) -> int:
            return 5

        def __iter__(self) -> Any:
            return iter([b"abc", b"de"])

    def app(env: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "5")])
        return Enforcer()

    seen = serve(Filter(app, meter), environ())
    assert (seen.sized, seen.chunks) == (5, [b"abc", b"de"])
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 5}


def test_bytes_are_counted_after_each_mebibyte(journal: Recorder, meter: Meter) -> None:
    """A killed worker loses at most one MiB of a download in flight, and a download over the hour is split."""
    answer = Filter(Endpoint(*[b"x" * 65536] * 40, length=40 * 65536), meter)(environ(), lambda *_: None)
    for number, chunk in enumerate(answer, 1):
        passed = number * len(chunk)
        counted = journal.usage("AUTH_a").get("bytes_out", 0)
        assert passed - counted < MIB
        assert journal.usage("AUTH_a").get("GET", 0) == (number == 40)
    answer.close()
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 40 * 65536}
    assert len(journal.adds) == 3


def test_an_upload_is_counted_while_it_passes(journal: Recorder, meter: Meter) -> None:
    """A killed worker loses at most one MiB of an upload in flight."""
    left = []

    def app(env: Any, start_response: Any) -> Any:
        passed = 0
        while chunk := env["wsgi.input"].read(65536):
            passed += len(chunk)
            left.append(passed - journal.usage("AUTH_a").get("bytes_in", 0))
        start_response("201 Created", OK)
        return [b""]

    serve(Filter(app, meter), environ("PUT", body=b"x" * (3 * MIB + 5)))
    assert max(left) < MIB
    assert journal.usage("AUTH_a") == {"PUT": 1, "bytes_in": 3 * MIB + 5}


@pytest.mark.parametrize("way", ["read()", "read(n)", "readline", "readlines", "iteration", "read1", "readinto"])
def test_every_way_to_read_is_counted(way: str, journal: Recorder, meter: Meter) -> None:
    """An application may read its body as it likes."""
    body = b"one\ntwo\n" + b"x" * 5000
    got = bytearray()

    def app(env: Any, start_response: Any) -> Any:
        source = env["wsgi.input"]
        if way == "read()":
            got.extend(source.read())
        elif way == "read(n)":
            while piece := source.read(100):
                got.extend(piece)
        elif way == "readline":
            while piece := source.readline():
                got.extend(piece)
        elif way == "readlines":
            got.extend(b"".join(source.readlines()))
        elif way == "iteration":
            for piece in source:
                got.extend(piece)
        elif way == "read1":
            got.extend(source.read1(10_000))
        else:
            buffer = bytearray(10_000)
            got.extend(buffer[: source.readinto(buffer)])
        start_response("201 Created", OK)
        return [b""]

    serve(Filter(app, meter), environ("PUT", body=body))
    assert bytes(got) == body
    assert journal.usage("AUTH_a") == {"PUT": 1, "bytes_in": len(body)}


def test_a_body_without_a_length_is_counted(journal: Recorder, meter: Meter) -> None:
    """A chunked upload has no Content-Length."""
    env = environ("POST", HTTP_TRANSFER_ENCODING="chunked")
    env["wsgi.input"] = io.BytesIO(b"x" * 77)
    serve(Filter(Endpoint(b"", status="201 Created"), meter), env)
    assert journal.usage("AUTH_a") == {"POST": 1, "bytes_in": 77}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("taken", [1, 2])
def test_a_body_closed_early_is_a_disconnect(taken: int, late: bool, journal: Recorder, meter: Meter) -> None:
    """A client that left is counted once, billable, with what was handed out for it."""
    app = Endpoint(b"abc", b"de", b"f", length=6, late=late)
    serve(Filter(app, meter), environ(), chunks=taken)
    assert journal.usage("AUTH_a") == {"GET": 1, "disconnects": 1, "bytes_out": (3, 5)[taken - 1]}
    assert app.closed == 1


def test_a_body_closed_after_its_last_byte_is_no_disconnect(journal: Recorder, meter: Meter) -> None:
    """Servers close without asking for what comes after the last byte."""
    serve(Filter(Endpoint(b"abc", length=3), meter), environ(), chunks=1)
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 3}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("closed", [True, False])
def test_a_body_that_nobody_starts_still_counts_its_request(late: bool, closed: bool, journal: Recorder, meter: Meter) -> None:
    """A generator's finally would never run; whether it is closed or only dropped, the request was made."""
    serve(Filter(Endpoint(b"abc", length=3, late=late), meter), environ(), iterate=False, close=closed)
    gc.collect()
    assert journal.usage("AUTH_a") == {"GET": 1, "disconnects": 1}


def test_a_client_that_left_before_there_was_a_status_proves_nothing(journal: Recorder, meter: Meter) -> None:
    """Anybody can ask for any name and hang up."""
    serve(Filter(Endpoint(b"abc", late=True), meter), environ(), iterate=False)
    assert not journal.evidence("AUTH_a")


def test_an_exception_is_a_server_error_and_goes_on_unchanged(journal: Recorder, meter: Meter) -> None:
    """What escapes the application escapes the filter, the same object, and its bytes are unbilled."""
    trouble = Trouble()

    def app(env: Any, start_response: Any) -> Any:
        env["wsgi.input"].read()
        raise trouble

    seen = serve(Filter(app, meter), environ("PUT", body=b"xyz"))
    assert seen.raised is trouble
    assert journal.usage("AUTH_a") == {"server_errors": 1, "unbilled_bytes_in": 3}


@pytest.mark.parametrize("error", [Trouble(), KeyboardInterrupt(), GeneratorExit()], ids=repr)
@pytest.mark.parametrize("late", [False, True])
def test_a_body_that_dies_half_way_is_a_server_error(late: bool, error: BaseException, journal: Recorder, meter: Meter) -> None:
    """What was handed out of it is unbilled; not even an eventlet Timeout, which is no Exception, escapes the count."""
    seen = serve(Filter(Endpoint(b"abc", length=6, late=late, error=error), meter), environ())
    assert (seen.chunks, seen.raised) == ([b"abc"], error)
    assert journal.usage("AUTH_a") == {"server_errors": 1, "unbilled_bytes_out": 3}


def test_a_body_shorter_than_it_said_is_a_server_error(journal: Recorder, meter: Meter) -> None:
    """catch_errors breaks the connection there: the client did not get what it asked for."""
    serve(Filter(Endpoint(b"abc", length=6), meter), environ())
    assert journal.usage("AUTH_a") == {"server_errors": 1, "unbilled_bytes_out": 3}


def test_what_passed_before_a_failure_moves_to_unbilled(journal: Recorder, meter: Meter) -> None:
    """Bytes counted as billable while they passed are none once the request has failed, and no cell falls."""
    app = Endpoint(*[b"x" * MIB] * 3, b"y", length=9 * MIB, error=Trouble())
    serve(Filter(app, meter), environ())
    assert journal.usage("AUTH_a") == {"server_errors": 1, "unbilled_bytes_out": 3 * MIB + 1}


def test_a_refused_upload_moves_to_unbilled(journal: Recorder, meter: Meter) -> None:
    """What was read of a body before it was refused is not billed."""
    serve(Filter(Endpoint(b"no", status="403 Forbidden"), meter), environ("PUT", body=b"x" * (MIB + 3)))
    assert journal.usage("AUTH_a") == {"denied": 1, "unbilled_bytes_in": MIB + 3, "unbilled_bytes_out": 2}


def test_bytes_of_a_past_period_stay_billed_there(journal: Recorder, meter: Meter) -> None:
    """A download that fails in the next hour keeps billed what passed in the hour before; each period's difference is whole."""
    answer = Filter(Endpoint(*[b"x" * MIB] * 4, length=9 * MIB, error=Trouble()), meter)(environ(), lambda *_: None)
    chunks = iter(answer)
    for _ in range(2):
        next(chunks)
    journal.period = 3600
    for _ in range(2):
        next(chunks)
    with pytest.raises(Trouble):
        next(chunks)
    answer.close()
    assert journal.usage("AUTH_a", 0) == {"bytes_out": 2 * MIB}
    assert journal.usage("AUTH_a", 3600) == {"server_errors": 1, "unbilled_bytes_out": 2 * MIB}


def test_a_closed_period_takes_nothing_back(journal: Recorder, meter: Meter) -> None:
    """Where the period that holds the bytes is closed, unbilled in another one would make that one's bytes negative."""
    answer = Filter(Endpoint(b"x" * MIB, b"y" * 10, length=9 * MIB, error=Trouble()), meter)(environ(), lambda *_: None)
    chunks = iter(answer)
    next(chunks)
    journal.period = 3600
    journal.closed.add(0)
    next(chunks)
    with pytest.raises(Trouble):
        next(chunks)
    assert journal.usage("AUTH_a", 0) == {"bytes_out": MIB}
    assert journal.usage("AUTH_a", 3600) == {"server_errors": 1, "unbilled_bytes_out": 10}


def test_lost_bytes_are_not_unbilled(journal: Recorder, meter: Meter) -> None:
    """What the journal could not take must not be taken off what it took."""
    answer = Filter(Endpoint(b"x" * MIB, b"y" * MIB, length=9 * MIB, error=Trouble()), meter)(environ(), lambda *_: None)
    chunks = iter(answer)
    journal.full = True
    next(chunks)
    journal.full = False
    next(chunks)
    with pytest.raises(Trouble):
        next(chunks)
    assert journal.usage("AUTH_a") == {"server_errors": 1, "unbilled_bytes_out": MIB}


def test_passed_is_added_before_unbilled(journal: Recorder, meter: Meter) -> None:
    """A reader in between must never see more unbilled than passed."""
    serve(Filter(Endpoint(b"no", status="403 Forbidden"), meter), environ("PUT", body=b"xyz"))
    cells = journal.adds[0].increments[::2]
    for way in ("in", "out"):
        assert cells.index(CELL_INDEX["passed_" + way]) < cells.index(CELL_INDEX["unbilled_bytes_" + way])


def test_an_aborted_upload_is_what_the_application_made_of_it(journal: Recorder, meter: Meter) -> None:
    """Swift answers 499 to a client that left in the middle; what was read passed."""

    class Cut(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if piece := super().read(4):
                return piece
            raise OSError("unexpected end of file while parsing chunked data")

    def app(env: Any, start_response: Any) -> Any:
        with pytest.raises(OSError, match="unexpected end"):
            while True:
                env["wsgi.input"].read(4)
        start_response("499 Client Disconnect", OK)
        return [b""]

    env = environ("PUT", body=b"")
    env["wsgi.input"], env["CONTENT_LENGTH"] = Cut(b"12345678"), "100"
    serve(Filter(app, meter), env)
    assert journal.usage("AUTH_a") == {"PUT": 1, "disconnects": 1, "bytes_in": 8}


def test_an_upload_whose_end_nobody_handles_is_a_disconnect(journal: Recorder, meter: Meter) -> None:
    """The very exception that reading raised says that the client left, not that the server failed."""

    class Cut(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError

    env = environ("PUT", body=b"xyz")
    env["wsgi.input"] = Cut()
    seen = serve(Filter(Endpoint(b""), meter), env)
    assert isinstance(seen.raised, ConnectionResetError)
    assert journal.usage("AUTH_a") == {"PUT": 1, "disconnects": 1}


def test_write_is_counted_too(journal: Recorder, meter: Meter) -> None:
    """An application may push its body through start_response's write, and give the rest as an iterable."""

    def app(env: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Length", "5")])
        write(b"abc")
        assert journal.adds == []
        write(b"de")
        assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 5}
        return []

    seen = serve(Filter(app, meter), environ())
    assert seen.written == [b"abc", b"de"]
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 5}


def test_a_client_that_left_a_write_is_a_disconnect(journal: Recorder, meter: Meter) -> None:
    """The exception comes from the client's connection, not from the application."""

    def app(env: Any, start_response: Any) -> Any:
        start_response("200 OK", OK)(b"abc")
        return []

    seen = serve(Filter(app, meter), environ(), refuse_write=True)
    assert isinstance(seen.raised, ClientGone)
    assert journal.usage("AUTH_a") == {"GET": 1, "disconnects": 1, "bytes_out": 3}


def test_no_write_callable_stays_none(meter: Meter) -> None:
    """Swift's WSGIContext returns none; an application that asks must see that."""
    found = []

    def app(env: Any, start_response: Any) -> Any:
        found.append(start_response("200 OK", OK))
        return []

    Filter(app, meter)(environ(), lambda *_: None)
    assert found == [None]


def test_the_second_status_counts(journal: Recorder, meter: Meter) -> None:
    """An application may replace its answer with an error before anything was sent."""

    def app(env: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "3")])
        try:
            raise Trouble
        except Trouble:
            import sys
            start_response("500 Internal Error", [("Content-Length", "4")], sys.exc_info())
        return [b"oops"]

    seen = serve(Filter(app, meter), environ())
    assert [(status, exc_info) for status, _, exc_info in seen.starts] == [("200 OK", False), ("500 Internal Error", True)]
    assert journal.usage("AUTH_a") == {"server_errors": 1, "unbilled_bytes_out": 4}


@pytest.mark.parametrize("first", [[("Content-Length", "10")], [("x-amz-request-id", "tx1")]], ids=["length", "S3"])
def test_what_an_answer_said_first_is_forgotten(first: list[tuple[str, str]], journal: Recorder, meter: Meter) -> None:
    """Where an application starts another answer in place of the first, nothing that the first one's headers said holds."""

    def app(env: Any, start_response: Any) -> Any:
        start_response("200 OK", first)
        try:
            raise Trouble
        except Trouble:
            import sys
            start_response("200 OK", [], sys.exc_info())
        return iter([b"abc"])

    serve(Filter(app, meter), environ(HTTP_AUTHORIZATION="Bearer x"))
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 3}
