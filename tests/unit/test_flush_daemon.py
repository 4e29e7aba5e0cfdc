"""The flusher as a daemon: one a host, patient while the database is away, gone when it is told to or nobody needs it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats import migrations
from swiftstats.config import Config
from swiftstats.errors import DatabaseAway, SweepInProgress
from swiftstats.flush import daemon as daemons
from swiftstats.flush.daemon import Daemon, elect
from swiftstats.flush.host import Outcome
from swiftstats.journal.counters import Counters
from swiftstats.journal.spool import Lock, Spool
from swiftstats.store import engine as engines
from tests.support.hosts import everything
from tests.support.spools import HOUR, ONE, in_child

WAIT = 30


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(engine, ("AUTH_",))
    return engine


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    return {"database": f"sqlite:///{tmp_path}/usage.db", "spool": str(tmp_path / "spool"), "server": "proxy-1",
            "flush_interval": "1", "flush_jitter": "0"}


def until(condition: Callable[[], object], seconds: float = WAIT) -> None:
    """Wait for a condition, with a bound."""
    give_up = time.monotonic() + seconds
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < give_up, "it never came"
        tick.wait(0.02)


def daemon(tmp_path: Path, engine: Engine, **options: object) -> Daemon:
    spawned = bool(options.pop("spawned", False))
    return Daemon(Config({"spool": str(tmp_path / "spool"), "server": "proxy-1", "msync_interval": 0.1, "flush_interval": 1.0,
                          "flush_jitter": 0.0, **options}), engine, spawned=spawned)


def play(monkeypatch: pytest.MonkeyPatch, one: Daemon, sweep: Callable[..., Outcome], clock: list[float]) -> None:
    """Let the daemon's waits pass at once, on a clock of the test's own."""
    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread() is not threading.main_thread():
                return super().wait(timeout)  # the thread that syncs
            clock[0] += timeout or 0
            return self.is_set()

    monkeypatch.setattr(daemons, "sweep", sweep)
    monkeypatch.setattr(daemons.time, "time", lambda: clock[0])
    one._stop = Stop()


def test_elected_by_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host has one flusher: a second is not elected, in another process neither, until the first is gone."""
    monkeypatch.setattr(daemons, "ELECTION_SECONDS", 0.05)
    spool = Spool(str(tmp_path / "spool"))
    lock = elect(spool)
    assert lock is not None and spool.flusher_running()

    def other() -> None:
        assert elect(spool) is None

    assert in_child(other) == 0
    lock.release()
    again = elect(spool)
    assert again is not None
    again.release()


def test_somebody_who_looks_is_no_flusher(tmp_path: Path) -> None:
    """Whoever asks whether a flusher runs, all the time, does not keep one from being elected."""
    spool = Spool(str(tmp_path / "spool"))
    os.makedirs(spool.path)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            spool.flusher_running()

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        lock = elect(spool)
    finally:
        stop.set()
        for looker in lookers:
            looker.join(WAIT)
    assert lock is not None


def test_one_outage_one_line(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch,
                             caplog: pytest.LogCaptureFixture) -> None:
    """While the database is away it is tried again with growing pauses; the outage is one error, its end one warning."""
    outage = iter([DatabaseAway("away")] * 5 + [None, DatabaseAway("away again"), None])
    one = daemon(tmp_path, engine)
    clock = [1000.0]

    def sweep(*_: object, **__: object) -> Outcome:
        error = next(outage, one)
        if error is one:
            one.stop()
        elif error is not None:
            raise error
        return Outcome()

    play(monkeypatch, one, sweep, clock)
    with caplog.at_level(logging.WARNING, "swiftstats.flush"):
        one.run()
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in lines] == ["ERROR", "WARNING", "ERROR", "WARNING"]
    assert "away" in lines[0][1] and "works again" in lines[1][1]


def test_pauses_grow(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that stays away is asked less and less often, down to once a minute, however short the interval."""
    one = daemon(tmp_path, engine)
    clock, tried = [1000.0], []

    def sweep(*_: object, **__: object) -> Outcome:
        tried.append(clock[0])
        if len(tried) == 10:
            one.stop()
        raise DatabaseAway("away")

    play(monkeypatch, one, sweep, clock)
    one.run()
    pauses = [round(after - before) for before, after in zip(tried, tried[1:])]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_predecessor_is_ended_soon(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a predecessor is to be ended, the next sweep comes when that one would have swept by then, not an hour later."""
    one = daemon(tmp_path, engine, flush_interval=3600.0, flush_jitter=30.0)
    clock, tried = [3600.0 * 1000], []

    def sweep(*_: object, **__: object) -> Outcome:
        tried.append(clock[0])
        if len(tried) == 3:
            one.stop()
        return Outcome(to_be_ended=1 if len(tried) == 1 else 0)

    play(monkeypatch, one, sweep, clock)
    one.run()
    assert 90 <= tried[1] - tried[0] <= 121 and tried[2] - tried[1] > 3000


def test_what_nobody_thought_of(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch,
                                caplog: pytest.LogCaptureFixture) -> None:
    """Neither a bug in a sweep nor another sweep in progress ends the daemon."""
    errors = [ValueError("a bug"), SweepInProgress("busy"), OSError(28, "full")]
    one = daemon(tmp_path, engine)

    def sweep(*_: object, **__: object) -> Outcome:
        if errors:
            raise errors.pop(0)
        one.stop()
        return Outcome()

    monkeypatch.setattr(daemons, "sweep", sweep)
    monkeypatch.setattr(daemons, "BACKOFF_SECONDS", 0.01)
    one._pause = 0.01
    with caplog.at_level(logging.WARNING, "swiftstats.flush"):
        one.run()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR", "WARNING"]


def test_missing_schema_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that starts before `migrate` says so once, and goes on by itself when the schema is there."""
    monkeypatch.setattr(daemons, "LONGEST_BACKOFF_SECONDS", 0.05)
    bare = engines.create(f"sqlite:///{tmp_path}/usage.db")
    one = daemon(tmp_path, bare)
    one._pause = 0.05
    thread = threading.Thread(target=one.run)
    with caplog.at_level(logging.WARNING, "swiftstats.flush"):
        thread.start()
        until(lambda: caplog.records)
        migrations.upgrade(bare, ("AUTH_",))
        until(lambda: len(caplog.records) > 1)
        one.stop()
        thread.join(WAIT)
    assert not thread.is_alive()
    assert "swiftstats migrate" in caplog.records[0].getMessage()
    assert "works again" in caplog.records[1].getMessage()


def test_stop_ends_after_the_sweep(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes during a sweep lets it finish, and no other one begins."""
    one = daemon(tmp_path, engine)
    finished = []

    def sweep(*_: object, **__: object) -> Outcome:
        os.kill(os.getpid(), signal.SIGTERM)
        finished.append(True)
        return Outcome()

    monkeypatch.setattr(daemons, "sweep", sweep)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        one.handle_signals()
        one.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert finished == [True]


def test_spawned_one_ends(tmp_path: Path, engine: Engine) -> None:
    """A flusher that a worker started stays while a worker lives or counts are left, and ends after that; another stays."""
    now = [time.time() - 2 * HOUR]
    worker = Counters(str(tmp_path / "spool"), server="proxy-1", period_seconds=HOUR, clock=lambda: now[0])
    worker.add("AUTH_a", ONE, True)
    one = daemon(tmp_path, engine, spawned=True)
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        until(lambda: not Spool(worker._spool.path).list_segments())
        assert sum(everything(engine)["AUTH_a"].values()) == 1 and thread.is_alive()
        worker.close()
        thread.join(WAIT)
        assert not thread.is_alive()
    finally:
        one.stop()
        thread.join(WAIT)


def flush(options: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "swiftstats", "flush", "--spawned", *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env={**os.environ, "SWIFTSTATS_OPTIONS": json.dumps(options)})


def test_command(tmp_path: Path, engine: Engine, options: dict[str, str]) -> None:
    """As a worker starts it: one process flushes what workers count, a second ends at once with 0, SIGTERM ends the first."""
    worker = Counters(options["spool"], server="proxy-1", period_seconds=HOUR)
    worker.add("AUTH_a", ONE, True)
    first = flush(options)
    try:
        until(lambda: everything(engine))
        second = flush(options)
        assert second.wait(WAIT) == 0
        assert first.poll() is None and Spool(options["spool"]).flusher_running()
        first.send_signal(signal.SIGTERM)
        assert first.wait(WAIT) == 0
    finally:
        first.kill()
        first.wait(WAIT)
    assert b"Traceback" not in first.stdout.read()  # type: ignore[union-attr]
    worker.close()


def test_the_spool_is_removed(tmp_path: Path, options: dict[str, str], engine: Engine) -> None:
    """A flusher whose spool is removed under it is the host's flusher in the new one; where that has one, it ends."""
    spool, configuration = Spool(options["spool"]), tmp_path / "conf"
    configuration.touch(0o600)
    of_flusher = ("flush_interval", "flush_jitter")
    configuration.write_text("\n".join(["[DEFAULT]", *(f"{name} = {value}" for name, value in options.items()
                                                       if name not in of_flusher),
                                        "[flusher]", *(f"{name} = {options[name]}" for name in of_flusher)]))
    first = subprocess.Popen([sys.executable, "-m", "swiftstats", "--config", str(configuration), "flush"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(spool.flusher_running)
        shutil.rmtree(spool.path, ignore_errors=True)  # it may be writing there
        (Path(spool.path) / "flusher.lock").unlink(missing_ok=True)
        until(spool.flusher_running)
        with Lock(str(tmp_path / "lock"), fcntl.LOCK_EX):
            os.replace(tmp_path / "lock", Path(spool.path) / "flusher.lock")
            assert first.wait(WAIT) == 0
    finally:
        first.kill()
        first.wait(WAIT)
    said = first.stdout.read()  # type: ignore[union-attr]
    assert b"has another flusher by now" in said and b"Traceback" not in said
