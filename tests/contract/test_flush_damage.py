"""Segments that are not as they should be: put aside and named, while the others go on; never closed over in silence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats.errors import JournalError
from swiftstats.fields import UNKNOWN
from swiftstats.flush import closing
from swiftstats.flush.archive import Archive
from swiftstats.journal import layout, period_file, snapshot
from swiftstats.journal.control import Control
from swiftstats.journal.spool import SegmentFile
from tests.support.dying import Killed, dying_at
from tests.support.hosts import Host, complete_through, everything, hours, losses, total
from tests.support.spools import HOUR, ONE, T


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """What is done to files is the same whatever the database."""
    return f"sqlite:///{tmp_path}/usage.db"


def aside(host: Host) -> list[str]:
    return os.listdir(host.spool.aside)


def test_damaged_while_running(host: Host, engine: Engine) -> None:
    """What was flushed of a damaged segment stands, its worker counts on in a new one, the loss is named, others go on."""
    other = host.new_worker()
    host.count("AUTH_a", 5)
    host.count("AUTH_a", 100, worker=other)
    host.sweep()
    [damaged] = [segment for segment in host.segments() if segment.path == host.worker._current.path]  # type: ignore[union-attr]
    host.damage(damaged)
    host.count("AUTH_a", 1000, worker=other)
    host.sweep()
    assert aside(host) == [damaged.name]
    host.count("AUTH_a", 10000)
    for _ in range(2):
        host.sweep()
        assert hours(engine, "AUTH_a") == {T: 11105}
    for _ in range(2):
        host.close()
        assert hours(engine, "AUTH_a") == {T: 11105}
        [loss] = losses(engine)
        assert (loss.kind, loss.subject, loss.begin, loss.end) == ("damaged", damaged.name.encode(), T, T + HOUR)
    assert complete_through(engine) == T + 2 * HOUR and os.listdir(host.spool.copies) == []


def test_damaged_and_never_flushed(host: Host, engine: Engine) -> None:
    """A damaged segment without a copy is recorded as a loss, and its period closes with the others."""
    host.count("AUTH_a", 5)
    host.damage(host.segments()[0])
    host.worker = host.new_worker()
    host.count("AUTH_a", 1)
    assert host.close().periods == [T]
    assert hours(engine, "AUTH_a") == {T: 1}
    [loss] = losses(engine)
    assert (loss.kind, loss.end) == ("damaged", T + HOUR) and "no row" in loss.detail
    assert len(aside(host)) == 1 and host.segments() == []


def place(segment: SegmentFile, name: str) -> int:
    """Return where in its file the row of an account begins."""
    head = layout.row_head(name.encode()).to_bytes(layout.WORD, sys.byteorder)
    return Path(segment.path).read_bytes().index(head)


def overwrite(segment: SegmentFile, at: int, length: int = 64) -> None:
    with open(segment.path, "r+b") as file:
        file.seek(at)
        file.write(b"junk" * (length // 4))


def test_rows_before_the_damage_count(host: Host, engine: Engine) -> None:
    """While a period runs, rows before the damage count with what they grew since the copy, rows behind it by their copy."""
    for name, times in (("AUTH_a", 1), ("AUTH_b", 2), ("AUTH_c", 3)):
        host.count(name, times)
    host.sweep()
    host.count("AUTH_a", 10)
    host.count("AUTH_d", 10)
    host.count("AUTH_c", 10)
    [segment] = host.segments()
    overwrite(segment, place(segment, "AUTH_b"))
    host.sweep()
    wanted = {"AUTH_a": {T: 11}, "AUTH_b": {T: 2}, "AUTH_c": {T: 3}}
    assert everything(engine) == wanted and aside(host) == [segment.name]
    host.count("AUTH_a", 100)
    wanted["AUTH_a"] = {T: 111}
    for step in (host.sweep, host.sweep, host.close, host.close):
        step()
        assert everything(engine) == wanted
        [loss] = losses(engine)
        assert (loss.kind, loss.subject) == ("damaged", segment.name.encode()) and "rows" in loss.detail
    assert os.listdir(host.spool.copies) == []


def test_rows_before_the_damage_count_without_a_copy(host: Host, engine: Engine) -> None:
    """A segment that was never flushed keeps the rows before its damage too, and those of extents behind it."""
    for number in range(1500):
        host.count(f"AUTH_{number:04}")
    [segment] = host.segments()
    overwrite(segment, place(segment, "AUTH_0003"))
    host.close()
    assert [total(engine, f"AUTH_{number:04}") for number in (0, 1, 2, 3, 4, 1499)] == [1, 1, 1, 0, 0, 1]
    assert [loss.kind for loss in losses(engine)] == ["damaged"]


def test_truncated_keeps_its_rows(host: Host, engine: Engine) -> None:
    """What stands before the end of a truncated segment counts."""
    host.count("AUTH_a", 5)
    host.count("AUTH_b", 5)
    host.worker.close()
    [segment] = host.segments()
    os.truncate(segment.path, place(segment, "AUTH_b") + 8)
    host.close()
    assert everything(engine) == {"AUTH_a": {T: 5}}
    [loss] = losses(engine)
    assert loss.kind == "damaged" and "truncated" in loss.detail


@pytest.mark.parametrize("running", [True, False])
def test_killed_while_putting_aside(host: Host, engine: Engine, running: bool) -> None:
    """Wherever a sweep dies that finds damage, no sum falls and none is doubled, and the next sweep ends what it began."""
    for step in range(1, 200):
        start = int(host.clock.now) // HOUR * HOUR
        other = host.new_worker()
        host.count("AUTH_a", 1)
        host.count("AUTH_b", 1)
        host.count("AUTH_a", 100, worker=other)
        host.sweep()
        host.count("AUTH_a", 10)
        [segment] = [each for each in host.segments() if each.path == host.worker._current.path]  # type: ignore[union-attr]
        overwrite(segment, place(segment, "AUTH_b"))
        if not running:
            host.later()
        with dying_at(step) as passed:
            try:
                host.sweep(running=running)
            except Killed:
                pass
        for name, least, most in (("AUTH_a", 101, 111), ("AUTH_b", 1, 1)):
            assert least <= hours(engine, name)[start] <= most
        if running:
            host.sweep()
        host.later()
        host.sweep()
        assert (hours(engine, "AUTH_a")[start], hours(engine, "AUTH_b")[start]) == (111, 1)
        other.close()
        if passed[0] < step:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("length", [0, 100, layout.HEADER_BYTES, layout.file_bytes(1) - 8])
def test_truncated(host: Host, engine: Engine, length: int) -> None:
    """A truncated segment, of any length, is put aside, and the period closes."""
    host.count("AUTH_a", 5)
    host.worker.close()
    host.sweep()
    os.truncate(host.segments()[0].path, length)
    host.sweep()
    host.close()
    assert hours(engine, "AUTH_a") == {T: 5}
    assert [loss.kind for loss in losses(engine)] == ["damaged"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)])
def test_what_is_no_file(host: Host, engine: Engine, make: object) -> None:
    """A folder, a pipe or a link under a segment's name holds nothing up."""
    host.count("AUTH_a", 5)
    make(os.path.join(host.spool.segments, f"{T}-1-foreign.segment"))  # type: ignore[operator]
    assert host.close().periods == [T]
    assert hours(engine, "AUTH_a") == {T: 5} and len(aside(host)) == 1


def test_another_periods_segment(host: Host, engine: Engine) -> None:
    """A segment under the name of another period than its header's is damaged: it is counted in neither."""
    host.count("AUTH_a", 5)
    host.worker.close()
    [segment] = host.segments()
    os.rename(segment.path, segment.path.replace(str(T), str(T + HOUR)))
    host.sweep()
    host.later(2)
    host.sweep()
    assert everything(engine) == {}
    [loss] = losses(engine)
    assert loss.kind == "damaged" and "2012-10-22T08:00:00Z" in loss.detail


def test_row_twice(host: Host, engine: Engine) -> None:
    """A block of rows that stands in a segment twice (a misdirected write) is damage: it is not counted at all."""
    host.count("AUTH_a", 5)
    with open(host.segments()[0].path, "r+b") as file:
        file.seek(layout.HEADER_BYTES)
        rows = file.read(layout.WORD * (layout.row_words(b"(unknown)") + layout.row_words(b"AUTH_a")))
        file.write(rows)
    host.close()
    assert everything(engine) == {}
    [loss] = losses(engine)
    assert loss.kind == "damaged" and "twice" in loss.detail


def test_counters_that_fell(host: Host, engine: Engine) -> None:
    """A segment with less than was once shipped of it is damaged: it must not hide the growth of others."""
    other = host.new_worker()
    host.count("AUTH_a", 5)
    host.sweep()
    with open(host.segments()[0].path, "r+b") as file:
        file.seek(layout.HEADER_BYTES)
        file.write(b"\0" * 4096)
    host.count("AUTH_a", 100, worker=other)
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 105}
    assert [loss.kind for loss in losses(engine)] == ["damaged"]


def test_segment_vanished(host: Host, engine: Engine) -> None:
    """A segment that somebody removed after a flush counts on by its copy, and is named."""
    host.count("AUTH_a", 5)
    host.sweep()
    host.worker.close()
    os.unlink(host.segments()[0].path)
    host.new_worker().add("AUTH_a", ONE, True)
    host.sweep()
    host.close()
    assert hours(engine, "AUTH_a") == {T: 6}
    assert [loss.kind for loss in losses(engine)] == ["damaged"]


def test_newer_version_holds_its_period(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment of a newer format is left alone; its period and those after stay open, named, until the flusher is upgraded."""
    host.count("AUTH_a", 5)
    host.damage(host.segments()[0], newer=True)
    host.worker = host.new_worker()
    host.count("AUTH_a", 1)
    damaged = host.new_worker()
    host.count("AUTH_b", 7, worker=damaged)
    host.damage(next(segment for segment in host.segments() if segment.path == damaged._current.path))  # type: ignore
    assert any("newer" in line for line in host.sweep().held_up)
    assert hours(engine, "AUTH_a") == {T: 1}
    host.later()
    host.count("AUTH_a", 10)
    for _ in range(2):
        outcome = host.close()
        assert outcome.periods == [] and "upgrade" in outcome.held_up[0] and "2012-10-22T08:00:00Z" in outcome.held_up[0]
        assert complete_through(engine) is None
    assert [loss.kind for loss in losses(engine)] == ["damaged"]
    monkeypatch.setattr(layout, "VERSION", 2)
    assert host.sweep().periods == [T, T + HOUR]
    assert hours(engine, "AUTH_a") == {T: 6, T + HOUR: 10}
    assert complete_through(engine) == T + 3 * HOUR


def test_newer_period_file_holds_its_period(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a newer version decided is not decided again by an older one, nor put aside."""
    host.count("AUTH_a", 5)
    with monkeypatch.context() as patch:
        patch.setattr(period_file, "VERSION", 2)
        patch.setattr(closing, "ship_period_file", None)
        host.later()
        with pytest.raises(TypeError):
            host.sweep()
    assert "newer" in host.sweep().held_up[0]
    assert aside(host) == [] and everything(engine) == {}
    monkeypatch.setattr(period_file, "VERSION", 2)
    assert host.sweep().periods == [T]
    assert hours(engine, "AUTH_a") == {T: 5}


def decided_not_shipped(host: Host, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(closing, "ship_period_file", None)
        host.later()
        with pytest.raises(TypeError):
            host.sweep()
    path = Archive(host.spool, Control(str(host.path / "control"))).find(T)
    assert path is not None
    return path


def test_damaged_period_file_is_decided_again(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A period file that is damaged before it was shipped is put aside, and made again from its segments."""
    host.count("AUTH_a", 5)
    os.truncate(decided_not_shipped(host, monkeypatch), 30)
    assert host.sweep().periods == [T]
    assert hours(engine, "AUTH_a") == {T: 5} and losses(engine) == [] and len(aside(host)) == 1


def test_damaged_period_file_without_segments(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is left to decide from, the period is recorded as lost, and not closed as empty."""
    host.count("AUTH_a", 5)
    os.truncate(decided_not_shipped(host, monkeypatch), 30)
    os.unlink(host.segments()[0].path)
    host.sweep()
    assert complete_through(engine) == T + HOUR
    [loss] = losses(engine)
    assert (loss.kind, loss.begin, loss.end) == ("damaged", T, T + HOUR)


def test_late_stray(host: Host, engine: Engine) -> None:
    """A segment that turns up for a decided period is put aside with what is lost by it; an empty one just goes."""
    host.count("AUTH_a", 5)
    [segment] = host.segments()
    content = Path(segment.path).read_bytes()
    host.close()
    stray = Path(host.spool.segments) / f"{T}-77-stray.segment"
    stray.write_bytes(content)
    (stray.parent / f"{T}-78-damaged.segment").write_bytes(content[:5000])
    (stray.parent / f"{T}-79-empty.segment").write_bytes(content[:layout.HEADER_BYTES].ljust(len(content), b"\0"))
    for _ in range(2):
        host.sweep()
        assert hours(engine, "AUTH_a") == {T: 5}
        assert {(loss.kind, loss.subject, loss.requests) for loss in losses(engine)} == {
            ("late", stray.name.encode(), 5), ("late", f"{T}-78-damaged.segment".encode(), 5)}
    assert sorted(aside(host)) == [stray.name, f"{T}-78-damaged.segment"]
    (stray.parent / segment.name).write_bytes(content)  # as if the flusher had been killed before it unlinked it
    host.sweep()
    assert host.segments() == [] and len(losses(engine)) == 2


def test_worker_stopped_inside_an_update(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is stopped inside an update holds its period up, by name; once it is killed or goes on, it closes."""
    monkeypatch.setattr(closing, "HELD_SECONDS", 0.02)
    host.count("AUTH_a", 5)
    segment = host.worker._current
    assert segment is not None
    segment.header[layout.H_BUSY] = 1
    host.later()
    for _ in range(2):
        outcome = host.sweep()
        assert outcome.periods == [] and f"process {os.getpid()}" in outcome.held_up[0]
        assert complete_through(engine) is None and everything(engine) == {}
    host.worker.close()
    assert host.sweep().periods == [T]
    assert hours(engine, "AUTH_a") == {T: 5}


def test_half_made_files_go(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker was making when it was killed is removed when it is old, and never while somebody may be at it."""
    half = Path(host.spool.segments) / f".new-{T}-1-a.segment"
    host.count()
    half.write_bytes(b"x")
    host.sweep()
    assert half.exists()
    os.utime(half, (T, T))
    host.sweep()
    assert not half.exists()


def test_foreign_spool_is_refused(host: Host, engine: Engine) -> None:
    """A spool of a newer version is refused in words."""
    host.sweep()
    control = bytearray((host.path / "control").read_bytes())
    control[8] = 9
    (host.path / "control").write_bytes(control)
    with pytest.raises(JournalError, match="upgrade"):
        host.sweep()


def test_garbage_of_a_damaged_segment(host: Host, engine: Engine) -> None:
    """Unproven names that only a copy vouches for are still decided at the close."""
    host.count("g", 5, proven=False)
    host.count("AUTH_a", 1)
    host.sweep()
    snapshot.seal(host.segments()[0].path)
    host.damage(host.segments()[0])
    host.close()
    assert everything(engine) == {"AUTH_a": {T: 1}, UNKNOWN: {T: 5}}
