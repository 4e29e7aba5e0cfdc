"""The demo's processes: a failed start says why, and stopping leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from swiftstats.demo.processes import DemoError, Process, free_port, group_members, wait_for

STUBBORN = """
import os, signal, sys, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1], "w").close()
    time.sleep(600)  # outlives SIGTERM; should nobody kill it, it ends
signal.pause()
"""


def test_ports_differ() -> None:
    """Two servers are never given one port, though none of them listens yet: Swift's would share it without a word."""
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == len(ports)


def test_failed_start_shows_the_log(tmp_path: Path) -> None:
    """A process that ends instead of starting is named, with its status and the end of what it said."""
    process = Process("oracle", [sys.executable, "-c", "print('the stars are wrong'); raise SystemExit(3)"], tmp_path / "log")
    process.start()
    with pytest.raises(DemoError, match=r"oracle ended with status 3 (.|\n)*the stars are wrong"):
        process.wait_ready(lambda: False)


def test_missing_program(tmp_path: Path) -> None:
    """A program that is not there is a message, not a traceback."""
    with pytest.raises(DemoError, match="cannot run /nonexistent"):
        Process("oracle", ["/nonexistent"], tmp_path / "log").start()


def test_slow_start_is_bounded(tmp_path: Path) -> None:
    """A process that is never ready is given up after a while."""
    process = Process("oracle", [sys.executable, "-c", "import signal; signal.pause()"], tmp_path / "log")
    process.start()
    try:
        with pytest.raises(DemoError, match="not ready within 0.2 s"):
            process.wait_ready(lambda: False, seconds=0.2)
    finally:
        process.stop()


def test_stop_ends_the_whole_group(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed when the time is over, and only then."""
    ready = tmp_path / "ready"
    process = Process("oracle", [sys.executable, "-c", STUBBORN, str(ready)], tmp_path / "log")
    process.start()
    wait_for(ready.exists, seconds=30, what="the child")
    group = process.pid
    assert len(group_members(group)) == 2
    assert process.stop(seconds=0.3) is False
    assert not group_members(group)


def test_ctrl_c_while_it_starts_leaves_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C in the very moment of a child's birth is raised when the child is known, so that it can be stopped."""
    popen = subprocess.Popen

    def interrupted(*arguments: object, **named: object) -> object:
        child = popen(*arguments, **named)  # type: ignore[call-overload]
        signal.raise_signal(signal.SIGINT)
        return child

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    process = Process("oracle", [sys.executable, "-c", "import signal; signal.pause()"], tmp_path / "log")
    with pytest.raises(KeyboardInterrupt):
        process.start()
    group = process.pid
    assert process.running
    process.stop()
    assert not group_members(group)
