"""Count usage from any code: the plug-in form of the meter, and what the filter counts with.

    meter = Meter(spool="/var/lib/swiftstats/spool", server="proxy-01")
    meter.count("AUTH_7f6a", "PUT", 201, bytes_in=1023, bytes_out=0)

Nothing is opened before the first count. Counting never raises and never waits; it goes on in a forked child and in threads.
"""

from __future__ import annotations

import logging
import socket
import time
from typing import Any, Callable, Optional, Sequence, Tuple, Union

from swiftstats import options
from swiftstats.collect import classify
from swiftstats.fields import CELL_INDEX, NAME_BYTES, UNKNOWN
from swiftstats.journal.counters import Counters

#: A failure of the metering itself is logged at most once in so many seconds.
LOG_SECONDS = 60.0

PASSED_IN = CELL_INDEX["passed_in"]
PASSED_OUT = CELL_INDEX["passed_out"]
UNBILLED_IN = CELL_INDEX["unbilled_bytes_in"]
UNBILLED_OUT = CELL_INDEX["unbilled_bytes_out"]


class Meter:
    """One process's way into the journal.

    `reseller_prefix` is a text such as `AUTH, SERVICE` or the names with their underscores. `counters` is for tests;
    `spawner` sees to the flusher (spawn.py), where the options ask for that.
    """

    def __init__(self, *, spool: str, server: Optional[str] = None, period_seconds: int = 3600,
                 reseller_prefix: Union[str, Sequence[str]] = "AUTH", max_unproven_names: int = 10000,
                 spool_max_bytes: int = 4 * 2**30, logger: Any = None, counters: Any = None, spawner: Any = None) -> None:
        text = reseller_prefix if isinstance(reseller_prefix, str) else ",".join(reseller_prefix)
        self.prefixes: Tuple[str, ...] = options.prefixes(text)
        self.logger = logger or logging.getLogger("swiftstats")
        self.counters = counters or Counters(
            spool, server=server or socket.gethostname(), period_seconds=period_seconds, max_unproven_names=max_unproven_names,
            spool_max_bytes=spool_max_bytes, logger=self.logger)
        self.add_at = self.counters.add_at
        #: add(account, increments, evidence) -> where, for `add_at`, or None where it is lost; see Counters.add.
        self.add: Callable[[str, Tuple[int, ...], bool], Any] = self.counters.add if spawner is None else self._add_and_look
        self._spawner = spawner
        self._troubles = 0
        self._logged_at = float("-inf")

    def count(self, account: Union[str, bytes], method: str, status: int, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Count one finished request: body bytes read from the client and given to it.

        `account` is a name as people write it (or its bytes); one without a reseller prefix gets the first, `(unknown)` stands
        for an account that nobody knows. `method` and `status` are HTTP's.
        """
        try:
            if bytes_in < 0 or bytes_out < 0:
                raise ValueError(f"bytes of a request cannot be {bytes_in} in, {bytes_out} out")  # counters only grow
            name = self._name(account)
            outcome = classify.outcome(classify.KINDS.get(method, "OTHER"), int(status), False)
            increments = with_bytes(outcome.increments, bytes_in, bytes_out, outcome.billable)
            self.add(name, increments, name != UNKNOWN and outcome.proof != classify.NEVER)
        except Exception:
            self.trouble()

    def close(self) -> None:
        """Let go of the journal's files; what was counted stays in them."""
        self.counters.close()

    def _add_and_look(self, account: str, increments: Tuple[int, ...], evidence: bool) -> Any:
        place = self.counters.add(account, increments, evidence)
        if time.monotonic() >= self._spawner.due:
            # After the first count, so that the flusher finds a worker that lives.
            self._spawner.look()
        return place

    def trouble(self) -> None:
        """Log the exception in flight, at most once per LOG_SECONDS: the metering failed, and the request goes on."""
        try:
            self._troubles += 1
            now = time.monotonic()
            if now - self._logged_at >= LOG_SECONDS:
                count, self._troubles, self._logged_at = self._troubles, 0, now
                self.logger.error("swiftstats: metering failed %d times, requests are served: the last", count, exc_info=True)
        except Exception:  # a broken log is no reason to fail a request
            pass

    def _name(self, account: Union[str, bytes]) -> str:
        raw = account if isinstance(account, bytes) else account.encode("utf-8", "surrogateescape")
        name = raw.decode("latin-1") or UNKNOWN
        if name != UNKNOWN and not name.startswith(self.prefixes):
            name = self.prefixes[0] + name
        return name if len(name) <= NAME_BYTES else UNKNOWN


def with_bytes(increments: Tuple[int, ...], bytes_in: int, bytes_out: int, billable: bool) -> Tuple[int, ...]:
    """Return `increments` and those of bytes that passed; what is not billable is passed first, and then unbilled."""
    if bytes_in:
        increments += (PASSED_IN, bytes_in) if billable else (PASSED_IN, bytes_in, UNBILLED_IN, bytes_in)
    if bytes_out:
        increments += (PASSED_OUT, bytes_out) if billable else (PASSED_OUT, bytes_out, UNBILLED_OUT, bytes_out)
    return increments
