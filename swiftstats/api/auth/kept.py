"""What another server said of a token lately: a bounded memory, keyed by hash."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Callable, Generic, TypeVar

#: The most answers that are kept.
ENTRIES = 10_000
T = TypeVar("T")


class Kept(Generic[T]):
    """Answers, each for at most `seconds`; at the bound the least recently used goes first. `clock` gives monotonic seconds."""

    def __init__(self, *, seconds: float, entries: int = ENTRIES, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._bound, self._clock = seconds, entries, clock
        self._lock = threading.Lock()  # guards the dictionary, and is never held while a server is asked
        self._entries: OrderedDict[bytes, tuple[T, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> T | None:
        """Return what is kept under a hash, or None."""
        now = self._clock()
        with self._lock:
            found = self._entries.get(key)
            if found is None or now >= found[1]:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def keep(self, key: bytes, value: T, *, since: float | None = None, at_most: float | None = None) -> None:
        """Keep a value. since: the clock's time when it was asked for; at_most: fewer seconds than usual."""
        seconds = self._seconds if at_most is None else min(self._seconds, at_most)
        until = (self._clock() if since is None else since) + seconds
        with self._lock:
            self._entries[key] = (value, until)
            self._entries.move_to_end(key)
            while len(self._entries) > self._bound:
                self._entries.popitem(last=False)

    def now(self) -> float:
        """Return the clock's time."""
        return self._clock()
