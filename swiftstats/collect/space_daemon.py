"""The space crawler as a daemon: a crawl at once, then one after each interval, until SIGTERM or SIGINT.

While the database, or whatever else a crawl needs, is away, it tries again with growing pauses, and says so once per outage. A
signal ends a crawl after the accounts that are being read; what was read stands, and the run is recorded as not complete.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import FrameType
from typing import Callable

from swiftstats.collect.space import Outcome
from swiftstats.errors import SwiftStatsError

logger = logging.getLogger("swiftstats.space")

#: The pause after a first failure and the longest one (s).
BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 60.0


class Daemon:
    """Crawls until told to stop. `crawl` is one crawl, which ends early when `stop` is set; `interval` in seconds."""

    def __init__(self, crawl: Callable[[], Outcome], *, interval: float, stop: threading.Event,
                 clock: Callable[[], float] = time.time) -> None:
        self._crawl, self._interval, self._stop, self._clock = crawl, interval, stop, clock
        self._pause = BACKOFF_SECONDS
        self._away = False

    def handle_signals(self) -> None:
        """End cleanly on SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def run(self) -> None:
        """Crawl now, and then each time that a multiple of the interval has passed."""
        while not self._stop.is_set():
            before = self._clock()
            self._stop.wait(self._until_next(before) if self._guarded() else self._backoff())

    def _until_next(self, began: float) -> float:
        """Return the seconds until the next crawl is due, none where this one lasted longer than the interval."""
        due = (began // self._interval + 1) * self._interval
        # A clock that was set back must not stop the crawler for as long.
        return min(max(due - self._clock(), 0.0), self._interval)

    def _backoff(self) -> float:
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_BACKOFF_SECONDS)
        return pause

    def _guarded(self) -> bool:
        """Crawl; tell whether it came to an end of its own."""
        try:
            self._crawl()
        except (SwiftStatsError, OSError) as error:
            if not self._away:
                logger.error("cannot crawl, what is not read is unknown until it works again: %s", error)
            self._away = True
            return False
        except Exception:
            logger.exception("a crawl failed for a reason that nobody thought of, trying again")
            self._away = True
            return False
        if self._away:
            logger.warning("crawling works again")
        self._away, self._pause = False, BACKOFF_SECONDS
        return True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()
