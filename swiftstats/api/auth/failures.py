"""A bound on tokens that nobody knows, for each client address: a flood of them is not passed on to the cluster or Keystone."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Callable

from swiftstats.api.auth.address import household
from swiftstats.api.auth.caller import digest_of
from swiftstats.api.auth.kept import Kept

#: The most addresses that are watched; at the bound the one that failed longest ago is forgotten.
ADDRESSES = 10_000
#: How long a token that was good goes unhindered, in seconds.
_GOOD_SECONDS = 3600.0


class Failures:
    """A bucket for each address, with room for a minute's failures, which drains evenly. Thread-safe.

    It holds nobody up whose token was good lately, from wherever they ask: whoever shares an address with a flood (a proxy that
    is not trusted, a gateway) goes on, and only a newcomer there waits. `clock` gives monotonic seconds.
    """

    def __init__(self, per_minute: int, *, addresses: int = ADDRESSES, clock: Callable[[], float] = time.monotonic) -> None:
        self._room, self._bound, self._clock = float(per_minute), addresses, clock
        self._lock = threading.Lock()  # guards the dictionary
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()  # failures still counted, and when
        self._good: Kept[bool] = Kept(seconds=_GOOD_SECONDS, clock=clock)
        self._told: Kept[bool] = Kept(seconds=_GOOD_SECONDS, clock=clock)

    def wait(self, address: str, token: str) -> float:
        """Return for how many seconds a token from an address is not to be tried: mostly 0."""
        over = self._level(household(address)) - (self._room - 1)
        if over <= 0 or self._good.get(digest_of(token)):
            return 0.0
        return over * 60 / self._room

    def failed(self, address: str) -> None:
        """Note a token that nobody knows."""
        key, now = household(address), self._clock()
        with self._lock:
            level = self._drained(key, now)
            self._filled[key] = (min(level + 1, self._room), now)
            self._filled.move_to_end(key)
            while len(self._filled) > self._bound:
                self._filled.popitem(last=False)

    def failed_once(self, address: str, token: str) -> None:
        """Note a token that one server does not know, and of which another could tell, had an account been named.

        It is no failure of the token's, so it counts once, however often it comes; but others would flood the first server.
        """
        key = digest_of(token)
        if not self._told.get(key):
            self._told.keep(key, True)
            self.failed(address)

    def succeeded(self, token: str) -> None:
        """Note a token that is good."""
        self._good.keep(digest_of(token), True)

    def _level(self, key: str) -> float:
        with self._lock:
            return self._drained(key, self._clock())

    def _drained(self, key: str, now: float) -> float:
        """Return the failures that still count; the caller holds the lock."""
        level, since = self._filled.get(key, (0.0, now))
        return max(0.0, level - (now - since) * self._room / 60)
