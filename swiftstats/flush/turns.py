"""Take turns at what one process does for the whole site: who has the turn says so first thing in each of its transactions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator

from sqlalchemy.engine import Connection, Engine

from swiftstats.errors import StoreError, SwiftStatsError
from swiftstats.flush.shipping import Result, transact
from swiftstats.store import engine as engines
from swiftstats.store import rollups

#: The pause after a transaction, for whoever waits to write (s).
PAUSE_SECONDS = 0.01


class NotOurTurn(SwiftStatsError):
    """Another process has the turn, or has taken it over; the message says which."""


class Turn:
    """Transactions that have the turn. `holder` names this process to others; `now` is asked where the database has no clock."""

    def __init__(self, engine: Engine, holder: str, now: Callable[[], float]) -> None:
        self.engine, self.holder, self._now = engine, holder.encode("utf-8", "surrogateescape")[:255], now

    def clock(self) -> float:
        """Return the database's time."""
        with engines.read(self.engine) as connection:
            return engines.now(connection, self._now)

    def transact(self, body: Callable[[Connection], Result]) -> Result:
        """Run `body` in one transaction that has the turn, again where it lost a deadlock, and return what it does."""
        return transact(self.engine, lambda connection: self._run(body, connection))

    def once(self, body: Callable[[Connection], Result]) -> Result:
        """Do the same without trying again; raises DatabaseBusy."""
        with engines.write(self.engine) as connection:
            return self._run(body, connection)

    def give(self) -> None:
        """Let others have the turn, if it is ours."""
        transact(self.engine, lambda connection: rollups.give_turn(connection, self.holder))

    def _run(self, body: Callable[[Connection], Result], connection: Connection) -> Result:
        now = int(engines.now(connection, self._now))
        if not rollups.take_turn(connection, self.holder, now):
            raise NotOurTurn(f"{(rollups.turn(connection, now) or b'?').decode('utf-8', 'replace')} has the turn")
        return body(connection)


class Idle:
    """Does the site's work between other work, in one thread: goes on where it was left, and is stopped after any step.

    `begin` begins the work, yielding after each step; `cannot`: what the log says before the reason that it cannot go on.
    """

    def __init__(self, begin: Callable[[], Generator[object, None, None]], *, stop: threading.Event, logger: logging.Logger,
                 cannot: str) -> None:
        self._begin, self._stop, self._logger, self._cannot = begin, stop, logger, cannot
        self._job: Generator[object, None, None] | None = None
        self._failed = False

    def work(self, seconds: float) -> None:
        """Go on until nothing is left to do, it is stopped, or `seconds` have passed; what keeps it from that is logged once."""
        give_up = time.monotonic() + seconds
        try:
            self._job = self._job or self._begin()
            while not self._stop.is_set() and time.monotonic() < give_up:
                if next(self._job, None) is None:
                    self._job = None
                    break
                self._stop.wait(PAUSE_SECONDS)
            self._failed = False
        except NotOurTurn as error:
            self._logger.debug("%s", error)
            self._job = None
        except StoreError as error:
            if not self._failed:
                self._logger.warning("%s: %s", self._cannot, error)
            self._failed, self._job = True, None

    def end(self) -> None:
        """Let others have the turn."""
        if self._job is not None:
            self._job.close()
