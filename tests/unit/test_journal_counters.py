"""Counting in one process: periods, evidence, the bound on names, threads, forks, re-entrance, and clocks that step."""

from __future__ import annotations

import gc
import os
import signal
import threading
from pathlib import Path

import pytest

from swiftstats.fields import CELL_COUNT, CELL_INDEX, STORED_MAX, UNKNOWN
from swiftstats.journal import snapshot
from swiftstats.journal.control import CLOSED_THROUGH, Control
from swiftstats.journal.counters import Counters
from swiftstats.journal.spool import Spool
from tests.support.spools import GET, HOUR, ONE, Clock, T, cells, counted, counters, in_child, lost, snapshots

UNKNOWN_NAME = UNKNOWN.encode()


def close_through(path: Path, moment: int) -> None:
    """Do what the flusher does to close: raise the word, list, seal."""
    control = Control(str(path / "control"))
    control.set(CLOSED_THROUGH, moment)
    control.close()
    for segment in Spool(str(path)).list_segments():
        if segment.start < moment:
            snapshot.seal(segment.path)


def test_opens_nothing_before_the_first_count(tmp_path: Path) -> None:
    """Making and closing counters touches no disk; a first count makes the spool and a segment."""
    one = counters(tmp_path / "spool")
    one.close()
    assert not (tmp_path / "spool").exists()
    one.add("AUTH_a", ONE, True)
    assert counted(tmp_path / "spool") == {T: {b"AUTH_a": 1}}
    one.close()
    one.add("AUTH_a", ONE, True)
    assert counted(tmp_path / "spool") == {T: {b"AUTH_a": 2}}


def test_every_increment_of_a_call_counts(tmp_path: Path) -> None:
    """All cells of one call are added, in the row that is returned, and add_at adds there again."""
    one = counters(tmp_path)
    place = one.add("AUTH_a", (GET, 1, CELL_INDEX["passed_out"], 1023), True)
    assert one.add_at(place, (CELL_INDEX["unbilled_bytes_out"], 23))
    [read] = snapshots(tmp_path)
    row = next(row for row in read.rows() if row.name == b"AUTH_a")
    assert row.cells == cells(get_count=1, passed_out=1023, unbilled_bytes_out=23)


def test_evidence_is_kept_once_it_came(tmp_path: Path) -> None:
    """A name is unproven until one of its requests proves it, and proven from then on."""
    one = counters(tmp_path)

    def proven() -> set:
        return {row.name for read in snapshots(tmp_path) for row in read.rows() if row.evidence}

    one.add("AUTH_a", ONE, False)
    one.add("AUTH_b", ONE, True)
    assert proven() == {b"AUTH_b"}
    one.add("AUTH_a", ONE, True)
    one.add("AUTH_b", ONE, False)
    assert proven() == {b"AUTH_a", b"AUTH_b"}
    assert counted(tmp_path) == {T: {b"AUTH_a": 2, b"AUTH_b": 2}}


def test_unproven_names_are_bounded(tmp_path: Path) -> None:
    """Over the bound garbage goes to (unknown); known and proven names still get rows, and a proof makes room for one more."""
    one = counters(tmp_path, max_unproven_names=2)
    for name in ("g1", "g2", "g3", "g4", "g1", "(unknown)"):
        one.add(name, ONE, False)
    one.add("AUTH_a", ONE, True)
    assert counted(tmp_path)[T] == {b"g1": 2, b"g2": 1, UNKNOWN_NAME: 3, b"AUTH_a": 1}
    one.add("g1", ONE, True)
    one.add("g3", ONE, False)
    one.add("g4", ONE, False)
    assert counted(tmp_path)[T] == {b"g1": 3, b"g2": 1, b"g3": 1, UNKNOWN_NAME: 4, b"AUTH_a": 1}


def test_each_period_has_its_segment(tmp_path: Path) -> None:
    """A request counts in the period of the clock, labelled with its start, with both edges right."""
    clock = Clock()
    one = counters(tmp_path, clock)
    for now in (T, T + HOUR - 0.001, T + HOUR, T + 2 * HOUR - 1, T + 5 * HOUR):
        clock.now = now
        one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T: {b"AUTH_a": 2}, T + HOUR: {b"AUTH_a": 2}, T + 5 * HOUR: {b"AUTH_a": 1}}


def test_clock_that_steps_back_and_forth(tmp_path: Path) -> None:
    """A clock that leaps counts where it says, in the same few segments, while those periods are open."""
    clock = Clock()
    one = counters(tmp_path, clock)
    for hour in (0, 3, 0, 1, 3, 2, 0, 4, 0):
        clock.now = T + hour * HOUR + 5
        one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T + hour * HOUR: {b"AUTH_a": times} for hour, times in enumerate((4, 1, 1, 2, 1))}
    assert len(one._open) <= 4


def test_clock_back_before_what_is_closed(tmp_path: Path) -> None:
    """After a step back into a closed period requests count into the oldest open one."""
    clock = Clock(T + 3 * HOUR)
    one = counters(tmp_path, clock)
    one.add("AUTH_a", ONE, True)
    close_through(tmp_path, T + 3 * HOUR)
    clock.now = T + 5
    one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T + 3 * HOUR: {b"AUTH_a": 2}}


def test_seal_is_obeyed_by_a_worker_that_lags(tmp_path: Path) -> None:
    """A worker whose clock is behind the flusher's never counts in a sealed period, nor says unbilled there."""
    one = counters(tmp_path)
    place = one.add("AUTH_a", ONE, True)
    close_through(tmp_path, T + HOUR)
    assert not one.add_at(place, (CELL_INDEX["unbilled_bytes_out"], 1))
    for _ in range(3):
        one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T: {b"AUTH_a": 1}, T + HOUR: {b"AUTH_a": 3}}


def test_closed_meanwhile_leaves_no_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment made while its period was being closed is taken away before a count is in it."""
    one = counters(tmp_path)
    one.add("AUTH_a", ONE, True)
    one._drop(one._open[T])
    made = []

    def new_segment_name(spool: Spool, start: int) -> str:
        if not made:
            close_through(tmp_path, T + HOUR)
        made.append(start)
        return f"{start}-1-{len(made)}.segment"

    monkeypatch.setattr(Spool, "new_segment_name", new_segment_name)
    one.add("AUTH_a", ONE, True)
    assert made == [T, T + HOUR]
    assert counted(tmp_path) == {T: {b"AUTH_a": 1}, T + HOUR: {b"AUTH_a": 1}}
    assert len(snapshots(tmp_path)) == 2


def test_add_at_where_it_may_not(tmp_path: Path) -> None:
    """Nothing is added to what was lost, to a segment that is closed by now, or by a child in its parent's."""
    one = counters(tmp_path)
    place = one.add("AUTH_a", ONE, True)
    assert not one.add_at(None, ONE)

    def in_a_child() -> None:
        assert not one.add_at(place, ONE)

    assert in_child(in_a_child) == 0
    one.close()
    assert not one.add_at(place, ONE)
    assert counted(tmp_path) == {T: {b"AUTH_a": 1}}


def test_32_threads_lose_nothing(tmp_path: Path) -> None:
    """Increments of 32 threads on shared and own accounts, over a change of period, are all there."""
    clock = Clock()
    one = counters(tmp_path, clock)
    start = threading.Barrier(32)

    def work(number: int) -> None:
        start.wait(30)
        for turn in range(300):
            if turn == 150:
                clock.now = T + HOUR
            place = one.add("AUTH_all", ONE, True)
            one.add(f"AUTH_{number}_{turn % 7}", ONE, turn % 2 == 0)
            one.add_at(place, (0, 0))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = counted(tmp_path)
    assert sum(period[b"AUTH_all"] for period in found.values()) == 32 * 300
    assert sum(sum(period.values()) for period in found.values()) == 2 * 32 * 300


def test_child_has_a_segment_of_its_own(tmp_path: Path) -> None:
    """After a fork parent and child count in different segments, whatever the parent had open, and neither's is lost."""
    one = counters(tmp_path)
    one.add("AUTH_a", ONE, True)

    def count_in_child() -> None:
        for _ in range(10):
            one.add("AUTH_a", ONE, True)

    assert in_child(count_in_child) == 0
    one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T: {b"AUTH_a": 12}}
    assert sorted(read.pid == os.getpid() for read in snapshots(tmp_path)) == [False, True]


def test_lock_dies_with_its_owner(tmp_path: Path) -> None:
    """A grandchild does not keep its parent's segment owned: the lock on it ends with the parent."""
    reading, writing = os.pipe()
    hold, release = os.pipe()
    pids = []

    def parent() -> None:
        one = counters(tmp_path)
        one.add("AUTH_a", ONE, True)
        pid = os.fork()
        if not pid:
            os.close(release)
            os.write(writing, str(os.getpid()).encode())
            os.read(hold, 1)  # lives until the test lets go
            os._exit(0)

    assert in_child(parent) == 0
    pids.append(int(os.read(reading, 20)))
    [segment] = Spool(str(tmp_path)).list_segments()
    try:
        os.kill(pids[0], 0)
        assert snapshot.owner_is_gone(segment.path)
        assert not Spool(str(tmp_path)).workers_live()
    finally:
        os.close(release)


class Counts:
    """Counts when the garbage collector destroys it."""

    def __init__(self, one: Counters) -> None:
        self.one, self.myself = one, self

    def __del__(self) -> None:
        self.one.add("AUTH_gc", ONE, True)


def test_destructor_inside_an_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destructor that counts while an update is under way, of add and of add_at, counts right after it."""
    one = counters(tmp_path)
    place = one.add("AUTH_a", ONE, True)
    segment = type(place[0])
    count = segment.count

    def collecting(self: object, row: int, increments: tuple) -> bool:
        gc.collect()
        return count(self, row, increments)

    monkeypatch.setattr(segment, "count", collecting)
    gc.collect()
    Counts(one)
    one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T: {b"AUTH_a": 2, b"AUTH_gc": 1}}
    Counts(one)
    assert one.add_at(place, ONE)
    assert counted(tmp_path) == {T: {b"AUTH_a": 3, b"AUTH_gc": 2}}
    monkeypatch.undo()


def test_signal_handler_inside_an_update(tmp_path: Path) -> None:
    """A signal handler that counts, at any moment of thousands of updates, loses nothing and breaks nothing."""
    one = counters(tmp_path)
    handled = [0]

    def handler(number: int, frame: object) -> None:
        handled[0] += 1
        one.add("AUTH_signal", ONE, True)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0002)
    added = 0
    try:
        while handled[0] < 200:
            place = one.add("AUTH_a", ONE, True)
            one.add_at(place, (0, 1))
            added += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert counted(tmp_path) == {T: {b"AUTH_a": added, b"AUTH_signal": handled[0]}}


def test_exception_of_a_handler_leaves_nothing_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a destructor counted inside an update that is cut short by an exception is counted all the same."""
    one = counters(tmp_path)
    place = one.add("AUTH_a", ONE, True)

    def cut_short(self: object, row: int, increments: tuple) -> bool:
        monkeypatch.undo()
        one.add("AUTH_b", ONE, True)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(place[0]), "count", cut_short)
    with pytest.raises(KeyboardInterrupt):
        one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T: {b"AUTH_a": 1, b"AUTH_b": 1}}


def test_counters_reach_64_bits(tmp_path: Path) -> None:
    """A cell takes values up to 2^64-1; what is beyond is lost and said, and the request goes on."""
    one = counters(tmp_path)
    one.add("AUTH_a", (CELL_COUNT - 1, 2**64 - 1), True)
    assert counted(tmp_path, CELL_COUNT - 1) == {T: {b"AUTH_a": 2**64 - 1}}
    assert one.add("AUTH_a", (CELL_COUNT - 1, 1), True) is None
    assert counted(tmp_path, CELL_COUNT - 1) == {T: {b"AUTH_a": 2**64 - 1}}
    for _ in range(3):
        assert one.add("AUTH_a", (CELL_INDEX["passed_in"], 2**64), True) is None
    assert lost(tmp_path) == {T: (0, STORED_MAX, 0)}
