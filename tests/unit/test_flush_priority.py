"""A flusher gives way: it lowers its own priority, however it was started, and never raises it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import fresh, sqlite

#: Runs the command, and tells at its end how nice the process is, how it is scheduled, and how nice its session is.
#: (Outside of all sessions, as the first of a container is, a process has an empty file.)
TELL = """
import os, sys
from swiftstats.cli.main import main
main(sys.argv[1:])
session = open("/proc/self/autogroup").read().split() if os.path.exists("/proc/self/autogroup") else []
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0) == os.SCHED_BATCH, *session[-1:], file=sys.stderr)
"""


@pytest.mark.parametrize(("given", "started", "nice", "batch", "alone"), [
    ("", 0, 10, True, False), ("", 0, 10, True, True), ("", 15, 15, True, True), ("flush_nice = 3", 0, 3, True, False),
    ("flush_nice = 0", 0, 0, False, True),
])
def test_priority(tmp_path: Path, given: str, started: int, nice: int, batch: bool, alone: bool) -> None:
    """`flush` makes itself as nice as configured, 10 by default, nicer where it was started so, and waits for its turn."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    fresh(sqlite(tmp_path)).dispose()
    path = tmp_path / "swiftstats.conf"
    path.touch(mode=0o600)
    path.write_text(f"[DEFAULT]\ndatabase = {sqlite(tmp_path)}\nspool = {tmp_path}/spool\n[flusher]\n{given}\n")
    command = [sys.executable, "-c", TELL, "--config", str(path)]
    done = subprocess.run(["nice", "-n", str(max(0, started - ours)), *command, "flush", "--once"], check=True,
                          capture_output=True, text=True, start_new_session=alone)
    told = done.stderr.split()
    assert told[:2] == [str(max(nice, ours)), str(batch)]
    if alone and batch and told[2:]:
        assert told[2] == told[0]  # Linux weighs sessions, where it does: this one is the flusher's own
