"""The period file: what was decided comes back as it was, any damage is found before a row of it is believed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swiftstats.errors import PeriodFileError, PeriodFileVersionError
from swiftstats.fields import CELL_COUNT, NAME_BYTES
from swiftstats.journal import period_file
from swiftstats.journal.period_file import Loss, PeriodHeader, PeriodRow
from tests.support.spools import HOUR, INCARNATION, T, cells

OTHER = "f" * 32
ROWS = [PeriodRow(INCARNATION, name, cells(get_count=number, passed_in=2**64 - 1 - number)) for number, name in enumerate(
    (b"\0", b"AUTH_a", "AUTH_ü".encode(), b"\xff" * NAME_BYTES))] + [PeriodRow(OTHER, b"AUTH_a", (1,) * CELL_COUNT)]
LOSS = Loss(OTHER, T, T + HOUR, "damaged", "1-2.segment", 1, 2, 2**63 - 1, "ünbelievable")


def header(rows: int = len(ROWS)) -> PeriodHeader:
    return PeriodHeader(T, T + HOUR, (INCARNATION, OTHER), rows, ("a.segment", "b.segment"), (LOSS,))


@pytest.fixture
def written(tmp_path: Path) -> str:
    return period_file.write(str(tmp_path), header(), ROWS)


def test_comes_back(written: str) -> None:
    """Header, losses, and every row with its name's bytes and 64-bit cells are read as written, any number of times."""
    for _ in range(2):
        found, rows = period_file.read(written)
        assert found == header()
        assert list(rows) == ROWS


def test_name_and_mode(written: str, tmp_path: Path) -> None:
    """The file is named by its period, 0600, and no temporary one is left."""
    assert os.listdir(tmp_path) == [f"{T}-{T + HOUR}.period"]
    assert os.stat(written).st_mode & 0o777 == 0o600
    assert period_file.parse_name(os.path.basename(written)) == (T, T + HOUR)


@pytest.mark.parametrize("name", ["", ".period", "1.period", "1-.period", "-1.period", "1-2.period.new", "a-b.period",
                                  "²-3.period", "1-2.segment", "1-2-3.period"])
def test_other_names(name: str) -> None:
    """Other names are no period file's."""
    assert period_file.parse_name(name) is None


def test_same_bytes_for_the_same(tmp_path: Path) -> None:
    """Writing the same again makes the very same file: nothing of the clock or the machine is in it."""
    content = [Path(period_file.write(str(tmp_path), header(), ROWS)).read_bytes() for _ in range(2)]
    assert content[0] == content[1]


def test_empty(tmp_path: Path) -> None:
    """A period in which nothing was counted has a file too."""
    path = period_file.write(str(tmp_path), PeriodHeader(T, T + HOUR, (), 0, (), ()), [])
    found, rows = period_file.read(path)
    assert found == PeriodHeader(T, T + HOUR, (), 0, (), ()) and list(rows) == []


def test_many_rows_are_streamed(tmp_path: Path) -> None:
    """Rows are taken and given one after the other, so that a million accounts need no memory of their own."""
    taken: List[int] = []

    def rows() -> object:
        for number in range(30000):
            taken.append(number)
            yield PeriodRow(INCARNATION, b"%08d" % number, (number,) * CELL_COUNT)

    path = period_file.write(str(tmp_path), header(30000), rows())  # type: ignore[arg-type]
    assert len(taken) == 30000
    for number, row in enumerate(period_file.read(path)[1]):
        assert row == (INCARNATION, b"%08d" % number, (number,) * CELL_COUNT)
    assert number == 29999


def test_unfinished_is_not_there(tmp_path: Path) -> None:
    """A writer that dies half-way leaves no file of the period, and the next one succeeds."""
    def rows() -> object:
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        period_file.write(str(tmp_path), header(), rows())  # type: ignore[arg-type]
    assert not [name for name in os.listdir(tmp_path) if period_file.parse_name(name)]
    assert list(period_file.read(period_file.write(str(tmp_path), header(), ROWS))[1]) == ROWS


def test_every_truncation_is_found(written: str) -> None:
    """Cut at any byte, the file is refused with its path, before a row is given."""
    content = Path(written).read_bytes()
    for length in range(0, len(content), 7):
        Path(written).write_bytes(content[:length])
        with pytest.raises(PeriodFileError, match="damaged") as caught:
            period_file.read(written)
        assert written in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"junk", *(gzip.compress(each, mtime=0) for each in (b"", b"{}\n", b"x" * 100))])
def test_foreign_file(tmp_path: Path, content: bytes) -> None:
    """A file of something else is refused."""
    path = tmp_path / f"{T}-{T + HOUR}.period"
    path.write_bytes(content)
    with pytest.raises(PeriodFileError):
        period_file.read(str(path))
    with pytest.raises(PeriodFileError):
        period_file.read(str(tmp_path / "nothing"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_random_damage(written: str, tmp_path: Path, place: int, junk: bytes) -> None:
    """Random bytes anywhere: the file is refused, or says exactly what it said."""
    content = bytearray(Path(written).read_bytes())
    place %= len(content)
    content[place:place + len(junk)] = junk
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content)
    try:
        found, rows = period_file.read(str(damaged))
    except PeriodFileError:
        return
    assert found == header() and list(rows) == ROWS


def test_newer_format(written: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of a newer version is told apart from a damaged one: what it decided must not be decided again."""
    monkeypatch.setattr(period_file, "VERSION", 2)
    path = period_file.write(str(tmp_path), header(), ROWS)
    monkeypatch.undo()
    with pytest.raises(PeriodFileVersionError, match="newer.*upgrade"):
        period_file.read(path)


def test_want_of_files_is_no_damage(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has no more files says so; it does not call a good file damaged."""
    def no_more(*_: object) -> object:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(period_file.gzip, "open", no_more)
    with pytest.raises(OSError, match="Too many"):
        period_file.read(written)


names = st.binary(min_size=1, max_size=NAME_BYTES)
numbers = st.lists(st.integers(0, 2**64 - 1), min_size=CELL_COUNT, max_size=CELL_COUNT).map(tuple)


@settings(deadline=None)
@given(st.dictionaries(names, numbers, max_size=20), st.text(max_size=50))
def test_anything_comes_back(tmp_path_factory: pytest.TempPathFactory, wanted: dict, text: str) -> None:
    """Any names, cells and words of a loss come back unchanged."""
    rows = [PeriodRow(INCARNATION, name, wanted[name]) for name in sorted(wanted)]
    losses = (LOSS._replace(subject=text, detail=text),)
    wanted_header = PeriodHeader(T, T + HOUR, (INCARNATION,), len(rows), (), losses)
    found, given_rows = period_file.read(period_file.write(str(tmp_path_factory.getbasetemp()), wanted_header, rows))
    assert found == wanted_header and list(given_rows) == rows
