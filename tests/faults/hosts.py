"""Hosts that boot again, come late, share a name, or are a copy of another."""

from __future__ import annotations

import itertools
import random
import shutil
import time

from swiftstats import periods
from tests.faults.harness import PERIOD, Harness
from tests.faults.host import Host
from tests.faults.machine import Machine
from tests.faults.site import another_host
from tests.faults.table import Fault
from tests.support.caller import token_of

_numbers = itertools.count(1)


def reboot(harness: Harness, chance: random.Random) -> None:
    """In the middle of a period: every process is gone, and the kernel has another boot id. The disk is as it was."""
    host = harness.apart
    assert host.machine is not None
    before = host.incarnation()
    host.proxy.kill()
    host.flusher.kill()
    host.machine.boot_again()
    host.proxy.start()
    host.flusher.start()
    host.load.work(30)
    assert host.incarnation() != before


def late(harness: Harness, chance: random.Random) -> None:
    """A host counts unheard of while the site completes periods without it; what it then ships are corrections."""
    name = f"late{next(_numbers)}"
    token = token_of(harness.site.swift, harness.site.swift.user("admin"))
    with another_host(harness.folder / name, harness.site, name, token, harness.seed, name=name, workers=1) as host:
        host.flusher.kill()
        begin = periods.floor(time.time(), PERIOD)
        with host.load:
            host.load.work(20)
            harness.pass_periods(1)
            for one in harness.hosts:
                one.wait_closed(begin + PERIOD)
            host.flusher.start()
            host.load.work(20)
        _leave(harness, host)


def same_name(harness: Harness, chance: random.Random) -> None:
    """A second host with the server name of the first is a writer of its own, and both are waited for."""
    name = f"same{next(_numbers)}"
    token = token_of(harness.site.swift, harness.site.swift.user("admin"))
    with another_host(harness.folder / name, harness.site, harness.plain.name, token, harness.seed, name=name, workers=1) as host:
        with host.load:
            host.load.work(40)
            harness.work()
        _leave(harness, host)


def cloned(harness: Harness, chance: random.Random) -> None:
    """A machine copied with its spool and identity, under another boot id, beside the original: both count on."""
    name = f"clone{next(_numbers)}"
    token = token_of(harness.site.swift, harness.site.swift.user("admin"))
    folder = harness.folder / name
    folder.mkdir()
    with Machine(folder) as machine:
        copy = machine.inside(machine.spool)
        for entry in harness.apart.path.iterdir():
            shutil.copytree(entry, copy / entry.name) if entry.is_dir() else shutil.copy2(entry, copy / entry.name)
        with another_host(folder, harness.site, harness.apart.name, token, harness.seed, machine=machine, name=name,
                          workers=1) as host:
            with host.load:
                host.load.work(40)
                harness.work()
                harness.pass_periods(1)
            _leave(harness, host)


def _leave(harness: Harness, host: Host) -> None:
    """Take a host out of service in order; everything that its clients did must be in the answers."""
    host.proxy.stop()
    host.flusher.stop()
    host.flush()
    found = harness.differences(host.load.seen)
    assert not found, f"seed {harness.seed}, {host.name}:\n" + "\n".join(found)
    harness.retire(host, host.incarnation())


FAULTS = (
    Fault("reboot", reboot, served=False),
    Fault("late-host", late),
    Fault("same-server-name", same_name),
    Fault("cloned-spool", cloned),
)
