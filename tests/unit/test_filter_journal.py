"""The filter on the real journal, and in a threaded server."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftstats.collect.exchange import MIB
from swiftstats.collect.filter import Filter
from swiftstats.collect.meter import Meter
from swiftstats.fields import CELL_COUNT, FIELDS, values
from tests.support import spools
from tests.support.recorder import Recorder
from tests.support.wsgi import Endpoint, Trouble, environ, in_threads, serve

OK = [("Content-Type", "text/plain")]


def test_no_increment_is_lost_among_threads(journal: Recorder, meter: Meter) -> None:
    """A threaded server counts exactly, whatever its threads do at the same time."""
    app = Filter(Endpoint(b"x" * 100, length=100, status="200 OK"), meter)

    def work() -> None:
        for _ in range(100):
            serve(app, environ("PUT", body=b"y" * 10))

    in_threads(work)
    assert journal.usage("AUTH_a") == {"PUT": 3200, "bytes_in": 32_000, "bytes_out": 320_000}


def billed(spool: Path, account: bytes = b"AUTH_a") -> dict[int, dict[str, int]]:
    """Return what the segments of a spool hold of an account, by period."""
    found: dict[int, list[int]] = {}
    for snapshot in spools.snapshots(spool):
        for row in snapshot.rows():
            if row.name == account:
                found[snapshot.start] = [a + b for a, b in zip(found.get(snapshot.start, [0] * CELL_COUNT), row.cells)]
    return {start: {field.name: value for field, value in zip(FIELDS, values(cells)) if value} for start, cells in found.items()}


def test_a_download_over_the_hour_is_split_and_its_failure_is_the_second_hours(tmp_path: Path) -> None:
    """The journal tells where bytes were counted, so what fails is taken off there, and an hour that is past keeps its bytes."""
    clock = spools.Clock()
    meter = Meter(spool="unused", counters=spools.counters(tmp_path, clock))
    answer = Filter(Endpoint(*[b"x" * MIB] * 3, length=9 * MIB, error=Trouble()), meter)(environ(), lambda *_: None)
    chunks = iter(answer)
    next(chunks)
    clock.now += spools.HOUR
    next(chunks)
    next(chunks)
    with pytest.raises(Trouble):
        next(chunks)
    answer.close()
    assert billed(tmp_path) == {
        spools.T: {"bytes_out": MIB},
        spools.T + spools.HOUR: {"server_errors": 1, "unbilled_bytes_out": 2 * MIB},
    }


def test_requests_of_many_threads_add_up_on_the_real_journal(tmp_path: Path) -> None:
    """32 threads of a threaded server, one segment, every byte and every request."""
    counters = spools.counters(tmp_path)
    app = Filter(Endpoint(b"x" * 100, length=100), Meter(spool="unused", counters=counters))

    def work() -> None:
        for _ in range(50):
            serve(app, environ("PUT", body=b"y" * 10))

    in_threads(work)
    assert billed(tmp_path) == {spools.T: {"PUT": 1600, "bytes_in": 16_000, "bytes_out": 160_000}}


def test_a_body_that_answers_a_head_is_on_no_wire(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An application that sends one all the same is counted once, without bytes, and nothing of it is lost."""
    meter = Meter(spool="unused", counters=spools.counters(tmp_path))
    serve(Filter(Endpoint(b"abc", *[b"x" * MIB] * 3), meter), environ("HEAD"))
    assert billed(tmp_path) == {spools.T: {"HEAD": 1}}
    assert caplog.records == []


def test_a_spool_that_cannot_be_made_fails_no_request(tmp_path: Path) -> None:
    """Where the spool's place is a file, requests are served as if nothing were there."""
    (tmp_path / "spool").write_text("in the way")
    meter = Meter(spool=str(tmp_path / "spool"), server="proxy-1")
    for _ in range(3):
        seen = serve(Filter(Endpoint(b"abc", length=3), meter), environ("PUT", body=b"x" * (2 * MIB)))
        assert (seen.chunks, seen.raised) == ([b"abc"], None)
