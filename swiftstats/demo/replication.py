"""Run Swift's account replicators once, with the rsync daemon through which they copy whole databases."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from swiftstats.demo.processes import DemoError, Process, listening

#: What one replicator has, to look at every database once (s).
SECONDS = 60
_CONFIGURATION = """\
use chroot = no
max connections = 0
{user}[account]
path = {folder}/devices
read only = no
"""


def run(replicators: Sequence[Process], *, folder: Path, port: int) -> None:
    """Run each to its end, one after the other; rsync serves `folder`/devices on `port`. Raises DemoError where one fails."""
    program = shutil.which("rsync")
    if program is None:
        raise DemoError("Swift's account replicator needs rsync; install it with: apt-get install rsync")
    path = folder / "rsyncd.conf"
    # As root it would write as nobody.
    path.write_text(_CONFIGURATION.format(folder=folder, user="uid = 0\ngid = 0\n" if os.geteuid() == 0 else ""))
    daemon = Process("rsync", [program, "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={path}"],
                     folder / "log" / "rsync.log")
    daemon.start()
    try:
        daemon.wait_ready(lambda: listening(port))
        for replicator in replicators:
            replicator.argv.append("once")
            replicator.start()
            status = replicator.wait(seconds=SECONDS)
            if status:
                raise DemoError(f"the account replicator ended with status {status}\n{replicator.tail()}")
    finally:
        daemon.stop()
