"""The spool: what it is made of and with which rights, its bound, and counting on where it fails: served, and said as lost."""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swiftstats.errors import JournalError
from swiftstats.fields import CELL_INDEX
from swiftstats.journal import layout, snapshot
from swiftstats.journal.control import BYTES, CLOSED_THROUGH, SHIPPED_THROUGH, Control
from swiftstats.journal.spool import Spool
from tests.support.spools import HOUR, ONE, Clock, T, counted, counters, in_child, lost

REQUEST = (*ONE, CELL_INDEX["passed_in"], 10, CELL_INDEX["passed_out"], 100)


def prepare(path: Path) -> Control:
    return Spool(str(path)).prepare(server="proxy-1", period_seconds=HOUR, now=T)[1]


def test_modes(tmp_path: Path) -> None:
    """Every directory is 0700 and every file 0600, whatever the umask allows."""
    before = os.umask(0)
    try:
        one = counters(tmp_path / "a" / "spool")
        one.add("AUTH_a", ONE, True)
        Spool(str(tmp_path / "a" / "spool")).lock("sweep.lock", fcntl.LOCK_EX).release()
    finally:
        os.umask(before)
    spool = tmp_path / "a" / "spool"
    found = {path: path.stat().st_mode & 0o777 for path in (spool, *spool.rglob("*"))}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert {path.name for path in spool.iterdir()} >= {"identity", "control", "segments", "copies", "periods", "aside",
                                                       "spool.lock", "workers.lock"}


def test_foreign_names_are_no_segments(tmp_path: Path) -> None:
    """Only files with a segment's name are listed, in order of period; digits that are none, and years to come, are not."""
    prepare(tmp_path)
    wanted = [f"{T}-1-a.segment", f"{T + HOUR}-1-a.segment"]
    for name in (*reversed(wanted), ".new-1-2.segment", "1.segment", "x-1.segment", "²-1-a.segment", f"{T}-1-a.segment.bak",
                 "99999999999999999999-1-a.segment", "README"):
        (tmp_path / "segments" / name).touch()
    assert [segment.name for segment in Spool(str(tmp_path)).list_segments()] == wanted


@pytest.mark.parametrize("content", [b"", b"\0" * BYTES, b"x" * 100, b"\xff" * (BYTES + 1)])
def test_damaged_control_is_kept_and_replaced(tmp_path: Path, content: bytes) -> None:
    """A control file that cannot be one is put aside, and a new one made of zeros."""
    prepare(tmp_path).close()
    (tmp_path / "control").write_bytes(content)
    control = prepare(tmp_path)
    assert control.get(CLOSED_THROUGH) == control.get(SHIPPED_THROUGH) == 0
    assert (tmp_path / "aside" / "control").read_bytes() == content


def test_newer_control_is_left_alone(tmp_path: Path) -> None:
    """A control file of a newer version is not put aside by an older process: it says what to do."""
    prepare(tmp_path).close()
    content = bytearray((tmp_path / "control").read_bytes())
    content[8] = 2
    (tmp_path / "control").write_bytes(content)
    with pytest.raises(JournalError, match="version 2.*upgrade"):
        prepare(tmp_path)
    assert (tmp_path / "control").read_bytes() == content
    assert counters(tmp_path).add("AUTH_a", ONE, True) is None


def test_words_never_fall(tmp_path: Path) -> None:
    """raise_to keeps the greater value, for every process that has the words mapped."""
    one, other = prepare(tmp_path), prepare(tmp_path)
    for value, wanted in ((5, 5), (3, 5), (9, 9)):
        one.raise_to(CLOSED_THROUGH, value)
        assert other.get(CLOSED_THROUGH) == wanted


def test_who_lives(tmp_path: Path) -> None:
    """Workers and flusher are seen by their locks, in other processes too, and asking disturbs neither."""
    spool = Spool(str(tmp_path))
    assert not spool.workers_live() and not spool.flusher_running()
    one, other = counters(tmp_path), counters(tmp_path)
    one.add("AUTH_a", ONE, True)
    other.add("AUTH_a", ONE, True)
    assert spool.workers_live() and not spool.flusher_running()

    def look() -> None:
        assert spool.workers_live()

    assert in_child(look) == 0
    one.close()
    assert spool.workers_live()
    other.close()
    assert not spool.workers_live()
    with spool.lock("flusher.lock", fcntl.LOCK_EX):
        assert spool.flusher_running()
    assert not spool.flusher_running()


def test_bound_is_kept_and_what_is_over_it_is_lost(tmp_path: Path) -> None:
    """At spool_max_bytes rows that stand are counted on; new names are served, and lost by requests and bytes."""
    one = counters(tmp_path, spool_max_bytes=layout.file_bytes(1) + 1000)
    added = 0
    while one.add(f"AUTH_{added:06d}", REQUEST, True):
        added += 1
    one.add("AUTH_more", REQUEST, True)
    assert one.add("AUTH_000000", REQUEST, True)
    assert sum(counted(tmp_path)[T].values()) == added + 1
    assert lost(tmp_path) == {T: (2, 20, 200)}
    assert Spool(str(tmp_path)).counter_bytes() == layout.file_bytes(1)


def test_no_room_for_a_segment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no segment fits, what is lost is remembered and said once there is room, and logged once a minute."""
    clock = Clock()
    one = counters(tmp_path, clock, spool_max_bytes=1000)
    with caplog.at_level(logging.WARNING):
        for second in range(70):
            clock.now = T + second
            assert one.add("AUTH_a", REQUEST, True) is None
    assert [record.getMessage() for record in caplog.records] == [
        "swiftstats: usage is served but not counted: [Errno 28] the spool's bound of 1000 bytes is reached"] * 2
    assert counted(tmp_path) == {}
    one._max_bytes = 10**9
    clock.now = T + HOUR
    assert one.add("AUTH_a", REQUEST, True)
    assert lost(tmp_path) == {T: (70, 700, 7000)}
    assert counted(tmp_path) == {T + HOUR: {b"AUTH_a": 1}}


def test_file_size_limit(tmp_path: Path) -> None:
    """A limit on file sizes (as a full quota) is a clean failure: no signal ends the worker, the loss is said."""

    def body() -> None:
        limit = layout.file_bytes(1) + 100
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        one = counters(tmp_path)
        added = 0
        while one.add(f"AUTH_{added:06d}", ONE, True):
            added += 1
        assert one.add("AUTH_000000", ONE, True)
        assert sum(counted(tmp_path)[T].values()) == added + 1

    assert in_child(body) == 0
    assert lost(tmp_path) == {T: (1, 0, 0)}


FULL_DISK = """
import sys
from tests.support.spools import T, counted, counters, lost, ONE
one = counters(sys.argv[1])
added = 0
while one.add(f"AUTH_{added:06d}", ONE, True):
    added += 1
assert one.add("AUTH_000000", ONE, True)
assert sum(counted(sys.argv[1])[T].values()) == added + 1 > 1000, added
assert lost(sys.argv[1]) == {T: (1, 0, 0)}
print("served")
"""


def test_full_disk(tmp_path: Path) -> None:
    """On a disk that is full for real a worker goes on: no SIGBUS, rows that stand are counted on, the rest is said as lost."""
    script = f'mount -t tmpfs -o size=1m none "{tmp_path}" && exec "{sys.executable}" -c "$1" "{tmp_path}"'
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script, "sh", FULL_DISK], cwd=Path(__file__).parents[2],
                          stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.stdout.decode() == "served\n"


def test_no_spool_can_be_made(tmp_path: Path) -> None:
    """Where a file stands in place of the directory requests are served; counting begins, with the loss said, when it is gone."""
    clock = Clock()
    path = tmp_path / "spool"
    path.write_text("in the way")
    one = counters(path, clock)
    for _ in range(3):
        assert one.add("AUTH_a", REQUEST, True) is None
    path.unlink()
    assert one.add("AUTH_a", REQUEST, True) is None  # it is not tried at every request
    clock.now += 2
    assert one.add("AUTH_a", REQUEST, True)
    assert counted(path) == {T: {b"AUTH_a": 1}}
    assert lost(path) == {T: (4, 40, 400)}


@pytest.mark.parametrize("removed", [".", "segments"])
def test_spool_removed_while_in_use(tmp_path: Path, removed: str) -> None:
    """A worker whose spool is removed makes a new one within a second, and says what went with the old one."""
    clock = Clock()
    path = tmp_path / "spool"
    one = counters(path, clock)
    for _ in range(3):
        one.add("AUTH_a", REQUEST, True)
    shutil.rmtree(path / removed)
    one.add("AUTH_a", REQUEST, True)  # within the same second nobody looks
    clock.now += 2
    assert one.add("AUTH_b", REQUEST, True)
    assert counted(path) == {T: {b"AUTH_b": 1}}
    assert lost(path) == {T: (4, 40, 400)}


def test_spool_moved_while_in_use(tmp_path: Path) -> None:
    """What was counted in a spool that was moved away stays there and is not said to be lost."""
    clock = Clock()
    path = tmp_path / "spool"
    one = counters(path, clock)
    one.add("AUTH_a", ONE, True)
    os.rename(path, tmp_path / "old")
    clock.now += 2
    one.add("AUTH_b", ONE, True)
    assert (counted(tmp_path / "old"), counted(path)) == ({T: {b"AUTH_a": 1}}, {T: {b"AUTH_b": 1}})
    assert lost(path) == {}


def test_segment_put_aside_while_in_use(tmp_path: Path) -> None:
    """A worker whose segment was sealed and put aside opens a new one, and calls nothing lost: the flusher did."""
    clock = Clock()
    one = counters(tmp_path, clock)
    one.add("AUTH_a", ONE, True)
    spool = Spool(str(tmp_path))
    [segment] = spool.list_segments()
    snapshot.seal(segment.path)
    spool.put_aside(segment.path)
    one.add("AUTH_a", ONE, True)
    assert counted(tmp_path) == {T: {b"AUTH_a": 1}}
    (tmp_path / "segments" / segment.name).touch()
    assert spool.put_aside(segment.path).endswith(".segment.1")
    assert lost(tmp_path) == {}


def test_describe(tmp_path: Path) -> None:
    """What status shows of a host: nothing made by looking, then sizes, periods and who lives."""
    spool = Spool(str(tmp_path / "spool"))
    assert spool.describe()["exists"] is False and not (tmp_path / "spool").exists()
    one = counters(spool.path)
    one.add("AUTH_a", ONE, True)
    found = spool.describe()
    assert (found["segments"], found["bytes"], found["oldest_period"]) == (1, layout.file_bytes(1), T)
    assert (found["workers_live"], found["flusher_running"], found["closed_through"]) == (True, False, None)
