"""The segment's format: written and read back, grown, refused where it is not whole, and no name that was never written."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from typing import Callable, List, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swiftstats.errors import SegmentError, SegmentVersionError
from swiftstats.fields import CELL_COUNT, NAME_BYTES, UNKNOWN
from swiftstats.journal import layout, snapshot
from swiftstats.journal.segment import Segment, no_space
from swiftstats.journal.snapshot import Snapshot
from tests.support.spools import HOUR, INCARNATION, ONE, T

NAMES = st.binary(min_size=1, max_size=NAME_BYTES)


def create(folder: Path, name: str = f"{T}-1-a.segment", max_unproven: int = 10**6,
           may_grow: Callable[[int], None] = lambda length: None) -> Segment:
    return Segment.create(str(folder), name, start=T, seconds=HOUR, incarnation=INCARNATION, created=T + 1,
                          max_unproven=max_unproven, may_grow=may_grow)


def rows(path: str) -> dict:
    return {row.name: row for row in Snapshot.read(path).rows()}


@pytest.fixture
def written(tmp_path: Path) -> str:
    """A segment of three extents."""
    segment = create(tmp_path)
    for number in range(2000):
        assert segment.count(segment.place(f"AUTH_{number:04d}", number % 2 == 0), (0, number, CELL_COUNT - 1, 7))
    segment.close()
    return segment.path


def test_header_and_row_come_back(tmp_path: Path) -> None:
    """What a worker wrote is what the reader finds: period, incarnation, owner, losses, names, evidence and every cell."""
    segment = create(tmp_path)
    for cell in range(CELL_COUNT):
        segment.count(segment.place("AUTH_a", True), (cell, 2**62 + cell))
    segment.count(segment.place("AUTH_b", False), (3, 1, 3, 1, 5, 9))
    segment.lose((1, 2, 3))
    read = Snapshot.read(segment.path)
    assert (read.start, read.end, read.seconds, read.incarnation, read.pid) == (T, T + HOUR, HOUR, INCARNATION, os.getpid())
    assert read.lost == (1, 2, 3)
    found = rows(segment.path)
    assert found[b"AUTH_a"] == (b"AUTH_a", True, tuple(2**62 + cell for cell in range(CELL_COUNT)))
    assert found[b"AUTH_b"] == (b"AUTH_b", False, (0, 0, 0, 2, 0, 9) + (0,) * (CELL_COUNT - 6))
    assert set(found) == {b"AUTH_a", b"AUTH_b", UNKNOWN.encode()}
    segment.close()


@given(st.dictionaries(NAMES, st.integers(0, 2**63 - 1), max_size=40))
def test_any_names_come_back(tmp_path_factory: pytest.TempPathFactory, wanted: dict) -> None:
    """Names of 1 to 256 bytes of any value, mapped by latin-1 as WSGI does, come back as the bytes they were."""
    segment = create(tmp_path_factory.mktemp("segments"))
    for name, amount in wanted.items():
        assert segment.count(segment.place(name.decode("latin-1"), True), (4, amount))
    found = {name: row.cells[4] for name, row in rows(segment.path).items()}
    assert found == {UNKNOWN.encode(): 0, **wanted}
    segment.close()


@pytest.mark.parametrize("name", ["a", "x" * 256, "\x00", "\x00" * 256, "ü".encode().decode("latin-1") * 128, "\xff\xfe"])
def test_names_at_the_edges(tmp_path: Path, name: str) -> None:
    """The shortest and longest names, NUL, UTF-8 and bytes that are no UTF-8 each have a row of their own."""
    segment = create(tmp_path)
    segment.count(segment.place(name, True), ONE)
    assert rows(segment.path)[name.encode("latin-1")].cells[ONE[0]] == 1
    segment.close()


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_name_that_cannot_be_is_unknown(tmp_path: Path, name: str) -> None:
    """A name that is empty or too long is counted under (unknown), and takes no row."""
    segment = create(tmp_path)
    assert segment.place(name, True) == segment.proven[UNKNOWN]
    assert len(segment.proven) == 1 and not segment.unproven
    segment.close()


def test_grows_over_many_extents(tmp_path: Path) -> None:
    """Rows never move while the file grows past its largest extent size, and all of them are read."""
    segment = create(tmp_path)
    number = 0
    while len(segment._extents) < 9:
        segment.count(segment.place(f"{number:0256d}", True), (0, number))
        number += 1
    first = segment.place(f"{1:0256d}", True)
    segment.count(first, (0, 10))
    found = {int(name): row.cells[0] for name, row in rows(segment.path).items() if name != UNKNOWN.encode()}
    assert found == {**{n: n for n in range(number)}, 1: 11}
    assert os.path.getsize(segment.path) == layout.file_bytes(9)
    segment.close()


def test_read_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment that grows between two steps of its reader is no truncated one."""
    segment = create(tmp_path)
    segment.count(segment.place("AUTH_a", True), ONE)
    fstat = os.fstat

    def grow_after(fd: int) -> os.stat_result:
        found = fstat(fd)
        if len(segment._extents) == 1:
            segment._grow()
        return found

    monkeypatch.setattr(snapshot.os, "fstat", grow_after)
    read = Snapshot.read(segment.path)
    assert {row.name for row in read.rows()} == {b"AUTH_a", UNKNOWN.encode()}
    copy = str(tmp_path / "copy")
    read.save(copy)
    monkeypatch.undo()
    assert set(rows(copy)) == {b"AUTH_a", UNKNOWN.encode()}
    segment.close()


def test_room_is_taken_before_it_is_used(tmp_path: Path) -> None:
    """No hole is left in the file that a store could fall into on a full disk."""
    segment = create(tmp_path)
    segment._grow()
    status = os.stat(segment.path)
    assert status.st_blocks * 512 >= status.st_size == layout.file_bytes(2)
    segment.close()


def test_bound_forbids_growth_only(tmp_path: Path) -> None:
    """Where growth is forbidden, rows that stand are counted on, a new one fails cleanly, and nothing is torn."""
    allowed = [True]

    def may_grow(length: int) -> None:
        if not allowed[0]:
            raise no_space("bound")

    segment = create(tmp_path, may_grow=may_grow)
    allowed[0] = False
    placed = 0
    with pytest.raises(OSError, match="bound"):
        while True:
            segment.place(f"AUTH_{placed:05d}", True)
            placed += 1
    assert segment.count(segment.place("AUTH_00000", True), ONE)
    assert len(rows(segment.path)) == placed + 1
    segment.close()
    with pytest.raises(OSError, match="bound"):
        create(tmp_path, "other", may_grow=may_grow)
    assert os.listdir(tmp_path) == [os.path.basename(segment.path)]


def test_sealed_takes_nothing(tmp_path: Path) -> None:
    """After the seal neither counts nor losses are added, and the worker is told."""
    segment = create(tmp_path)
    place = segment.place("AUTH_a", True)
    assert segment.is_open() and segment.count(place, ONE)
    snapshot.seal(segment.path)
    assert not segment.is_open() and not segment.count(place, ONE) and not segment.lose((1, 1, 1))
    assert snapshot.is_quiet(segment.path)
    assert rows(segment.path)[b"AUTH_a"].cells[ONE[0]] == 1
    segment.close()


def test_owner_is_known_by_its_lock(tmp_path: Path) -> None:
    """Busy with a living owner is not quiet; the same words without an owner are."""
    segment = create(tmp_path)
    segment.header[layout.H_BUSY] = 1
    snapshot.seal(segment.path)
    assert not snapshot.is_quiet(segment.path) and not snapshot.owner_is_gone(segment.path)
    segment.close()
    assert snapshot.is_quiet(segment.path) and snapshot.owner_is_gone(segment.path)


def words(path: str) -> array:
    found = array("Q")
    with open(path, "rb") as file:
        found.frombytes(file.read())
    return found


def rewrite(path: str, changes: Tuple[Tuple[int, int], ...], crc: bool = True) -> None:
    found = words(path)
    for word, value in changes:
        found[word] = value
    if crc:
        found[layout.H_CRC] = layout.header_crc(found[:layout.HEADER_WORDS].tobytes())
    with open(path, "wb") as file:
        found.tofile(file)


@pytest.mark.parametrize("length, reason", [
    (0, "too short: 0 bytes"), (8, "too short"), (layout.HEADER_BYTES - 1, "too short"), (layout.HEADER_BYTES, "truncated"),
    (layout.file_bytes(1), "truncated"), (layout.file_bytes(2) - 1, "truncated"), (layout.file_bytes(2) + 4096, "truncated")])
def test_truncated_is_refused(written: str, length: int, reason: str) -> None:
    """A file that ends early is refused with its path and length, and never read behind its end."""
    os.truncate(written, length)
    with pytest.raises(SegmentError, match=reason) as caught:
        Snapshot.read(written)
    assert written in str(caught.value)


@pytest.mark.parametrize("changes, crc, reason", [
    (((layout.H_MAGIC, int.from_bytes(layout.MAGIC.to_bytes(8, "little"), "big")),), True, "byte order"),
    (((layout.H_CELLS, 3),), True, "3 cells"), (((layout.H_PERIOD, T + 1),), False, "fails its check"),
    (((layout.H_INCARNATION, 5),), False, "fails its check"), (((layout.H_SECONDS, 0),), True, "impossible"),
    (((layout.H_STATE, 77),), True, "impossible"), (((layout.H_EXTENTS, 0),), True, "truncated"),
    (((layout.H_EXTENTS, 2**63),), True, "truncated"), (((layout.HEADER_WORDS, 5),), True, "no row|fails its check"),
    (((layout.HEADER_WORDS + layout.R_NAME, 5),), True, "fails its check"),
    (((layout.HEADER_WORDS + layout.R_EVIDENCE, 2),), True, "impossible")])
def test_damage_is_refused(written: str, changes: Tuple[Tuple[int, int], ...], crc: bool, reason: str) -> None:
    """A foreign, torn or impossible header or row is refused in words that say what is wrong."""
    rewrite(written, changes, crc)
    with pytest.raises(SegmentError, match=reason) as caught:
        list(Snapshot.read(written).rows())
    assert not isinstance(caught.value, SegmentVersionError)


def test_newer_version_is_told_apart(written: str) -> None:
    """A segment of a newer format is not called damaged: its error says that the flusher is to be upgraded."""
    rewrite(written, ((layout.H_VERSION, layout.VERSION + 1), (layout.H_CELLS, CELL_COUNT + 5)))
    with pytest.raises(SegmentVersionError, match=f"{layout.VERSION + 1} is newer.*upgrade"):
        Snapshot.read(written)


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 8192, b"\xff" * 8192, b"\x7fELF" * 4096])
def test_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Any other file under a segment's name is refused."""
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(SegmentError):
        Snapshot.read(str(path))


def test_what_is_no_file_is_refused(tmp_path: Path, written: str) -> None:
    """A folder, a symbolic link, a pipe and a name of nothing are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    os.symlink(written, tmp_path / "link")
    for name in (".", "link", "pipe", "nothing"):
        with pytest.raises(SegmentError):
            Snapshot.read(str(tmp_path / name))


def test_want_of_files_is_no_damage(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has no more files or memory says so; it does not call a good segment damaged."""
    def no_more(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(snapshot.os, "open", no_more)
    with pytest.raises(OSError, match="Too many"):
        Snapshot.read(written)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_random_damage_never_makes_a_name(written: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Random bytes at random places: the reader refuses, or yields only names that were written; it never crashes."""
    with open(written, "rb") as file:
        content = bytearray(file.read())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, 250), st.integers(layout.HEADER_BYTES, len(content) - 1)))
        junk = data.draw(st.binary(min_size=1, max_size=300))
        content[place:place + len(junk)] = junk
    path = str(tmp_path_factory.getbasetemp() / "damaged")
    with open(path, "wb") as file:
        file.write(content)
    names = {b"AUTH_%04d" % number for number in range(2000)} | {UNKNOWN.encode()}
    try:
        for row in Snapshot.read(path).rows():
            assert row.name in names
    except SegmentError as error:
        assert path in str(error)
    try:
        assert {row.name for row in Snapshot.read(path, whole=False).sound_rows([])} <= names
    except SegmentError:
        pass  # nothing of it is to be believed


def test_sound_rows_of_a_damaged_segment(written: str, tmp_path: Path) -> None:
    """Each extent is read up to its damage; what was read and is written as a segment is read again, and is all there is."""
    whole = list(Snapshot.read(written).rows())
    rewrite(written, ((layout.HEADER_WORDS + layout.row_words(UNKNOWN.encode()), 5),))
    os.truncate(written, os.stat(written).st_size - 1000)
    faults: List[SegmentError] = []
    damaged = Snapshot.read(written, whole=False)
    sound = list(damaged.sound_rows(faults))
    assert [fault.reason.split()[0] for fault in faults] == ["truncated:", "the"]
    assert sound[0].name == UNKNOWN.encode() and 1 < len(sound) < len(whole) and set(sound) < set(whole)
    copy = str(tmp_path / "copy")
    for rows in (sound, whole, []):
        damaged.save_rows(copy, rows, (1, 2, 3))
        found = Snapshot.read(copy)
        assert (list(found.rows()), found.lost) == (rows, (1, 2, 3))
        assert (found.incarnation, found.start, found.seconds) == (damaged.incarnation, damaged.start, damaged.seconds)
