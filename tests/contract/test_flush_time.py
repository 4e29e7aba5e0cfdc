"""When a flush may close, and who flushes: clocks that disagree, sweeps at once, two hosts, and the command `--once`."""

from __future__ import annotations

import fcntl
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats.cli import main as cli
from swiftstats.errors import SweepInProgress
from swiftstats.flush import sweep as sweeps
from swiftstats.flush.clock import CONFIRM_SECONDS
from tests.support.databases import on_sqlite
from tests.support.hosts import Host, complete_through, everything, hours, losses
from tests.support.spools import HOUR, T


def test_database_clock_behind(host: Host, engine: Engine) -> None:
    """No period closes whose end is later than the database server's clock; SQLite, which has none, goes by this host's."""
    host.clock.now = now = time.time() // HOUR * HOUR + 5 * HOUR
    host.count()
    host.sweep()
    outcome = host.close()
    if engine.dialect.name == "sqlite":
        assert outcome.periods == [now]
    else:
        assert outcome.periods == [] and outcome.closed_through <= time.time()
        assert sum(hours(engine, "AUTH_a").values()) == 1
    assert outcome.held_up == []


@on_sqlite  # elsewhere the server's clock bounds ours: see above
def test_step_forward_must_stand(host: Host, engine: Engine) -> None:
    """On SQLite a clock that leapt by more than a period closes nothing until it has stood for a while, or is set back."""
    host.count()
    host.sweep()
    host.clock.now += 10 * HOUR
    host.step += 10 * HOUR
    for _ in range(3):
        assert host.sweep().periods == []
        host.clock.now += 60
    host.clock.now -= 10 * HOUR
    host.step -= 10 * HOUR
    assert host.sweep().periods == []
    host.clock.now += 10 * HOUR
    host.step += 10 * HOUR
    assert host.sweep().periods == []
    host.clock.now += CONFIRM_SECONDS - 1
    assert host.sweep().periods == []
    host.clock.now += 1
    assert host.sweep().periods == [T]
    assert hours(engine, "AUTH_a") == {T: 1}


def test_host_that_slept(host: Host, engine: Engine) -> None:
    """Time in which nobody swept, asleep or not, is no step of the clock: all of it closes at once."""
    host.count()
    host.sweep()
    host.clock.now += 48 * HOUR
    assert host.sweep().periods == [T]
    assert complete_through(engine) == T + 48 * HOUR


def test_clock_set_back(host: Host, engine: Engine) -> None:
    """After a step back closed periods stay closed, requests count into the oldest open one, and nothing is counted twice."""
    host.count("AUTH_a", 1)
    host.close()
    host.clock.now -= 3 * HOUR
    host.step -= 3 * HOUR
    host.count("AUTH_a", 10)
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 1, T + HOUR: 10}
    assert complete_through(engine) == T + HOUR
    host.clock.now += 6 * HOUR
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 1, T + HOUR: 10} and losses(engine) == []


def test_worker_that_lags(host: Host, engine: Engine) -> None:
    """A worker whose clock is behind the flusher's counts into the open period after the seal, and nothing comes late."""
    host.count("AUTH_a", 1)
    late = host.new_worker(clock=lambda: T + HOUR - 1)
    host.count("AUTH_a", 2, worker=late)
    host.close()
    host.count("AUTH_a", 40, worker=late)
    host.sweep()
    host.close()
    assert hours(engine, "AUTH_a") == {T: 3, T + HOUR: 40} and losses(engine) == []


def test_one_sweep_at_a_time(host: Host, engine: Engine) -> None:
    """A sweep that finds another one in progress says so, at once or after its wait, and touches nothing."""
    host.count()
    with host.spool.lock("sweep.lock", fcntl.LOCK_EX):
        with pytest.raises(SweepInProgress, match="in progress.*0 s"):
            host.sweep()
        with pytest.raises(SweepInProgress):
            host.sweep(wait=0.06)
        assert everything(engine) == {}
    assert host.sweep().rows == 1


def test_sweep_waits_for_the_one_in_progress(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that may wait goes on as soon as the other one ends."""
    host.count()
    lock = host.spool.lock("sweep.lock", fcntl.LOCK_EX)
    looked = []

    def sleep(seconds: float) -> None:
        looked.append(seconds)
        if len(looked) == 3:
            lock.release()

    monkeypatch.setattr(sweeps.time, "sleep", sleep)
    assert host.sweep(wait=60).rows == 1
    assert looked == [sweeps.LOOK_SECONDS] * 3


def test_sweeps_at_once(host: Host, engine: Engine) -> None:
    """Several flushers on one spool, each waiting for the others, while a worker counts: the totals are exact."""
    done: list[object] = []
    failed: list[BaseException] = []

    def flush() -> None:
        try:
            for _ in range(3):
                host.sweep(wait=60)
            done.append(None)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=flush) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        host.count()
        threads[0].join(0.005)
    for thread in threads:
        thread.join(60)
    assert (len(done), failed) == (3, [])
    host.close()
    assert hours(engine, "AUTH_a") == {T: host.ledger[T, "AUTH_a"]} and losses(engine) == []


def test_hosts_at_once(engine: Engine, tmp_path: Path) -> None:
    """Flushers of several hosts in one database, same accounts, closing at the same time: all is there, all is complete."""
    hosts = [Host(engine, tmp_path / str(number), server=f"proxy-{number}") for number in range(4)]
    failed: list[BaseException] = []

    def life(host: Host) -> None:
        try:
            for _ in range(3):
                for account in range(30):
                    host.count(f"AUTH_{account}", 1)
                host.sweep(running=True)
                host.close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=life, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert everything(engine) == {f"AUTH_{account}": {T + hour * HOUR: 4 for hour in range(3)} for account in range(30)}
    assert complete_through(engine) == T + 3 * HOUR


def test_once(host: Host, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`flush --once` ships the running period's admitted accounts too, says what it did, and exits 1 where a sweep goes on."""
    conf = tmp_path / "swiftstats.conf"
    url = engine.url.render_as_string(hide_password=False)
    # Nothing is made nicer: it is this process, which goes on with other tests.
    conf.write_text(f"[DEFAULT]\ndatabase = {url}\nspool = {host.path}\nserver = proxy-1\n[flusher]\nflush_nice = 0\n")
    host.clock.now = time.time()
    host.count("AUTH_a", 3)
    host.count("garbage", 3, proven=False)
    command = ["--config", str(conf), "flush", "--once", "--wait", "0.06"]
    assert cli.main(command) == 0
    assert "0 periods closed, 1 rows shipped" in capsys.readouterr().out
    assert sum(sum(rows.values()) for rows in everything(engine).values()) == 3
    with host.spool.lock("sweep.lock", fcntl.LOCK_EX):
        assert cli.main(command) == 1
    captured = capsys.readouterr()
    assert "another sweep is in progress" in captured.err and "Traceback" not in captured.err
