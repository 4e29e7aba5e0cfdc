"""The archive: the period files of closed periods, for as long as configured, to make a restored database whole again."""

from __future__ import annotations

import os

from swiftstats.journal import period_file
from swiftstats.journal.control import ARCHIVE_FROM, SHIPPED_THROUGH, Control
from swiftstats.journal.spool import Spool


class Archive:
    """The period files of a spool."""

    def __init__(self, spool: Spool, control: Control) -> None:
        self._directory = spool.periods
        self._control = control

    @property
    def begins(self) -> int:
        """Return the moment before which period files have been removed; 0: none ever was."""
        return self._control.get(ARCHIVE_FROM)

    def files(self) -> list[tuple[int, int, str]]:
        """Return (period, end, path) of each, in order."""
        found = []
        for name in os.listdir(self._directory):
            times = period_file.parse_name(name)
            if times is not None:
                found.append((*times, os.path.join(self._directory, name)))
        return sorted(found)

    def find(self, period: int) -> str | None:
        """Return the path of the file that decided `period`; None where nothing is decided yet."""
        return next((path for start, _, path in self.files() if start == period), None)

    def between(self, begin: int, end: int) -> list[str]:
        """Return the paths of the files of periods that start in [begin, end), in order."""
        return [path for start, _, path in self.files() if begin <= start < end]

    def starts(self, begin: int, end: int) -> set[int]:
        """Return the periods in [begin, end) that are decided."""
        return {start for start, _, _ in self.files() if begin <= start < end}

    def oldest(self) -> int | None:
        """Return the oldest period that is kept."""
        return next((start for start, _, _ in self.files()), None)

    def prune(self, *, now: int, keep_seconds: int, max_bytes: int) -> int:
        """Remove shipped files that are too old or, oldest first, too many; return how many went."""
        shipped = self._control.get(SHIPPED_THROUGH)
        kept = [(end, path, os.path.getsize(path)) for _, end, path in self.files() if end <= shipped]
        total = sum(size for _, _, size in kept)
        removed = 0
        for end, path, size in kept:
            if end > now - keep_seconds and total <= max_bytes:
                break
            # Said before it is done: a file that is missing and not said to be would pass for a period without traffic.
            self._control.raise_to(ARCHIVE_FROM, end)
            self._control.sync()
            os.unlink(path)
            total -= size
            removed += 1
        return removed
