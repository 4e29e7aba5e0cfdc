"""A segment as its reader sees it: one copy of its words, checked before anything is believed; of a damaged one, what is sound.

The file may be written meanwhile by its owner. It is read through a mapping word by word, since only an eight-byte load is
sure to see an eight-byte store whole, and from the front to the end, so that unbilled cells are read before passed ones
(fields.py says why). A file that ends early is seen by its length, before the mapping could be read behind its end.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import time
from array import array
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple

from swiftstats.errors import SegmentError, SegmentVersionError
from swiftstats.fields import CELL_COUNT, NAME_BYTES
from swiftstats.journal import layout
from swiftstats.journal.layout import (
    H_BUSY,
    H_EXTENTS,
    H_LOST,
    H_STATE,
    HEADER_WORDS,
    LOST_WORDS,
    R_CELLS,
    R_EVIDENCE,
    R_NAME,
    SEALED,
    WORD,
)

#: Errors that say something of the file, and not of who reads it: gone, a link, no file, not readable from its disk.
_OF_THE_FILE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENODEV, errno.EISDIR, errno.ENXIO, errno.EIO)

#: How long a store may stay in a processor's store buffer: nanoseconds. This is a thousand times more.
STORE_BUFFER_SECONDS = 0.001


class Row(NamedTuple):
    """One account of one segment."""

    name: bytes
    evidence: bool
    cells: tuple[int, ...]


class Snapshot:
    """The words of a segment, as they were read; `path` is for messages. `fault`: it was truncated, and this is what is left."""

    def __init__(self, path: str, words: array[int], fault: Optional[SegmentError] = None) -> None:
        self.path = path
        self.fault = fault
        self._words = words
        self._check_header()
        self.start = words[layout.H_PERIOD]
        self.seconds = words[layout.H_SECONDS]
        self.end = self.start + self.seconds
        self.incarnation = f"{words[layout.H_INCARNATION]:016x}{words[layout.H_INCARNATION + 1]:016x}"
        self.pid = words[layout.H_PID]
        self.lost: tuple[int, int, int] = tuple(words[H_LOST : H_LOST + LOST_WORDS])  # type: ignore[assignment]

    @classmethod
    def read(cls, path: str, *, whole: bool = True) -> Snapshot:
        """Read the segment at `path`; raise SegmentError for what is none, SegmentVersionError for a newer format.

        A truncated one is refused too, but not where it need not be `whole` and its header is there.
        Raises OSError where it is the reader that fails (no memory, no more files, no permission): that says nothing of the file.
        """
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                return cls(path, *_loaded(path, fd, whole))
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno not in _OF_THE_FILE:
                raise
            raise SegmentError(path, f"cannot be read: {error.strerror}") from error

    def rows(self) -> Iterator[Row]:
        """Yield every row; raise SegmentError at the first that cannot be one."""
        for begin, end in self._extents():
            yield from self._rows(begin, end)

    def sound_rows(self, faults: List[SegmentError]) -> Iterator[Row]:
        """Yield what can be read: of each extent the rows before its first damage. What is wrong is added to `faults`."""
        if self.fault is not None:
            faults.append(self.fault)
        for begin, end in self._extents():
            try:
                yield from self._rows(begin, end)
            except SegmentError as error:
                faults.append(error)  # where the next row begins is not known, but where the next extent does

    def save(self, path: str) -> None:
        """Write the words to `path` by way of a temporary name, so that a reader sees all of them or the file before."""
        _write(path, self._words, sync=False)

    def save_rows(self, path: str, rows: Iterable[Row], lost: Tuple[int, int, int]) -> None:
        """Write a segment with this header and these rows to `path`, as `save` does, and force it to disk."""
        words = self._words[:HEADER_WORDS]
        words[H_LOST : H_LOST + LOST_WORDS] = array("Q", lost)
        number, end = 0, HEADER_WORDS + layout.extent_words(0)
        for row in rows:
            size = layout.row_words(row.name)
            if len(words) + size > end:
                words.extend([0] * (end - len(words)))
                number += 1
                end += layout.extent_words(number)
            words.extend((layout.row_head(row.name), int(row.evidence), *row.cells))
            words.frombytes(row.name.ljust((size - R_NAME) * WORD, b"\0"))
        words.extend([0] * (end - len(words)))
        words[H_EXTENTS] = number + 1
        _write(path, words, sync=True)

    def _extents(self) -> Iterator[Tuple[int, int]]:
        """Yield where each extent begins and ends, or the file."""
        begin, number = HEADER_WORDS, 0
        while begin < len(self._words):
            end = begin + layout.extent_words(number)
            yield begin, min(end, len(self._words))
            begin, number = end, number + 1

    def _rows(self, begin: int, end: int) -> Iterator[Row]:
        """Yield the rows of one extent; raise SegmentError at the first that cannot be one."""
        while begin + R_NAME < end and self._words[begin]:
            row, size = self._row(begin, end)
            yield row
            begin += size

    def _check_header(self) -> None:
        words = self._words
        if words[layout.H_MAGIC] != layout.MAGIC:
            raise SegmentError(self.path, "no segment, or one of a machine with another byte order")
        if words[layout.H_CRC] != layout.header_crc(words[:HEADER_WORDS].tobytes()):
            raise SegmentError(self.path, "the header fails its check")
        version = words[layout.H_VERSION]
        if version > layout.VERSION:
            raise SegmentVersionError(self.path, f"format {version} is newer than {layout.VERSION}: upgrade this flusher")
        if words[layout.H_CELLS] != CELL_COUNT:
            raise SegmentError(self.path, f"{words[layout.H_CELLS]} cells in a row where format {version} has {CELL_COUNT}")
        if words[layout.H_SECONDS] == 0 or words[H_STATE] not in (layout.OPEN, SEALED):
            raise SegmentError(self.path, "the header holds impossible values")

    def _row(self, position: int, end: int) -> tuple[Row, int]:
        words = self._words
        head = words[position]
        length = head & 0xFFFF
        size = R_NAME + (length + WORD - 1) // WORD
        if not 0 < length <= NAME_BYTES or position + size > end:
            raise SegmentError(self.path, f"no row at word {position}")
        name = words[position + R_NAME : position + size].tobytes()[:length]
        if head != layout.row_head(name):
            raise SegmentError(self.path, f"the row at word {position} fails its check")
        evidence = words[position + R_EVIDENCE]
        if evidence > 1:
            raise SegmentError(self.path, f"the row at word {position} holds impossible values")
        return Row(name, bool(evidence), tuple(words[position + R_CELLS : position + R_NAME])), size


def _loaded(path: str, fd: int, whole: bool) -> Tuple[array[int], Optional[SegmentError]]:
    """Copy header and published extents, each word by a load of its own; where the file lacks some, raise or return the error."""
    size = os.fstat(fd).st_size
    if size < layout.HEADER_BYTES:
        raise SegmentError(path, f"too short: {size} bytes")
    header = _words(fd, HEADER_WORDS)
    if header[layout.H_MAGIC] != layout.MAGIC:
        return header, None  # refused by what it is, not by its length
    extents = header[H_EXTENTS]
    # Asked after the extents were read: a file that grows is longer before it says so.
    size = os.fstat(fd).st_size
    if not 0 < extents < 2**20 or size < layout.file_bytes(extents):
        fault = SegmentError(path, f"truncated: {size} bytes, of {extents} extents")
        if whole:
            raise fault
        return _words(fd, size // WORD), fault
    words = _words(fd, layout.file_bytes(extents) // WORD)
    words[H_EXTENTS] = extents  # what grew meanwhile is not in this copy
    return words, None


def _write(path: str, words: array[int], *, sync: bool) -> None:
    temporary = path + ".new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        words.tofile(file)
        if sync:
            file.flush()
            os.fsync(fd)
    os.rename(temporary, path)


def _words(fd: int, count: int) -> array[int]:
    with mmap.mmap(fd, count * WORD, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view, view.cast("Q") as words:
        return array("Q", words.tolist())


def seal(path: str) -> None:
    """Forbid any more counts in the segment at `path`: the flusher's half of the seal, first step."""
    with _mapped_header(path) as header:
        header[H_STATE] = SEALED


def is_quiet(path: str) -> bool:
    """Tell whether nobody is inside an update of a sealed segment any more: not busy, or its owner is gone.

    Ask only STORE_BUFFER_SECONDS after seal(): a worker that saw OPEN has said busy before, and that store is out by then.
    """
    with _mapped_header(path) as header:
        if header[H_BUSY] == 0:
            return True
    return owner_is_gone(path)


def owner_is_gone(path: str) -> bool:
    """Tell whether no process holds the lock of the segment at `path`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


def wait_for_stores() -> None:
    """Wait until every processor's store buffer has been written out."""
    time.sleep(STORE_BUFFER_SECONDS)


class _mapped_header:
    """The header of a segment, mapped for writing; FileNotFoundError and SegmentError as they come."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> memoryview:
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if os.fstat(fd).st_size < layout.HEADER_BYTES:
                raise SegmentError(self._path, "too short for a header")
            self._map = mmap.mmap(fd, layout.HEADER_BYTES)
        finally:
            os.close(fd)
        self._view = memoryview(self._map).cast("Q")
        return self._view

    def __exit__(self, *_: object) -> None:
        self._view.release()
        self._map.close()
