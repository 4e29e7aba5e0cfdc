"""A segment as its owner writes it: memory-mapped, locked for the worker's life, grown before it is needed.

Not thread-safe: counters.py holds its lock around every call. The format stands in layout.py.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import sys
from typing import Callable

from swiftstats.fields import CELL_COUNT, NAME_BYTES, STORED_MAX, UNKNOWN
from swiftstats.journal import layout
from swiftstats.journal.layout import (
    H_BUSY,
    H_EXTENTS,
    H_LOST,
    H_STATE,
    OPEN,
    PLACE_MASK,
    PLACE_SHIFT,
    R_CELLS,
    R_EVIDENCE,
    R_HEAD,
    R_NAME,
    WORD,
)

#: A name that cannot be a row's, and one for which there is no room among the unproven, is counted here.
UNKNOWN_NAME = UNKNOWN.encode()


class Segment:
    """One worker's counters for one period.

    `may_grow(bytes)` raises OSError where the spool's bound forbids that many more. Every method that takes room may raise
    OSError; what was counted before stands.
    """

    __slots__ = ("path", "start", "end", "header", "proven", "unproven", "_fd", "_maps", "_extents", "_used", "_may_grow",
                 "_max_unproven")

    def __init__(self, path: str, start: int, end: int, fd: int, max_unproven: int, may_grow: Callable[[int], None]) -> None:
        self.path, self.start, self.end = path, start, end
        # Accounts, as WSGI gives them, and the places of their rows: with evidence, and so far without.
        self.proven: dict[str, int] = {}
        self.unproven: dict[str, int] = {}
        self._fd = fd
        self._max_unproven = max_unproven
        self._may_grow = may_grow
        self._maps: list[mmap.mmap] = []
        self._extents: list[memoryview] = []
        self._used = 0  # words of the last extent
        self.header = self._map(0, layout.HEADER_BYTES)

    @classmethod
    def create(cls, directory: str, name: str, *, start: int, seconds: int, incarnation: str, created: int, max_unproven: int,
               may_grow: Callable[[int], None]) -> Segment:
        """Make the file, own it, and give it its name only when it is whole: nobody ever reads a torn header."""
        unnamed = os.path.join(directory, ".new-" + name)
        path = os.path.join(directory, name)
        may_grow(layout.file_bytes(1))
        fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        segment = None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Blocks are taken before they are used: a store into a hole on a full disk is SIGBUS, this is a clean ENOSPC.
            os.posix_fallocate(fd, 0, layout.HEADER_BYTES)
            segment = cls(path, start, start + seconds, fd, max_unproven, may_grow)
            segment._write_header(seconds, incarnation, created)
            segment._grow()
            segment.proven[UNKNOWN] = segment._new_row(UNKNOWN_NAME)
            os.rename(unnamed, path)
        except BaseException:
            if segment is not None:
                segment.close()
            else:
                os.close(fd)
            os.unlink(unnamed)
            raise
        return segment

    def place(self, account: str, evidence: bool) -> int:
        """Return where the account is counted, with a row made for it where it has none yet, and its evidence written down.

        Done before the update, not inside it: taking room may take a while, and a row of zeros harms nobody.
        """
        place = self.proven.get(account)
        if place is not None:
            return place
        place = self.unproven.get(account)
        if place is None:
            name = account.encode("latin-1")
            if not 0 < len(name) <= NAME_BYTES or (not evidence and len(self.unproven) >= self._max_unproven):
                return self.proven[UNKNOWN]
            place = self.unproven[account] = self._new_row(name)
        if evidence:
            self._extents[place >> PLACE_SHIFT][(place & PLACE_MASK) - R_CELLS + R_EVIDENCE] = 1
            self.proven[account] = self.unproven.pop(account)
        return place

    def count(self, place: int, increments: tuple[int, ...]) -> bool:
        """Add `increments`, cell and amount in turn; False where the segment is sealed, and nothing was added.

        The worker's half of the seal: say busy, then look, and never the other way round.
        """
        header = self.header
        header[H_BUSY] = 1
        try:
            if header[H_STATE] != OPEN:
                return False
            extent = self._extents[place >> PLACE_SHIFT]
            base = place & PLACE_MASK
            length = len(increments)
            if length == 4:  # PERF: bench/filter.py; most requests add to two cells or one, and a loop costs more than a cell
                extent[base + increments[0]] += increments[1]
                extent[base + increments[2]] += increments[3]
            elif length == 2:
                extent[base + increments[0]] += increments[1]
            else:
                for index in range(0, length, 2):
                    extent[base + increments[index]] += increments[index + 1]
            return True
        finally:
            header[H_BUSY] = 0

    def lose(self, lost: tuple[int, int, int]) -> bool:
        """Add requests, bytes in and bytes out to what is known to be lost; False where the segment is sealed."""
        header = self.header
        header[H_BUSY] = 1
        try:
            if header[H_STATE] != OPEN:
                return False
            for index, amount in enumerate(lost):
                header[H_LOST + index] = min(header[H_LOST + index] + amount, STORED_MAX)
            return True
        finally:
            header[H_BUSY] = 0

    def is_open(self) -> bool:
        """Tell whether the flusher still lets it be counted in."""
        return bool(self.header[H_STATE] == OPEN)

    def is_there(self) -> bool:
        """Tell whether the file still has its name: a spool may be removed under a running worker."""
        return os.fstat(self._fd).st_nlink > 0

    def counted(self) -> tuple[tuple[int, ...], ...]:
        """Return the cells of every row, to say what was lost with the file."""
        cells = []
        for place in (*self.proven.values(), *self.unproven.values()):
            base = place & PLACE_MASK
            cells.append(tuple(self._extents[place >> PLACE_SHIFT][base : base + CELL_COUNT]))
        return tuple(cells)

    def close(self) -> None:
        """Let go of the file and its lock; what was counted stays in it."""
        for view in (*self._extents, self.header):
            view.release()
        for mapped in self._maps:
            mapped.close()
        os.close(self._fd)

    def _map(self, offset: int, length: int) -> memoryview:
        mapped = mmap.mmap(self._fd, length, offset=offset)
        self._maps.append(mapped)
        # A store through this view is one eight-byte store; struct.pack_into can be seen half-written by a reader (measured).
        return memoryview(mapped).cast("Q")

    def _write_header(self, seconds: int, incarnation: str, created: int) -> None:
        header = self.header
        header[layout.H_MAGIC] = layout.MAGIC
        header[layout.H_VERSION] = layout.VERSION
        header[layout.H_CELLS] = CELL_COUNT
        header[layout.H_PERIOD] = self.start
        header[layout.H_SECONDS] = seconds
        header[layout.H_INCARNATION] = int(incarnation[:16], 16)
        header[layout.H_INCARNATION + 1] = int(incarnation[16:], 16)
        header[layout.H_PID] = os.getpid()
        header[layout.H_CREATED] = created
        header[layout.H_CRC] = layout.header_crc(header.tobytes())
        header[H_STATE] = OPEN

    def _grow(self) -> None:
        number = len(self._extents)
        offset = layout.file_bytes(number)
        length = layout.extent_words(number) * WORD
        if number >= 1:
            self._may_grow(length)
        os.posix_fallocate(self._fd, offset, length)
        self._extents.append(self._map(offset, length))
        self._used = 0
        self.header[H_EXTENTS] = number + 1

    def _new_row(self, name: bytes) -> int:
        size = layout.row_words(name)
        if self._used + size > layout.extent_words(len(self._extents) - 1):
            self._grow()
        extent, base = self._extents[-1], self._used
        padded = name.ljust((size - R_NAME) * WORD, b"\0")
        for index in range(size - R_NAME):
            extent[base + R_NAME + index] = int.from_bytes(padded[index * WORD : index * WORD + WORD], _ORDER)
        extent[base + R_HEAD] = layout.row_head(name)
        self._used = base + size
        return (len(self._extents) - 1) << PLACE_SHIFT | base + R_CELLS


_ORDER = sys.byteorder


def no_space(message: str) -> OSError:
    """Return the error of a bound that is reached, as the kernel would word a full disk."""
    return OSError(errno.ENOSPC, message)
