"""How far long work is: a line on stderr while somebody looks at it; nothing at all where nobody does."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Callable, Iterator, TextIO, TypeVar

_T = TypeVar("_T")
#: Seconds between two looks.
EVERY = 0.5
_FROM_THE_START = "\r\x1b[K"


class Progress:
    """One line that is written again and again, on a terminal only, and gone at the end."""

    def __init__(self, out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock, self._shown = out, clock, False
        self._is_seen, self._due = out.isatty(), clock() + EVERY

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown:
            self._out.write(_FROM_THE_START)
            self._out.flush()

    def show(self, say: Callable[..., str], *given: Any) -> None:
        """Write what `say` makes of what is given, where it is time to."""
        if self._is_seen and self._clock() >= self._due:
            self._out.write(_FROM_THE_START + say(*given))
            self._out.flush()
            self._shown, self._due = True, self._clock() + EVERY

    def counted(self, rows: Iterator[_T]) -> Iterator[_T]:
        """Yield rows as they are, and show how many there were."""
        if not self._is_seen:
            yield from rows
            return
        for number, row in enumerate(rows, 1):
            if number % 100 == 0:
                self.show("{:,} rows".format, number)
            yield row
