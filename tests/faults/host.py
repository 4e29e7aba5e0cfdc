"""One proxy host under attack: a real proxy, its spool, its flusher, and the load of clients with their ledger."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from swiftstats.demo.processes import DemoError, Process, wait_for
from swiftstats.demo.swift import Proxy
from swiftstats.journal.control import CLOSED_THROUGH, Control
from swiftstats.journal.spool import SegmentFile, Spool
from tests.faults.machine import Clock, Machine
from tests.support.load import Load

#: How long a worker may take to count its first request, and a flusher to close what has ended (s).
PATIENCE = 60


class Host:
    """`spool_path` is where its processes see the spool, `spool` what the tests see of it."""

    def __init__(self, name: str, configuration: Path, spool_path: Path, proxy: Proxy, flusher: Process, load: Load, *,
                 machine: Machine | None = None, clocks: Mapping[str, Clock] | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        self.name, self.configuration, self.spool_path = name, configuration, spool_path
        self.proxy, self.flusher, self.load, self.machine = proxy, flusher, load, machine
        self.clocks = dict(clocks or {})
        self._environment = {**os.environ, **(environment or {})}

    @property
    def path(self) -> Path:
        """The spool, from outside."""
        return self.machine.inside(self.spool_path) if self.machine else self.spool_path

    @property
    def spool(self) -> Spool:
        return Spool(str(self.path))

    def segments(self) -> list[SegmentFile]:
        return self.spool.list_segments()

    def incarnation(self) -> str:
        return str(json.loads((self.path / "identity").read_text())["incarnation"])

    def closed_through(self) -> int:
        """Return the moment before which this host's workers count no more; 0 before the first close."""
        try:
            control = Control(str(self.path / "control"))
        except FileNotFoundError:
            return 0
        try:
            return control.get(CLOSED_THROUGH)
        finally:
            control.close()

    def wait_closed(self, moment: float, *, seconds: float = PATIENCE) -> None:
        """Return when its flusher has closed everything before `moment`."""
        wait_for(lambda: self.closed_through() >= moment, seconds=seconds, what=f"{self.name} to close {moment}\n"
                 f"{self.flusher.tail()}")

    def serving(self) -> list[int]:
        """Return the workers that have counted: one that has not yet said that it is ready would take the proxy with it."""
        owners = {int(one.name.split("-")[1]) for one in self.segments()}
        return [pid for pid in self.proxy.worker_pids() if pid in owners]

    def a_worker(self, chance: random.Random) -> int:
        """Return a worker that has counted."""
        wait_for(lambda: bool(self.serving()), seconds=PATIENCE, what=f"a worker of {self.name} that has counted")
        return chance.choice(self.serving())

    def kill_worker(self, chance: random.Random) -> None:
        victim = self.a_worker(chance)
        self.proxy.kill_worker(victim)
        self.proxy.wait_for_workers(without=[victim])

    def restart_flusher(self) -> None:
        """SIGKILL the flusher, and start another."""
        self.flusher.kill()
        self.flusher.start()

    def command(self, *words: str, status: int | None = 0) -> str:
        """Run a command of swiftstats on this host, in its namespace and with its flusher's clock; `status` None: any."""
        prefix = self.machine.prefix if self.machine else []
        done = subprocess.run([*prefix, *command(self.configuration, *words)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120, env=self._environment, start_new_session=True)
        if status is not None and done.returncode != status:
            raise DemoError(f"{words} ended with status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def flush(self) -> None:
        """Send what is in the spool now."""
        self.command("flush", "--once")


def command(configuration: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "swiftstats", "--config", str(configuration), *words]


def flusher(name: str, folder: Path, configuration: Path, *, prefix: Sequence[str] = (),
            environment: Mapping[str, str] | None = None) -> Process:
    """Return a flusher that can be started."""
    return Process(name, [*prefix, *command(configuration, "flush")], folder / f"{name}.log",
                   environment={**os.environ, **(environment or {})})


def stopped(pid: int) -> Stopped:
    """Stop a process with SIGSTOP, and let it go on at the end of the block."""
    return Stopped(pid)


class Stopped:
    """A process that does not run meanwhile."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGCONT)


def until(moment: float) -> None:
    """Return when the machine's clock says `moment`."""
    wait_for(lambda: time.time() >= moment, seconds=max(moment - time.time(), 0) + 5, what="time to pass")
