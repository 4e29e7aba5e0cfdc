"""The seal, proven: the journal's own code, worker against flusher, in every order that their steps can take.

A step is an access to a word that both share, to the list of files, or a rename. What is explored is sequential consistency;
the one thing that a processor may do beyond it, keeping `busy` in its store buffer while it looks at the state, is what the
flusher's wait between seal() and is_quiet() is for. That the explorer finds what it should is shown by broken protocols.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile

import pytest

from swiftstats.errors import SegmentError
from swiftstats.fields import CELL_INDEX
from swiftstats.journal import layout, segment, snapshot
from swiftstats.journal.control import CLOSED_THROUGH, Control
from swiftstats.journal.counters import Counters
from swiftstats.journal.segment import Segment
from swiftstats.journal.spool import Spool
from tests.support.interleave import Explorer, Words

PERIOD = 3600
START = 100 * PERIOD
GET = CELL_INDEX["get_count"]
TRACED_HEADER = (layout.H_STATE, layout.H_BUSY)


class Scenario:
    """A worker that counts, its clock still in the period, while the flusher closes that period."""

    def __init__(self, explorer: Explorer, directory: str, adds: int) -> None:
        self.explorer, self.adds = explorer, adds
        self.directory = directory
        self.number = itertools.count()
        self.counters: Counters | None = None

    def make(self):  # type: ignore[no-untyped-def]
        """Return the processes of a fresh spool, and the check of its end."""
        if self.counters is not None:
            self.counters.close()
        path = os.path.join(self.directory, str(next(self.number)))
        spool = Spool(path)
        _, control = spool.prepare(server="s", period_seconds=PERIOD, now=START)
        control.set(CLOSED_THROUGH, START)
        self.counters = counters = Counters(path, server="s", period_seconds=PERIOD, clock=lambda: START + 10.0)
        closed: list[int] = []

        def worker() -> None:
            for _ in range(self.adds):
                assert counters.add("AUTH_a", (GET, 1), True) is not None

        def flusher() -> None:
            control.raise_to(CLOSED_THROUGH, START + PERIOD)
            ended = [one for one in spool.list_segments() if one.start < START + PERIOD]
            self.close(ended, closed)

        def check() -> None:
            left = [(one.start, self.count(one.path)) for one in spool.list_segments() if one.path not in self.read]
            late = [count for start, count in left if start < START + PERIOD]
            assert not any(late), f"{sum(late)} counted in a closed period after it was read"
            total = sum(closed) + sum(count for _, count in left)
            assert total == self.adds, f"{self.adds} counted, {total} found"
        self.read: set[str] = set()
        return {"worker": worker, "flusher": flusher}, check

    def close(self, ended, closed):  # type: ignore[no-untyped-def]
        """Do what closing.close_through does with the segments of ended periods."""
        for one in ended:
            self.explorer.step()
            try:
                snapshot.seal(one.path)
            except FileNotFoundError:
                self.explorer.note("gone")
        snapshot.wait_for_stores()
        for one in ended:
            self.explorer.step()
            try:
                while not snapshot.is_quiet(one.path):
                    self.explorer.note("busy")
                    self.explorer.wait()
            except FileNotFoundError:
                self.explorer.note("gone")
                continue
            self.explorer.step()
            try:
                closed.append(self.count(one.path))
            except SegmentError:  # its worker saw that the period is closed, and took it away uncounted
                continue
            self.read.add(one.path)
            self.explorer.note(closed[-1])

    @staticmethod
    def count(path: str) -> int:
        return sum(row.cells[GET] for row in snapshot.Snapshot.read(path).rows())


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> Explorer:
    """Make every shared access of the journal a step."""
    explorer = Explorer()
    plain_map, plain_get, plain_raise, plain_list = Segment._map, Control.get, Control.raise_to, Spool.list_segments

    def mapped(self: Segment, offset: int, length: int) -> Words:
        view = plain_map(self, offset, length)
        if offset == 0:
            return Words(view, explorer, lambda index: index in TRACED_HEADER and os.path.exists(self.path))
        # Row 0 is (unknown); the cells of the first account stand behind it.
        return Words(view, explorer, lambda index: index == layout.row_words(b"(unknown)") + layout.R_CELLS + GET)

    def rename(source: str, target: str, *, plain=os.rename) -> None:  # type: ignore[no-untyped-def]
        explorer.step()
        plain(source, target)

    def stepping(plain):  # type: ignore[no-untyped-def]
        def call(*arguments):  # type: ignore[no-untyped-def]
            explorer.step()
            result = plain(*arguments)
            explorer.note(len(result) if isinstance(result, list) else result)
            return result
        return call

    monkeypatch.setattr(Segment, "_map", mapped)
    monkeypatch.setattr(Control, "get", stepping(plain_get))
    monkeypatch.setattr(Control, "raise_to", stepping(plain_raise))
    monkeypatch.setattr(Spool, "list_segments", stepping(plain_list))
    monkeypatch.setattr(segment.os, "rename", rename)
    monkeypatch.setattr(snapshot, "STORE_BUFFER_SECONDS", 0.0)
    return explorer


@pytest.fixture
def directory():  # type: ignore[no-untyped-def]
    """A folder in memory where there is one: thousands of spools are made."""
    path = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield path
    shutil.rmtree(path)


def test_nothing_is_lost_or_late_in_any_order(explorer: Explorer, directory: str) -> None:
    """Whatever way a worker's counts and a flusher's close interleave, each count is in the close or in an open period."""
    words = list(explorer.explore(Scenario(explorer, directory, adds=3).make))
    assert len({word.rstrip("w") for word in words}) > 100, "the steps were not interleaved"


def finds_the_fault(explorer: Explorer, scenario: Scenario) -> None:
    with pytest.raises(AssertionError, match="schedule .*(counted)"):
        for _ in explorer.explore(scenario.make):
            pass


def test_listing_before_the_word_is_raised_would_lose(explorer: Explorer, directory: str,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer finds that segments must be listed after `closed through` was raised."""
    plain_list, plain_raise = Spool.list_segments, Control.raise_to
    early: list[object] = []

    def raise_late(self: Control, word: int, value: int) -> None:
        early[:] = plain_list(Spool(os.path.dirname(self.path)))
        plain_raise(self, word, value)

    monkeypatch.setattr(Control, "raise_to", raise_late)
    monkeypatch.setattr(Spool, "list_segments", lambda self: list(early) if explorer.inside() else plain_list(self))
    finds_the_fault(explorer, Scenario(explorer, directory, adds=1))


def test_reading_while_busy_would_lose(explorer: Explorer, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer finds that a sealed segment must be quiet before it is read."""
    monkeypatch.setattr(snapshot, "is_quiet", lambda path: True)
    finds_the_fault(explorer, Scenario(explorer, directory, adds=1))


def test_looking_before_saying_busy_would_lose(explorer: Explorer, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer finds that a worker must say busy before it looks at the state."""

    def count(self: Segment, place: int, increments: tuple[int, ...]) -> bool:
        if not self.is_open():
            return False
        self.header[layout.H_BUSY] = 1
        base = place & layout.PLACE_MASK
        self._extents[0][base + increments[0]] += increments[1]
        self.header[layout.H_BUSY] = 0
        return True

    monkeypatch.setattr(Segment, "count", count)
    finds_the_fault(explorer, Scenario(explorer, directory, adds=1))


def test_not_looking_again_after_making_a_segment_would_lose(explorer: Explorer, directory: str,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer finds that `closed through` must be read again once the new segment has its name."""
    plain = Counters._closed_through
    calls = itertools.count()

    def closed_through(self: Counters) -> int:
        # The second reading of each opening is the one after the file is visible.
        return plain(self) if next(calls) % 2 == 0 else 0

    scenario = Scenario(explorer, directory, adds=1)
    plain_make = scenario.make

    def make():  # type: ignore[no-untyped-def]
        nonlocal calls
        calls = itertools.count()
        return plain_make()

    scenario.make = make  # type: ignore[method-assign]
    monkeypatch.setattr(Counters, "_closed_through", closed_through)
    finds_the_fault(explorer, scenario)
