"""The spool: a full disk, permissions, a read-only mount, files that are removed or damaged, and more flushers than one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from swiftstats.journal import layout
from swiftstats.journal.spool import Lock
from tests.faults.harness import Harness
from tests.faults.host import Host, command
from tests.faults.table import Fault, Inject, Loss


def disk_full(harness: Harness, chance: random.Random) -> None:
    """Requests are served, and what is not counted is said to be."""
    host = harness.apart
    filler = host.path / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)
    harness.pass_periods(1.5)
    host.load.work(30)
    filler.unlink()
    harness.pass_periods(1)


def no_permission(harness: Harness, chance: random.Random) -> None:
    host = harness.apart
    os.chmod(host.path / "segments", 0)
    try:
        harness.pass_periods(1.5)
        host.load.work(30)
    finally:
        os.chmod(host.path / "segments", 0o700)
    harness.pass_periods(1)


def read_only(harness: Harness, chance: random.Random) -> None:
    """As a disk is after an error: nothing new can be opened for writing."""
    host = harness.apart
    assert host.machine is not None
    path, aside = str(host.spool_path), host.machine.folder / "read-only"
    aside.mkdir(exist_ok=True)
    # Made read-only elsewhere: in its place somebody may have a file open for writing by then.
    host.machine.mount("--bind", path, str(aside))
    host.machine.mount("-o", "remount,bind,ro", str(aside))
    host.machine.mount("--bind", str(aside), path)
    host.machine.mount(str(aside), command="umount")
    try:
        harness.pass_periods(1.5)
        host.load.work(30)
    finally:
        host.machine.mount("-l", path, command="umount")
    harness.pass_periods(1)


def removed(harness: Harness, chance: random.Random) -> None:
    """Everything in it, in the middle of a period, under running workers and flusher: a new writer begins."""
    host = harness.apart
    for entry in host.path.iterdir():
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
    harness.pass_periods(1)
    host.load.work(30)
    harness.spool_has_gone(host)


def wiped(harness: Harness, chance: random.Random) -> None:
    """While nothing runs: as a machine that was installed anew."""
    host = harness.apart
    host.proxy.kill()
    host.flusher.kill()
    for entry in host.path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    host.proxy.start()
    host.flusher.start()
    host.load.work(30)
    harness.pass_periods(1)
    harness.spool_has_gone(host)


def between_sweeps(host: Host) -> Lock:
    """Keep sweeps out: what one under way has decided, it ships and removes, whatever becomes of a segment meanwhile."""
    return host.spool.lock("sweep.lock", fcntl.LOCK_EX)


def damaged(damage: Callable[[Path, random.Random], None]) -> Inject:
    """Return a fault: a worker is killed, and its segments are damaged before the flusher looks at them again."""

    def inject(harness: Harness, chance: random.Random) -> None:
        host = harness.apart
        host.load.work(10)
        with between_sweeps(host):
            victim = host.a_worker(chance)
            host.proxy.kill_worker(victim)
            for segment in host.segments():
                if int(segment.name.split("-")[1]) == victim:
                    damage(Path(segment.path), chance)
            host.proxy.wait_for_workers(without=[victim])
        harness.pass_periods(1)

    return inject


def _truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(1, path.stat().st_size))


def _empty(path: Path, chance: random.Random) -> None:
    os.truncate(path, 0)


def _random_bytes(path: Path, chance: random.Random) -> None:
    _overwrite(path, layout.HEADER_BYTES, chance.randbytes(512))


def _torn_header(path: Path, chance: random.Random) -> None:
    _overwrite(path, 0, bytes(40))


def _overwrite(path: Path, offset: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(content)


def newer_version(harness: Harness, chance: random.Random) -> None:
    """A segment of a newer format holds its period up, untouched, until the flusher understands it."""
    host = harness.apart
    host.load.work(10)
    with between_sweeps(host):
        victim = host.a_worker(chance)
        host.proxy.kill_worker(victim)
        host.proxy.wait_for_workers(without=[victim])
        changed = {Path(one.path): Path(one.path).read_bytes()[: layout.HEADER_BYTES] for one in host.segments()
                   if int(one.name.split("-")[1]) == victim}
        for path, header in changed.items():
            words = memoryview(bytearray(header)).cast("Q")
            words[layout.H_VERSION] = layout.VERSION + 1
            words[layout.H_CRC] = layout.header_crc(words.tobytes())
            _overwrite(path, 0, words.tobytes()[: layout.H_STATE * layout.WORD])
    harness.pass_periods(2)
    for path, header in changed.items():
        assert path.exists(), "a segment of a newer version is gone"
        _overwrite(path, 0, header[: layout.H_STATE * layout.WORD])


def two_flushers(harness: Harness, chance: random.Random) -> None:
    """A second daemon goes at once; sweeps beside the first wait for their turn."""
    host = harness.plain
    host.command("flush", status=1)
    sweeps = [subprocess.Popen(command(host.configuration, "flush", "--once"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [sweep.wait(90) for sweep in sweeps] == [0] * 4


FAULTS = (
    Fault("spool-full", disk_full, loss=Loss.COUNTED),
    Fault("spool-no-permission", no_permission, loss=Loss.COUNTED),
    Fault("spool-read-only", read_only, loss=Loss.COUNTED),
    Fault("spool-removed", removed, loss=Loss.NAMED),
    Fault("spool-wiped", wiped, served=False, loss=Loss.NAMED),
    Fault("segment-truncated", damaged(_truncate), served=False, loss=Loss.NAMED),
    Fault("segment-empty", damaged(_empty), served=False, loss=Loss.NAMED, short=False),
    Fault("segment-random-bytes", damaged(_random_bytes), served=False, loss=Loss.NAMED),
    Fault("segment-torn-header", damaged(_torn_header), served=False, loss=Loss.NAMED, short=False),
    Fault("segment-newer-version", newer_version, served=False),
    Fault("two-flushers", two_flushers),
)
