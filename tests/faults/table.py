"""What a fault is, and the table of all: one function each, in short modules by what they break."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.harness import Harness

Inject = Callable[["Harness", random.Random], None]


@dataclass(frozen=True)
class Fault:
    """`inject` does it under load, and lifts it.

    served: clients' requests go on undisturbed; loses: what was not shipped may be gone, and then a loss is recorded;
    recovery_seconds: the most from its end to the right answer; short: it is in `make test` too.
    """

    name: str
    inject: Inject
    served: bool = True
    loses: bool = False
    recovery_seconds: float = 60
    short: bool = True


def all_faults() -> dict[str, Fault]:
    """Return every fault by name."""
    from tests.faults import clocks, connection, database, hosts, load, processes, spool

    found: dict[str, Fault] = {}
    for module in (load, processes, database, connection, clocks, spool, hosts):
        for fault in module.FAULTS:
            assert fault.name not in found
            found[fault.name] = fault
    return found
