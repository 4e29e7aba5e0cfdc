"""Run Swift's account replicators once, with the rsync daemon through which they copy whole databases."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from swiftstats.demo import rings
from swiftstats.demo.processes import DemoError, Process, listening

if TYPE_CHECKING:
    from swiftstats.demo.swift import Swift

#: What one replicator has, to look at every database once (s).
SECONDS = 60
_CONFIGURATION = """\
use chroot = no
max connections = 0
{user}[account]
path = {folder}/devices
read only = no
"""


def accounts(swift: Swift) -> None:
    """Run the replicator of each account server, one after the other; raise DemoError where one fails."""
    program = shutil.which("rsync")
    if program is None:
        raise DemoError("Swift's account replicator needs rsync; install it with: apt-get install rsync")
    path, port = swift.folder / "rsyncd.conf", swift.ports["rsync"]
    # As root it would write as nobody.
    path.write_text(_CONFIGURATION.format(folder=swift.folder, user="uid = 0\ngid = 0\n" if os.geteuid() == 0 else ""))
    daemon = Process("rsync", [program, "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={path}"],
                     swift.folder / "log" / "rsync.log")
    daemon.start()
    try:
        daemon.wait_ready(lambda: listening(port))
        for name in swift.layout.accounts():
            replicator = swift.server_process("account-replicator", conf=rings.conf(name))
            replicator.argv.append("once")
            replicator.start()
            status = replicator.wait(seconds=SECONDS)
            if status:
                raise DemoError(f"the account replicator ended with status {status}\n{replicator.tail()}")
    finally:
        daemon.stop()
