"""The connection to the database: cut at a statement of choice, at any, with the reply lost; and slow."""

from __future__ import annotations

import random

from swiftstats.demo.processes import wait_for
from tests.faults.harness import Harness
from tests.faults.table import Fault, Inject
from tests.faults.wire import Cut

#: Statements that wait so long (s), so many of them.
SLOW_SECONDS, SLOW_STATEMENTS = 2.0, 6


def cut(statement: bytes, where: Cut, times: int) -> Inject:
    """Return a fault: so many connections end there."""

    def inject(harness: Harness, chance: random.Random) -> None:
        harness.wire.cut(statement, where, times=times)
        try:
            wait_for(lambda: harness.wire.applied >= times, seconds=90, what=f"{times} connections to be cut")
        finally:
            harness.wire.heal()

    return inject


def cut_any(harness: Harness, chance: random.Random) -> None:
    """At any statement, every way."""
    for _ in range(8):
        harness.wire.cut(chance.choice((b"", b"INSERT", b"UPDATE", b"SELECT", b"COMMIT")), chance.choice(list(Cut)), times=1)
        wait_for(lambda: harness.wire.applied >= 1, seconds=60, what="a connection to be cut")
    harness.wire.heal()


def slow(harness: Harness, chance: random.Random) -> None:
    harness.wire.slow(SLOW_SECONDS)
    try:
        wait_for(lambda: harness.wire.applied >= SLOW_STATEMENTS, seconds=60, what="slow statements")
        harness.work()
    finally:
        harness.wire.heal()


FAULTS = (
    *(Fault(f"cut-{where.value.replace(' ', '-')}-commit", cut(b"COMMIT", where, 3)) for where in Cut),
    Fault("cut-any", cut_any),
    Fault("slow", slow),
)
