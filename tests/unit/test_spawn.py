"""The spawned flusher: started when none runs, at most once a minute, with nothing of the worker's; reaped; never waited for."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from swiftstats.collect import spawn
from swiftstats.collect.meter import Meter
from swiftstats.collect.spawn import LOOK_SECONDS, Spawner
from swiftstats.journal.spool import Spool
from tests.support.recorder import Recorder

LOGGER = logging.getLogger("swiftstats")

#: Writes what it has got to the file named in its options, then waits for its end.
TELL = """
import json, os, signal, sys
found = {"argv": open("/proc/self/cmdline").read().split("\\0"), "env": dict(os.environ),
         "sid": os.getsid(0), "pid": os.getpid(), "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
         "usr1": signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, "hup": signal.getsignal(signal.SIGHUP) == signal.SIG_DFL,
         "files": sorted((fd, os.readlink("/proc/self/fd/" + fd)) for fd in os.listdir("/proc/self/fd")
                         if os.path.exists("/proc/self/fd/" + fd))}
path = json.loads(os.environ["SWIFTSTATS_OPTIONS"])["tell"]
with open(path + ".new", "w") as file:
    json.dump(found, file)
os.rename(path + ".new", path)
"""


def until(condition: Callable[[], bool], what: str) -> None:
    """Return when a condition holds; fail after 20 s."""
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.01)  # between two looks


def await_file(path: Path) -> Any:
    """Return the JSON in a file once it is there."""
    until(path.exists, f"{path} was not written")
    return json.loads(path.read_text())


def await_end(pid: int) -> None:
    """Wait until a child is a zombie."""
    until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", f"{pid} did not end")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    path.mkdir(mode=0o700)
    return path


def test_a_flusher_inherits_nothing(tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of its own, three files on /dev/null, default signals, a minimal environment, and no database in argv."""
    monkeypatch.setenv("OS_PASSWORD", "secret")
    read_end, write_end = os.pipe()
    os.set_inheritable(read_end, True)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    told = tmp_path / "told"
    try:
        options = {"database": "mysql+pymysql://u:geheim@db/x", "tell": str(told)}
        spawner = Spawner(str(spool), options, logger=LOGGER, command=[sys.executable, "-c", TELL])
        spawner.look()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGHUP, before)
        os.close(read_end)
        os.close(write_end)
    found = await_file(told)
    assert found["sid"] == found["pid"] != os.getpid()
    assert found["files"][:3] == [["0", "/dev/null"], ["1", "/dev/null"], ["2", "/dev/null"]]
    assert len(found["files"]) <= 4  # and the directory that is listed
    assert (found["blocked"], found["usr1"], found["hup"]) == ([], True, True)
    assert "OS_PASSWORD" not in found["env"]
    assert json.loads(found["env"]["SWIFTSTATS_OPTIONS"]) == options
    assert set(found["env"]) <= {*spawn.KEPT, "PYTHONSAFEPATH", "SWIFTSTATS_OPTIONS", "LC_CTYPE"}
    assert "geheim" not in " ".join(found["argv"])


def test_none_is_started_where_one_runs(spool: Path) -> None:
    """The lock tells that this host has its flusher."""
    with Spool(str(spool)).lock("flusher.lock", fcntl.LOCK_EX):
        spawner = Spawner(str(spool), {}, logger=LOGGER, command=["/nonexistent"])
        spawner.look()
        assert spawner._children == []


def test_the_child_is_reaped_at_a_later_look(tmp_path: Path, spool: Path) -> None:
    """A flusher that lost the election ends at once, and leaves no zombie for long; another is started where none runs."""
    spawner = Spawner(str(spool), {}, logger=LOGGER, command=[sys.executable, "-c", "pass"])
    spawner.look()
    (first,) = spawner._children
    await_end(first)
    spawner.look()
    (second,) = spawner._children
    assert second != first
    with pytest.raises(ChildProcessError):
        os.waitpid(first, os.WNOHANG)
    os.waitpid(second, 0)
    spawner._reap()
    assert spawner._children == []


def test_a_worker_looks_at_most_once_a_minute(spool: Path) -> None:
    """A flusher that cannot stay up is not started with every request."""
    journal = Recorder()
    spawner = Spawner(str(spool), {}, logger=LOGGER, command=["/bin/true"])
    meter = Meter(spool=str(spool), counters=journal, spawner=spawner)
    begin = time.monotonic()
    for _ in range(100):
        meter.count("AUTH_a", "GET", 200)
    assert begin + LOOK_SECONDS <= spawner.due <= time.monotonic() + LOOK_SECONDS
    (child,) = spawner._children
    os.waitpid(child, 0)


def test_the_flusher_is_started_after_the_first_count(spool: Path) -> None:
    """It ends where no worker lives, so it must find one."""
    seen: list[int] = []

    class Looker:
        due = float("-inf")

        def look(self) -> None:
            seen.append(len(journal.adds))
            self.due = float("inf")

    journal = Recorder()
    meter = Meter(spool=str(spool), counters=journal, spawner=Looker())
    meter.count("AUTH_a", "GET", 200)
    meter.count("AUTH_a", "GET", 200)
    assert seen == [1]


def test_a_failed_start_is_logged_and_not_raised(spool: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The request is served, and the operator is told that usage stays in the spool."""
    Spawner(str(spool), {"database": "mysql://u:geheim@db"}, logger=LOGGER, command=["/nonexistent/python"]).look()
    assert "could not be started" in caplog.text
    assert "geheim" not in caplog.text


def test_the_command_is_ours() -> None:
    """What runs is this Python and this package's flusher, told that it was spawned."""
    assert spawn.command() == [sys.executable, "-m", "swiftstats", "flush", "--spawned"]


@pytest.mark.parametrize("executable", ["/usr/sbin/uwsgi", "", None])
def test_a_server_that_is_no_python_is_not_executed(executable: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under uWSGI sys.executable is uwsgi: the interpreter is that of sys.prefix."""
    monkeypatch.setattr(sys, "executable", executable)
    found = spawn.python()
    assert os.path.basename(found).startswith("python")
    assert found.startswith((sys.prefix, sys.base_prefix))


def test_a_spawned_flusher_ships_what_was_counted(tmp_path: Path) -> None:
    """The whole way: a meter's first count starts the real flusher, which registers its server in the database."""
    from swiftstats.cli import main
    url = f"sqlite:///{tmp_path}/usage.db"
    conf = tmp_path / "swiftstats.conf"
    conf.write_text(f"[DEFAULT]\ndatabase = {url}\nspool = {tmp_path}/spool\nserver = proxy-1\n")
    assert main.main(["--config", str(conf), "migrate"]) == 0
    spawner = Spawner(str(tmp_path / "spool"), {"config": str(conf)}, logger=LOGGER)
    meter = Meter(spool=str(tmp_path / "spool"), server="proxy-1", spawner=spawner)
    meter.count("AUTH_a", "GET", 200)
    (child,) = spawner._children
    try:
        def is_up() -> bool:
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "the flusher ended"
            return Spool(str(tmp_path / "spool")).flusher_running()

        until(is_up, "no flusher came up")
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        meter.close()
