"""Sums per account and period that need not fit into memory: they are kept in a temporary file, which is gone at the end."""

from __future__ import annotations

import json
import sqlite3
from typing import Iterator, Sequence

#: Rows that are kept in memory before they are added to the file.
IN_MEMORY = 20_000


class Tally:
    """Adds up rows of whole numbers of any size, by account and period."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, int], list[int]] = {}
        self._file = sqlite3.connect("", isolation_level=None)  # a private file without a name
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("CREATE TABLE sums (account BLOB, period INTEGER, numbers TEXT, PRIMARY KEY (account, period))"
                           " WITHOUT ROWID")

    def add(self, account: bytes, period: int, numbers: Sequence[int]) -> None:
        """Add to an account's row."""
        row = self._waiting.get((account, period))
        if row is None:
            if len(self._waiting) >= IN_MEMORY:
                self._spill()
            self._waiting[account, period] = list(numbers)
            return
        for index, number in enumerate(numbers):
            row[index] += number

    def rows(self) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
        """Yield (account, period, sums) in this order; nothing may be added meanwhile."""
        self._spill()
        for account, period, packed in self._file.execute("SELECT account, period, numbers FROM sums ORDER BY account, period"):
            yield account, period, tuple(json.loads(packed))

    def of(self, account: bytes) -> dict[int, tuple[int, ...]]:
        """Return one account's sums by period."""
        self._spill()
        found = self._file.execute("SELECT period, numbers FROM sums WHERE account = ?", (account,))
        return {period: tuple(json.loads(packed)) for period, packed in found}

    def _spill(self) -> None:
        self._file.execute("BEGIN")
        for (account, period), row in self._waiting.items():
            before = self._file.execute("SELECT numbers FROM sums WHERE account = ? AND period = ?", (account, period)).fetchone()
            if before is not None:
                row = [old + new for old, new in zip(json.loads(before[0]), row)]
            self._file.execute("REPLACE INTO sums VALUES (?, ?, ?)", (account, period, json.dumps(row)))
        self._file.execute("COMMIT")
        self._waiting.clear()
