"""Rolling up by command and in a flusher's idle time: to the end, in turns, and gone when told to."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats import migrations, periods
from swiftstats.cli.main import main
from swiftstats.config import Config
from swiftstats.fields import CELL_COUNT
from swiftstats.flush import rollup
from swiftstats.flush.daemon import Daemon
from swiftstats.flush.rollup import roll_up
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import ranges, usage, writers

T = periods.parse("2024-02-01")
WAIT = 30


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(engine, ("AUTH_",))
    return engine


@pytest.fixture
def config(tmp_path: Path, engine: Engine) -> str:
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {engine.url}\nserver = proxy-1\nspool = {tmp_path}/spool\n")
    return str(path)


def count(engine: Engine, day: int = 0) -> None:
    with engines.write(engine) as connection:
        writer = writers.register(connection, server="proxy-1", incarnation="a" * 32, predecessor=None, first_period=T,
                                  period_seconds=HOUR, now=T)
        usage.merge(connection, writer=writer, period=T + day * DAY, rows=[(b"AUTH_a", (1,) * CELL_COUNT)], now=T)


def kinds(engine: Engine) -> list[str]:
    with engines.read(engine) as connection:
        return [part.kind for part in ranges.cover(connection, T, periods.parse("2024-03-01"))]


def until_rolled(engine: Engine) -> None:
    """Wait until the month is rolled up, with a bound."""
    give_up = time.monotonic() + WAIT
    tick = threading.Event()
    while kinds(engine) != [ranges.MONTHS]:
        assert time.monotonic() < give_up, "it never came"
        tick.wait(0.05)


def test_once(engine: Engine, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--once` rolls up all that is due and says how much; again, it says that there is nothing."""
    for day in (0, 1):
        count(engine, day)
    assert main(["--config", config, "rollup", "--once"]) == 0
    assert capsys.readouterr().out.startswith("3 days and months rolled up in ")
    assert kinds(engine) == [ranges.MONTHS]
    assert main(["--config", config, "rollup", "--once"]) == 0
    assert capsys.readouterr().out == "nothing to roll up\n"


def test_somebody_else_is_at_it(engine: Engine, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """While another process rolls up the command says which, and fails; idle time is spent in peace."""
    count(engine)
    other = roll_up(engine, holder="proxy-2/77", period_seconds=HOUR)
    next(other)
    assert main(["--config", config, "rollup", "--once"]) == 1
    assert "proxy-2/77 has the turn" in capsys.readouterr().err
    rollup.idle(engine, server="proxy-1", period_seconds=HOUR, stop=threading.Event()).work(WAIT)
    assert kinds(engine)[0] == ranges.HOURS
    other.close()


def test_idle_time_is_bounded(engine: Engine) -> None:
    """It stops after a transaction when its time is over or it is stopped, and goes on there the next time."""
    count(engine)
    stop = threading.Event()
    idle = rollup.idle(engine, server="proxy-1", period_seconds=HOUR, stop=stop)
    idle.work(0)
    assert kinds(engine)[0] == ranges.HOURS
    stop.set()
    idle.work(WAIT)
    assert kinds(engine)[0] == ranges.HOURS
    stop.clear()
    idle.work(WAIT)
    assert kinds(engine) == [ranges.MONTHS]


def test_a_database_that_fails_is_said_once(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """What keeps it from rolling up is one warning, however often it is tried."""
    with engines.write(engine) as connection:
        connection.exec_driver_sql("DROP TABLE rollup_marks")
    idle = rollup.idle(engine, server="proxy-1", period_seconds=HOUR, stop=threading.Event())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            idle.work(WAIT)
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith("cannot roll up")


def test_the_flusher_rolls_up_when_idle(tmp_path: Path, engine: Engine) -> None:
    """A flusher with nothing to ship rolls up after its sweep, and ends at once when it is told to."""
    count(engine)
    one = Daemon(Config({"spool": str(tmp_path / "spool"), "server": "proxy-9", "msync_interval": 0.1, "flush_interval": 3600.0,
                         "flush_jitter": 0.0}), engine)
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        until_rolled(engine)
    finally:
        one.stop()
        thread.join(WAIT)
    assert not thread.is_alive()


def test_the_command_ends_on_a_signal(engine: Engine, config: str) -> None:
    """Without `--once` it rolls up what is due, waits for more, and ends with status 0 on SIGTERM."""
    count(engine)
    process = subprocess.Popen([sys.executable, "-m", "swiftstats", "--config", config, "rollup"])
    try:
        until_rolled(engine)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0
    finally:
        process.kill()
        process.wait()
