"""A journal that remembers what was added: the shape of Counters, without files, for tests of what is counted and when."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from swiftstats import fields


class Add(NamedTuple):
    """One call of `add` (or of `add_at`: then `evidence` is None)."""

    account: str
    increments: tuple[int, ...]
    evidence: bool | None


class Recorder:
    """Rows by account and period. `period` is what tests move on; `full` loses every add, `closed` periods take no add_at."""

    def __init__(self) -> None:
        self.adds: list[Add] = []
        self.rows: dict[tuple[int, str], list[int]] = {}
        self.period = 0
        self.closed: set[int] = set()
        self.full = False
        self.failure: Exception | None = None
        self._lock = threading.Lock()

    def add(self, account: str, increments: tuple[int, ...], evidence: bool = False) -> Any:
        if self.failure is not None:
            raise self.failure
        with self._lock:
            self.adds.append(Add(account, increments, evidence))
            if self.full:
                return None
            self._into((self.period, account), increments)
            return self.period, account

    def add_at(self, place: Any, increments: tuple[int, ...]) -> bool:
        with self._lock:
            if place is None or place[0] in self.closed:
                return False
            self.adds.append(Add(place[1], increments, None))
            self._into(place, increments)
            return True

    def close(self) -> None:
        pass

    def _into(self, key: tuple[int, str], increments: tuple[int, ...]) -> None:
        cells = self.rows.setdefault(key, [0] * fields.CELL_COUNT)
        for index in range(0, len(increments), 2):
            assert increments[index + 1] >= 0, "a cell only grows"
            cells[increments[index]] += increments[index + 1]

    def usage(self, account: str, period: int | None = None) -> dict[str, int]:
        """Return an account's fields that are not zero, of one period or of all."""
        total = [0] * fields.CELL_COUNT
        for (start, name), cells in self.rows.items():
            if name == account and period in (None, start):
                total = [a + b for a, b in zip(total, cells)]
        return {field.name: value for field, value in zip(fields.FIELDS, fields.values(total)) if value}

    def accounts(self) -> set[str]:
        return {name for _, name in self.rows}

    def evidence(self, account: str) -> bool:
        """Tell whether any add said that the account is real."""
        return any(add.evidence for add in self.adds if add.account == account)
