"""A count of what has been done, on stderr while somebody looks at it; nothing at all where nobody does."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Callable, Iterator, TextIO, TypeVar

_T = TypeVar("_T")
#: Seconds between two lines.
EVERY = 0.5


class Progress:
    """Counts rows, and shows how many in one line that it writes again and again; on a terminal only."""

    def __init__(self, out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock, self._shown = out, clock, False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()

    def counted(self, rows: Iterator[_T]) -> Iterator[_T]:
        """Yield rows as they are."""
        if not self._out.isatty():
            yield from rows
            return
        due = self._clock() + EVERY
        for number, row in enumerate(rows, 1):
            if number % 100 == 0 and self._clock() >= due:
                self._out.write(f"\r{number:,} rows")
                self._out.flush()
                self._shown, due = True, self._clock() + EVERY
            yield row
