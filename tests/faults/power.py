"""A power cut: everything stops at once, and the next boot finds what had been forced to disk; no more than a moment is lost."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import threading
import time
from pathlib import Path

from swiftstats.demo.processes import wait_for
from tests.faults.harness import Harness
from tests.faults.host import until
from tests.faults.losses import REQUESTS
from tests.faults.machine import ROOT, Machine
from tests.faults.site import another_host
from tests.faults.table import Fault
from tests.support.caller import token_of
from tests.support.load import Load

#: The default of `msync_interval`, which the hosts here have; and what a round of syncs may take on a busy machine (s).
MSYNC_SECONDS, ROUND_SECONDS = 1.0, 5.0

_numbers = itertools.count(1)


class Disk:
    """What a disk has of a spool: `synced/sitecustomize.py` writes it, in the flusher."""

    def __init__(self, folder: Path, spool: Path) -> None:
        self.folder = folder
        self.environment = {"SYNCED_SPOOL": str(spool), "SYNCED_DISK": str(folder),
                            "PYTHONPATH": os.pathsep.join((str(ROOT / "tests" / "faults" / "synced"), str(ROOT)))}

    def rounds(self) -> list[float]:
        """Return when each round of syncs began that was finished (monotonic s)."""
        path = self.folder / "rounds"
        return [float(line) for line in path.read_text().splitlines()] if path.exists() else []

    def restore(self, spool: Path) -> None:
        """Make the spool what it is after a power cut."""
        for entry in spool.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name, inode, length in json.loads((self.folder / "names").read_text()):
            kept, path = self.folder / str(inode), spool / name
            path.parent.mkdir(exist_ok=True, mode=0o700)
            path.write_bytes(kept.read_bytes() if kept.exists() else bytes(length))
            path.chmod(0o600)


class History:
    """How many requests of each account had finished when: read from the load now and then by a thread of its own."""

    def __init__(self, load: Load) -> None:
        self._load, self._ending = load, threading.Event()
        self._moments: list[tuple[float, dict[str, int]]] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> History:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def before(self, moment: float) -> dict[str, int]:
        """Return what had finished by then, at least."""
        return max((entry for entry in self._moments if entry[0] <= moment), default=(0.0, {}))[1]

    def _watch(self) -> None:
        while not self._ending.wait(0.02):
            finished = requests(self._load)
            self._moments.append((time.monotonic(), finished))


def requests(load: Load) -> dict[str, int]:
    """Return how many requests of each account clients saw finish."""
    return {account: sum(seen.finished[title] for title in REQUESTS) for account, seen in list(load.seen.items())}


def power_cut(harness: Harness, chance: random.Random) -> None:
    """What was counted before the last round of syncs began is there; what is lost is of the moment since."""
    name = f"power{next(_numbers)}"
    token = token_of(harness.site.swift, harness.site.swift.user("admin"))
    folder = harness.folder / name
    with Machine(folder) as machine:
        disk = Disk(folder / "disk", machine.spool)
        with another_host(folder, harness.site, name, token, harness.seed, machine=machine, name=name, workers=1,
                          flusher=disk.environment) as host, host.load:
            host.load.work(20)
            with History(host.load) as history:
                rounds = len(disk.rounds())
                wait_for(lambda: len(disk.rounds()) > rounds + 1, seconds=60, what="segments to be synced")
                until(time.time() + chance.uniform(0, MSYNC_SECONDS))
                host.load.work(1)
                host.proxy.kill()
                host.flusher.kill()
                cut = time.monotonic()
            synced, finished = disk.rounds()[-1], requests(host.load)
            disk.restore(host.path)
            machine.boot_again()
            host.proxy.start()
            host.flusher.start()
            host.load.work(20)
            # Who came before the cut is ended by its successor's second close; retired sooner, that would never come.
            wait_for(lambda: harness.live(name) == {host.incarnation()}, seconds=60, what=f"{name} to end its predecessor")
        host.flush()
        _check(harness, host.load, finished, history.before(synced), cut - synced)
        harness.retire(host, host.incarnation())


def _check(harness: Harness, load: Load, finished: dict[str, int], synced: dict[str, int], seconds: float) -> None:
    harness.shipped.update({account: {} for account in finished})
    found = harness.differences(load.seen)
    assert not found, f"seed {harness.seed}:\n" + "\n".join(found)
    stored = {account: sum(harness.stored(account)[title] for title in REQUESTS) for account in load.seen}
    lost = {account: f"{number} had finished before the last round of syncs, {stored[account]} are there"
            for account, number in synced.items() if stored[account] < number}
    assert not lost, f"seed {harness.seed}: {lost}"
    # Of accounts that were in use at the cut there may be more by now than had finished then: at least so many are missing.
    missing = sum(max(sum(seen.finished[title] for title in REQUESTS) - stored[account], 0)
                  for account, seen in load.seen.items())
    assert seconds < MSYNC_SECONDS + ROUND_SECONDS, f"the last round of syncs was {seconds:.1f} s ago"
    harness.costs["power-cut"] = (f"{missing} requests of the last {seconds:.2f} s are missing, of"
                                  f" {sum(finished.values()) - sum(synced.values())} that finished in it")


FAULTS = (Fault("power-cut", power_cut, logged=False),)
