"""Merge segments into totals, and decide which names are real. No database here; the spool's files in, plain totals out."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from swiftstats import periods
from swiftstats.errors import SegmentError, SegmentVersionError
from swiftstats.fields import CELL_COUNT, CELL_INDEX, REQUEST_CELLS, STORED_MAX, UNKNOWN
from swiftstats.journal.period_file import Loss, PeriodRow
from swiftstats.journal.snapshot import Row, Snapshot, owner_is_gone
from swiftstats.journal.spool import Spool, period_of
from swiftstats.names import text_of

UNKNOWN_NAME = UNKNOWN.encode()

Cells = tuple[int, ...]

#: A file without its name is somebody's work until it is so old (s).
UNFINISHED_SECONDS = 60


@dataclass
class Counted:
    """What one segment holds: cells by account, and which accounts are proven real. `fault`: what is wrong with the rest."""

    incarnation: str
    start: int
    end: int
    lost: tuple[int, int, int]
    cells: dict[bytes, Cells] = field(default_factory=dict)
    proven: set[bytes] = field(default_factory=set)
    snapshot: Snapshot | None = None  #: as it was read; None for what only a copy vouches for
    fault: SegmentError | None = None
    sound: int = 0  #: rows that were read

    @classmethod
    def of(cls, snapshot: Snapshot) -> Counted:
        """Read every sound row; raise SegmentError where none can be believed: of another period than the name says, or twice."""
        if snapshot.start != period_of(os.path.basename(snapshot.path)):
            raise SegmentError(snapshot.path, f"its header says that it is of {periods.iso(snapshot.start)}")
        counted = cls(snapshot.incarnation, snapshot.start, snapshot.end, snapshot.lost, snapshot=snapshot)
        faults: list[SegmentError] = []
        for name, evidence, cells in snapshot.sound_rows(faults):
            if any(counted.cells.get(name, ())):
                raise SegmentError(snapshot.path, "it holds a row twice")
            counted.cells[name] = cells
            counted.sound += 1
            if evidence:
                counted.proven.add(name)
        counted.fault = faults[0] if faults else None
        return counted

    def raise_to(self, copy: Counted) -> bool:
        """Take the greater, cell by cell, of this segment and its copy; False where the copy had more anywhere."""
        grew = True
        for name, cells in copy.cells.items():
            mine = self.cells.get(name, (0,) * CELL_COUNT)
            if mine != cells:
                greater = tuple(map(max, mine, cells))
                grew = grew and greater == mine
                self.cells[name] = greater
        self.proven |= copy.proven
        self.lost = (max(self.lost[0], copy.lost[0]), max(self.lost[1], copy.lost[1]), max(self.lost[2], copy.lost[2]))
        return grew

    def save(self, path: str) -> None:
        """Write all of it to `path` as a copy that stands alone from here on."""
        assert self.snapshot is not None
        self.snapshot.save_rows(path, (Row(name, name in self.proven, cells) for name, cells in self.cells.items()), self.lost)
        self.snapshot = None


def read(spool: Spool, name: str) -> tuple[Counted | None, SegmentError | None]:
    """Return what the segment `name` and its copy hold together, and what is wrong with the segment itself.

    Of a segment and its copy the greater counts, cell by cell: what was once shipped must stand. Of a damaged segment the rows
    before the damage count, and the copy stands alone where none is to be believed or the segment is gone; (None, error) where
    neither can be read. Raises SegmentVersionError, for then nothing may be decided.
    """
    copy = None
    path = os.path.join(spool.copies, name)
    if os.path.exists(path):
        try:
            copy = Counted.of(Snapshot.read(path, whole=False))
            copy.snapshot = None
        except SegmentVersionError:
            raise
        except SegmentError:
            pass  # torn by a power cut: the segment has it all
    try:
        counted = Counted.of(Snapshot.read(os.path.join(spool.segments, name), whole=False))
    except SegmentVersionError:
        raise
    except SegmentError as error:
        return copy, error
    if copy is not None and not counted.raise_to(copy) and counted.fault is None:
        counted.fault = SegmentError(os.path.join(spool.segments, name), "its counters are less than they were")
    return counted, counted.fault


def sources(spool: Spool, start: int) -> list[str]:
    """Return the names of the segments and copies of a period."""
    names = {segment.name for segment in spool.list_segments() if segment.start == start}
    return sorted(names | {name for name in os.listdir(spool.copies) if period_of(name) == start})


def copied(spool: Spool) -> set[int]:
    """Return the periods that there are copies of."""
    starts = (period_of(name) for name in os.listdir(spool.copies))
    return {start for start in starts if start is not None}


def forget(spool: Spool, names: Iterable[str]) -> None:
    """Unlink segments and their copies: their counts are shipped."""
    for name in names:
        for directory in (spool.segments, spool.copies):
            try:
                os.unlink(os.path.join(directory, name))
            except FileNotFoundError:
                pass


def remove_unfinished(spool: Spool) -> None:
    """Unlink what a worker was making when it was killed: a segment without a name, or a copy without one."""
    for directory, is_unfinished in ((spool.segments, lambda name: name.startswith(".new-")),
                                     (spool.copies, lambda name: name.endswith(".new"))):
        for name in filter(is_unfinished, os.listdir(directory)):
            path = os.path.join(directory, name)
            try:
                # Age first: asking takes the lock for an instant, and a worker that is making the file wants it too.
                if os.stat(path).st_mtime < time.time() - UNFINISHED_SECONDS and owner_is_gone(path):
                    os.unlink(path)
            except FileNotFoundError:
                pass


def incarnations_left(spool: Spool) -> set[str]:
    """Return whose segments are still in the spool: those writers have not ended."""
    left = set()
    for segment in spool.list_segments():
        try:
            left.add(Snapshot.read(segment.path).incarnation)
        except SegmentError:
            pass
    return left


def lost_with(cells: Iterable[Cells]) -> tuple[int, int, int]:
    """Return requests, bytes in and bytes out in these rows, for a record of what is lost with them."""
    requests = bytes_in = bytes_out = 0
    for row in cells:
        requests += sum(row[index] for index in REQUEST_CELLS)
        bytes_in += row[CELL_INDEX["passed_in"]]
        bytes_out += row[CELL_INDEX["passed_out"]]
    return requests, bytes_in, bytes_out


class Totals:
    """The sums of one period over segments, by incarnation and account."""

    def __init__(self) -> None:
        self.by_incarnation: dict[str, dict[bytes, Cells]] = {}
        self.proven: set[bytes] = {UNKNOWN_NAME}
        self.lost: dict[str, tuple[int, int, int]] = {}

    def add(self, counted: Counted) -> None:
        """Add what one segment holds."""
        totals = self.by_incarnation.setdefault(counted.incarnation, {})
        for name, cells in counted.cells.items():
            if not any(cells):
                continue
            before = totals.get(name)
            totals[name] = cells if before is None else tuple(map(sum, zip(before, cells)))
        self.proven |= counted.proven
        if any(counted.lost):
            lost = self.lost.get(counted.incarnation, (0, 0, 0))
            self.lost[counted.incarnation] = (lost[0] + counted.lost[0], lost[1] + counted.lost[1], lost[2] + counted.lost[2])

    def unproven(self) -> set[bytes]:
        """Return the names that no evidence speaks for."""
        return {name for totals in self.by_incarnation.values() for name in totals} - self.proven

    def fold(self, known: Collection[bytes]) -> None:
        """Decide every name: what is neither proven nor `known` is counted under `(unknown)` from here on."""
        garbage = self.unproven().difference(known)
        for totals in self.by_incarnation.values():
            folded = [totals.pop(name) for name in garbage & totals.keys()]
            if folded:
                unknown = totals.get(UNKNOWN_NAME, (0,) * CELL_COUNT)
                totals[UNKNOWN_NAME] = tuple(map(sum, zip(unknown, *folded)))

    def set_aside_what_no_store_holds(self, period: int, end: int) -> list[Loss]:
        """Take out the rows with a cell above STORED_MAX, and return them as losses that name them."""
        losses = []
        for incarnation, totals in self.by_incarnation.items():
            for name in [name for name, cells in totals.items() if max(cells) > STORED_MAX]:
                losses.append(Loss(incarnation, period, end, "overflow", text_of(name),
                                   detail="counters above 2^63-1: " + " ".join(map(str, totals.pop(name)))))
        return losses

    def rows(self, *, proven_only: bool = False) -> Iterator[PeriodRow]:
        """Yield every total, by incarnation and name; with `proven_only` those of proven accounts, `(unknown)` not among them."""
        for incarnation in sorted(self.by_incarnation):
            totals = self.by_incarnation[incarnation]
            for name in sorted(totals):
                if not proven_only or (name in self.proven and name != UNKNOWN_NAME):
                    yield PeriodRow(incarnation, name, totals[name])

    def count(self) -> int:
        return sum(map(len, self.by_incarnation.values()))


def totals_of(counted: Iterable[Counted]) -> Totals:
    """Return the sums over several segments."""
    totals = Totals()
    for one in counted:
        totals.add(one)
    return totals
