"""A spool under test: counters on a clock of the test's own, and what their segments hold. Runs on Python 3.9 too."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any, Dict, List, Tuple

from swiftstats.fields import CELL_COUNT, CELL_INDEX
from swiftstats.journal.counters import Counters
from swiftstats.journal.snapshot import Snapshot
from swiftstats.journal.spool import Spool

HOUR = 3600
T = 1_350_892_800  # 2012-10-22 08:00:00
GET = CELL_INDEX["get_count"]
ONE = (GET, 1)
INCARNATION = "0123456789abcdef" * 2


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: float = T + 60) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def counters(path: object, clock: Clock | None = None, **options: Any) -> Counters:
    """Return counters of server `proxy-1` on hourly periods."""
    return Counters(str(path), **{"server": "proxy-1", "period_seconds": HOUR, "clock": clock or Clock(), **options})


def cells(**given: int) -> Tuple[int, ...]:
    """Return a row of cells: zeros but for those given."""
    row = [0] * CELL_COUNT
    for name, value in given.items():
        row[CELL_INDEX[name]] = value
    return tuple(row)


def snapshots(path: object) -> List[Snapshot]:
    """Read every segment of a spool."""
    return [Snapshot.read(segment.path) for segment in Spool(str(path)).list_segments()]


def counted(path: object, cell: int = GET) -> Dict[int, Dict[bytes, int]]:
    """Return one cell's sums over segments, by period and name, without zeros."""
    sums: Dict[int, Dict[bytes, int]] = defaultdict(lambda: defaultdict(int))
    for snapshot in snapshots(path):
        for row in snapshot.rows():
            if row.cells[cell]:
                sums[snapshot.start][row.name] += row.cells[cell]
    return {start: dict(names) for start, names in sums.items()}


def lost(path: object) -> Dict[int, Tuple[int, ...]]:
    """Return what the segments say was lost (requests, bytes in, bytes out), by period, without zeros."""
    sums: Dict[int, Tuple[int, ...]] = {}
    for snapshot in snapshots(path):
        if any(snapshot.lost):
            before = sums.get(snapshot.start, (0, 0, 0))
            sums[snapshot.start] = tuple(map(sum, zip(before, snapshot.lost)))
    return sums


def in_child(body: Any) -> int:
    """Run `body` in a forked child and return its exit status: 0, or 1 where it raised."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            body()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
