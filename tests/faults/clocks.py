"""Clocks of a flusher and of workers, moved: back, forward, apart from each other, and while a worker is stopped."""

from __future__ import annotations

import random
import time

from tests.faults.harness import DAY, PERIOD, Harness
from tests.faults.host import stopped
from tests.faults.table import Fault, Inject

HOUR = 3600


def moved(seconds: int, *whose: str) -> Inject:
    """Return a fault: these clocks of the host `apart` are so far ahead for some periods."""

    def inject(harness: Harness, chance: random.Random) -> None:
        host = harness.apart
        for name in whose:
            host.clocks[name].move(seconds)
        try:
            harness.pass_periods(1.5)
            host.load.work(30)
        finally:
            for name in whose:
                host.clocks[name].move(0)
        host.wait_closed(PERIOD * (time.time() // PERIOD))

    return inject


def smeared(harness: Harness, chance: random.Random) -> None:
    """A second is smeared over the end of periods: workers' clocks are behind and fast, the flusher's is ahead and slow."""
    host = harness.apart
    host.clocks["worker"].move(-0.5, 1.001)
    host.clocks["flusher"].move(0.5, 0.999)
    try:
        harness.pass_periods(2.5)
        host.load.work(30)
    finally:
        for clock in host.clocks.values():
            clock.move(0)
    host.wait_closed(PERIOD * (time.time() // PERIOD))


def stopped_for_an_hour(harness: Harness, chance: random.Random) -> None:
    """A worker stopped over the end of a period goes on an hour later, as its clock and the flusher's have it."""
    host = harness.apart
    try:
        with stopped(host.a_worker(chance)):
            for clock in host.clocks.values():
                clock.move(HOUR)
            harness.pass_periods(1.5)
        host.load.work(30)
    finally:
        for clock in host.clocks.values():
            clock.move(0)


# Where a worker's clock goes back, Swift itself refuses uploads of what another has a newer one of.
FAULTS = (
    Fault("flusher-hour-back", moved(-HOUR, "flusher")),
    Fault("flusher-day-ahead", moved(DAY, "flusher")),
    Fault("workers-hour-back", moved(-HOUR, "worker"), served=False),
    Fault("workers-hour-ahead", moved(HOUR, "worker"), served=False, short=False),
    Fault("host-hour-back", moved(-HOUR, "worker", "flusher"), served=False, short=False),
    Fault("host-day-ahead", moved(DAY, "worker", "flusher"), served=False),
    Fault("leap-second-smeared", smeared),
    Fault("worker-stopped-for-an-hour", stopped_for_an_hour, served=False),
)
