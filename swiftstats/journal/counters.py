"""What a worker counts with: adds to shared memory, seals obeyed, and never a failure for the request.

One object per process that serves requests, opened at its first count. In a forked eventlet worker and in a threaded server
alike: an update runs under a lock that greenlets of one thread never contend for, since no update yields; one that begins inside
another (a destructor that the garbage collector runs, a signal handler) waits in a queue for the outer one's end.

Where counting is not possible (full disk, no permission, the spool's bound) the request goes on, and what was not counted is
kept as lost per period until a segment can say so.
"""

from __future__ import annotations

import _thread
import logging
import os
import time
import weakref
from collections import deque
from typing import Callable

from swiftstats import periods
from swiftstats.errors import JournalError
from swiftstats.fields import CELL_INDEX, REQUEST_CELLS
from swiftstats.journal.control import CLOSED_THROUGH, Control
from swiftstats.journal.identity import Identity
from swiftstats.journal.segment import Segment, no_space
from swiftstats.journal.spool import Lock, Spool

#: A worker that could not count tries again so long after (s), and looks so often whether its files are still there.
RETRY_SECONDS = 1.0
LOG_SECONDS = 60.0

#: So many segments a worker keeps open: of the running period, the one before, and one a stepped clock may need.
KEPT_OPEN = 3

#: Sealed segments are replaced; a flusher that seals faster than a worker can open is no flusher.
_ATTEMPTS = 8

_PASSED = (CELL_INDEX["passed_in"], CELL_INDEX["passed_out"])
_living: weakref.WeakSet[Counters] = weakref.WeakSet()


class Counters:
    """Counters of one process, in the spool at `spool`. Nothing is opened before the first `add`.

    `clock` gives seconds since 1970 UTC. `max_unproven_names` and `spool_max_bytes` bound what garbage can take.
    """

    _busy: bool
    _queue: deque[tuple[str, tuple[int, ...], bool]]
    _open: dict[int, Segment]  # by start of period
    _current: Segment  # what is counted in, at moments of [_fresh_from, _fresh_until)
    _fresh_from: float
    _fresh_until: float
    _control: Control | None
    _identity: Identity | None
    _worker_lock: Lock | None
    _losses: dict[int, tuple[int, int, int]]  # by start of period: requests, bytes in, bytes out
    _retry_at: float

    def __init__(self, spool: str, *, server: str, period_seconds: int, max_unproven_names: int = 10000,
                 spool_max_bytes: int = 4 * 2**30, clock: Callable[[], float] = time.time,
                 logger: logging.Logger | None = None) -> None:
        self._spool = Spool(spool)
        self._server = server
        self._seconds = period_seconds
        self._max_unproven = max_unproven_names
        self._max_bytes = spool_max_bytes
        self._clock = clock
        self._logger = logger or logging.getLogger("swiftstats")
        self._logged_at = float("-inf")
        self._forget()
        _living.add(self)

    def add(self, account: str, increments: tuple[int, ...], evidence: bool = False) -> tuple[Segment, int] | None:
        """Count for `account` (as WSGI gives it: bytes decoded as latin-1): `increments` is cell, amount, cell, amount, …

        `evidence` says that the request proves the account real. Returns where it was counted, for `add_at`; None: lost.
        Never raises, never waits.
        """
        # PERF: bench/filter.py; a `with` takes twice as long, and so does `self._clock()`, as it is no method. (A signal handler
        # that raises right after the next line leaves the lock with its thread, which may take it again.)
        self._lock.acquire()
        try:
            if self._busy:
                self._queue.append((account, increments, evidence))
                return None
            self._busy = True
            try:
                clock = self._clock
                now = clock()
                # PERF: bench/filter.py; all but the first request of an account, of a period and of a second go this way.
                if self._fresh_from <= now < self._fresh_until:
                    segment = self._current
                    row = segment.proven.get(account)
                    if row is not None and segment.count(row, increments):
                        return segment, row
                return self._add(now, account, increments, evidence)
            except Exception as error:  # whatever it is, it must not become the client's
                self._lose(self._clock(), increments, error)
                return None
            finally:
                self._busy = False
                if self._queue:
                    self._add_queued()
        finally:
            self._lock.release()

    def add_at(self, place: tuple[Segment, int] | None, increments: tuple[int, ...]) -> bool:
        """Count in the very row where something was counted before; False, and nothing counted, where it is closed by now.

        This is how bytes that passed are said to be unbilled: in the same row and period, or nowhere.
        """
        if place is None:
            return False
        with self._lock:
            segment, row = place
            if self._busy or segment not in self._open.values():
                return False
            self._busy = True
            try:
                return segment.count(row, increments)
            finally:
                self._busy = False
                if self._queue:
                    self._add_queued()

    def close(self) -> None:
        """Let go of the files. What was counted stays in them; a later `add` opens them again."""
        with self._lock:
            self._release()

    def __del__(self) -> None:
        # Files and locks are plain descriptors, which nobody else would close.
        try:
            self._release()
        except Exception:  # the interpreter may be going down
            pass

    # All below runs under the lock.

    def _add_queued(self) -> None:
        """Count what began inside an update, by the time that it is over."""
        while self._queue:
            self._busy = True
            try:
                while self._queue:  # asked again: only who is busy takes from it
                    now, (account, increments, evidence) = self._clock(), self._queue.popleft()
                    try:
                        self._add(now, account, increments, evidence)
                    except Exception as error:
                        self._lose(now, increments, error)
            finally:
                self._busy = False

    def _add(self, now: float, account: str, increments: tuple[int, ...], evidence: bool) -> tuple[Segment, int]:
        """Count in a segment that is open, with a row made where there is none; raise where that cannot be."""
        for _ in range(_ATTEMPTS):
            segment = self._current if self._fresh_from <= now < self._fresh_until else self._segment_at(now)
            row = segment.place(account, evidence)
            if segment.count(row, increments):
                return segment, row
            self._drop(segment)
        raise JournalError("segments are sealed as fast as they are opened")

    def _segment_at(self, now: float) -> Segment:
        """Return the segment to count in: that of the clock's period, or of the oldest open one if that is closed."""
        if 0 < self._retry_at - now <= RETRY_SECONDS:
            raise JournalError("the spool could not be used a moment ago")
        if self._control is None or not self._control.is_current() or not os.path.isdir(self._spool.segments):
            self._open_spool(now)
        for segment in list(self._open.values()):
            # In this order: the flusher seals before it unlinks.
            there = segment.is_there()
            if not segment.is_open():
                self._drop(segment)
            elif not there:
                self._lose_segment(segment, now)
        self._current = current = self._opened(now, now)
        self._fresh_from, self._fresh_until = max(now, current.start), min(now + RETRY_SECONDS, current.end)
        for start in sorted(self._open)[:-KEPT_OPEN]:
            if self._open[start] is not current:
                self._drop(self._open[start])  # whoever comes back to that period gets a new segment
        if self._losses:
            self._tell_losses(now)
        return current

    def _opened(self, moment: float, now: float) -> Segment:
        """Return an own segment for the period of `moment`, or for the oldest open period; make it where there is none."""
        for _ in range(_ATTEMPTS):
            start = self._oldest_open(moment)
            segment = self._open.get(start)
            if segment is not None:
                return segment
            segment = self._new_segment(start, now)
            # The file is visible by now: a flusher that has listed the segments without it had raised the word before.
            if start >= self._closed_through():
                self._open[start] = segment
                return segment
            os.unlink(segment.path)
            segment.close()
        raise JournalError("periods are closed as fast as they are opened")

    def _oldest_open(self, now: float) -> int:
        start = periods.floor(now, self._seconds)
        closed = self._closed_through()
        return start if start >= closed else -(-closed // self._seconds) * self._seconds

    def _closed_through(self) -> int:
        assert self._control is not None
        return self._control.get(CLOSED_THROUGH)

    def _open_spool(self, now: float) -> None:
        for segment in list(self._open.values()):
            if not segment.is_there() and segment.is_open():
                self._lose_segment(segment, now)
        self._release()
        try:
            self._identity, self._control = self._spool.prepare(server=self._server, period_seconds=self._seconds, now=int(now))
            self._worker_lock = self._spool.worker_lock()
        except (OSError, JournalError):
            self._retry_at = now + RETRY_SECONDS
            self._control = None
            raise

    def _new_segment(self, start: int, now: float) -> Segment:
        assert self._identity is not None
        try:
            return Segment.create(self._spool.segments, self._spool.new_segment_name(start), start=start, seconds=self._seconds,
                                  incarnation=self._identity.incarnation, created=int(now), max_unproven=self._max_unproven,
                                  may_grow=self._may_grow)
        except OSError:
            self._retry_at = now + RETRY_SECONDS
            raise

    def _may_grow(self, length: int) -> None:
        if self._spool.counter_bytes() + length > self._max_bytes:
            raise no_space(f"the spool's bound of {self._max_bytes} bytes is reached")

    def _drop(self, segment: Segment) -> None:
        for start, known in list(self._open.items()):
            if known is segment:
                del self._open[start]
        if self._current is segment:
            self._fresh_until = float("-inf")
        segment.close()

    def _lose_segment(self, segment: Segment, now: float) -> None:
        """Take note of a segment whose file somebody removed: what of it was not shipped yet is gone."""
        for cells in segment.counted():
            self._note_loss(segment.start, (sum(cells[i] for i in REQUEST_CELLS), cells[_PASSED[0]], cells[_PASSED[1]]))
        self._say(f"{segment.path} was removed while it was in use; its unshipped counts are lost", now)
        self._drop(segment)

    def _lose(self, now: float, increments: tuple[int, ...], error: Exception) -> None:
        """Say in a segment of its period what could not be counted, keep it until there is one, and log it now and then."""
        lost = [0, 0, 0]
        for index in range(0, len(increments), 2):
            cell, amount = increments[index], increments[index + 1]
            if cell in REQUEST_CELLS:
                lost[0] += amount
            elif cell in _PASSED:
                lost[1 + _PASSED.index(cell)] += amount
        start = periods.floor(now, self._seconds)
        segment = self._open.get(start)
        if segment is None or not segment.lose((lost[0], lost[1], lost[2])):
            self._note_loss(start, (lost[0], lost[1], lost[2]))
        self._say(f"usage is served but not counted: {error}", now)

    def _note_loss(self, start: int, lost: tuple[int, int, int]) -> None:
        before = self._losses.get(start, (0, 0, 0))
        self._losses[start] = (before[0] + lost[0], before[1] + lost[1], before[2] + lost[2])

    def _tell_losses(self, now: float) -> None:
        """Write what was lost into segments of the periods it was lost in, or of the oldest that is open."""
        try:
            for start in sorted(self._losses):
                if self._opened(start, now).lose(self._losses[start]):
                    del self._losses[start]
        except (OSError, JournalError):
            pass  # they are kept, and told at the next look

    def _say(self, message: str, now: float) -> None:
        if not self._logged_at <= now < self._logged_at + LOG_SECONDS:
            self._logged_at = now
            try:
                self._logger.warning("swiftstats: %s", message)
            except Exception:  # a broken log is no reason to fail a request
                pass

    def _release(self) -> None:
        for segment in self._open.values():
            segment.close()
        if self._control is not None:
            self._control.close()
        if self._worker_lock is not None:
            self._worker_lock.release()
        self._open = {}
        self._fresh_until = float("-inf")
        self._control = None
        self._worker_lock = None

    def _forget(self) -> None:
        # A native re-entrant lock: eventlet patches threading's, and a green lock yields; this one never waits for a greenlet of
        # its own thread. threading.RLock is a Python class there, so the C one is taken by its name.
        self._lock = _thread.RLock()
        self._busy = False
        self._queue = deque()
        self._open = {}
        self._fresh_from = self._fresh_until = float("-inf")
        self._control = None
        self._identity = None
        self._worker_lock = None
        self._losses = {}
        self._retry_at = float("-inf")

    def _after_fork(self) -> None:
        """In a child: let go of the parent's segments, so that each process has its own and the parent's locks are its own."""
        try:
            self._release()
        finally:
            self._forget()


def _forget_parents() -> None:
    for counters in list(_living):
        counters._after_fork()


os.register_at_fork(after_in_child=_forget_parents)
