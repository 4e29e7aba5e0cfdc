"""For a flusher whose machine is going to lose its power: keeps, beside the spool, what a disk would have of it.

That is the worst that a journaling file system does: every name as it was at the last sync of anything, and of each file the
content that itself was synced; one that never was has its length, and zeros. SYNCED_SPOOL is watched, SYNCED_DISK written:
`names` (name, inode and length of each file), one file an inode, and `rounds`, when each round of syncs began (monotonic s).
This folder is in PYTHONPATH of such processes only, and Python imports this module by its name when it starts.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time

SPOOL, DISK = os.environ["SYNCED_SPOOL"], os.environ["SYNCED_DISK"]
_lock = threading.Lock()  # the daemon syncs in two threads


def _keep(fd: int) -> None:
    """The file of `fd` has been synced, and with it the names of all."""
    status = os.fstat(fd)
    with _lock:
        if stat.S_ISREG(status.st_mode):
            with open(f"/proc/self/fd/{fd}", "rb") as source:
                _replace(str(status.st_ino), source.read())
        names = []
        for folder, _, files in os.walk(SPOOL):
            for name in files:
                path = os.path.join(folder, name)
                try:
                    found = os.stat(path)
                except FileNotFoundError:
                    continue
                names.append((os.path.relpath(path, SPOOL), found.st_ino, found.st_size))
        _replace("names", json.dumps(names).encode())
        for left in set(os.listdir(DISK)) - {str(inode) for _, inode, _ in names} - {"names", "rounds"}:
            os.unlink(os.path.join(DISK, left))  # its number may be another file's soon


def _replace(name: str, content: bytes) -> None:
    path = os.path.join(DISK, name)
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.rename(path + ".new", path)


def _watch() -> None:
    from swiftstats.flush.daemon import Daemon
    from swiftstats.journal.control import Control

    fsync, fdatasync, sync, syncing = os.fsync, os.fdatasync, Control.sync, Daemon._sync_segments

    def synced(fd: int) -> None:
        fsync(fd)
        _keep(fd)

    def data_synced(fd: int) -> None:
        fdatasync(fd)
        _keep(fd)

    def control_synced(control: Control) -> None:
        sync(control)
        with open(control.path, "rb") as file:
            _keep(file.fileno())

    def round_of_syncs(daemon: Daemon) -> None:
        began = time.monotonic()
        syncing(daemon)
        with open(os.path.join(DISK, "rounds"), "a", encoding="ascii") as file:
            file.write(f"{began}\n")

    os.fsync, os.fdatasync, Control.sync, Daemon._sync_segments = synced, data_synced, control_synced, round_of_syncs  # type: ignore


if "flush" in sys.orig_argv:
    os.makedirs(DISK, exist_ok=True)
    _watch()
