"""What a fault is, and the table of all: one function each, in short modules by what they break."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.harness import Harness

Inject = Callable[["Harness", random.Random], None]


class Loss(enum.Enum):
    """What a fault may cost of what was not shipped: nothing; what is recorded to the byte; what is recorded, not how much."""

    NONE = "none"
    COUNTED = "counted"
    NAMED = "named"


@dataclass(frozen=True)
class Fault:
    """`inject` does it under load, and lifts it.

    served: clients' requests go on undisturbed; logged: every request is one of Swift's, and in its access log; recovery_seconds:
    the most from its end to the right answer; short: it is in `make test` too.
    """

    name: str
    inject: Inject
    served: bool = True
    loss: Loss = Loss.NONE
    logged: bool = True
    recovery_seconds: float = 90
    short: bool = True

    @property
    def is_whole(self) -> bool:
        """Tell whether the access log has line by line what was metered: a killed worker, and a loss, leave them apart."""
        return self.served and self.logged and self.loss is Loss.NONE


def all_faults() -> dict[str, Fault]:
    """Return every fault by name; first those after which the access log is whole."""
    from tests.faults import clocks, connection, database, hosts, load, power, processes, spool

    found: dict[str, Fault] = {}
    for module in (load, processes, database, connection, clocks, spool, power, hosts):
        for fault in module.FAULTS:
            assert fault.name not in found
            found[fault.name] = fault
    return dict(sorted(found.items(), key=lambda item: not item[1].is_whole))
