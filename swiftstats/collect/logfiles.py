"""Read access logs from files, plain or compressed: line by line, whatever their size; what cannot be read is counted.

A file in which nothing can be read is refused: it is another log, or one with a custom `log_msg_template`. A last line without
its newline is torn: what is missing of it cannot be told.
"""

from __future__ import annotations

import gzip
import zlib
from typing import BinaryIO, Iterator, List, NamedTuple

from swiftstats.collect import accesslog
from swiftstats.collect.accesslog import AccessLine
from swiftstats.errors import LogFileError, LogLineError

#: So many lines of a file without one that can be read, and it is refused.
PATIENCE = 10_000
#: A longer line is none of proxy-logging's, in bytes.
LINE_BYTES = 2**20
#: So many bad lines are kept, to be shown.
SHOWN = 5
_GZIP = b"\x1f\x8b"


class BadLine(NamedTuple):
    """A line that could not be read."""

    path: str
    number: int  #: from 1; 0 for the file's end
    reason: str


class LogReader:
    """Reads files in the order given. `read` counts lines that were, `bad` lines that could not be; `first_bad` are shown."""

    def __init__(self) -> None:
        self.read = self.bad = 0
        self.first_bad: List[BadLine] = []

    def lines(self, path: str) -> Iterator[AccessLine]:
        """Yield a file's lines. Raises LogFileError for one that is refused, OSError for one that cannot be opened."""
        with open(path, "rb") as raw:
            compressed = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.open(raw) if compressed else raw as file:
                yield from self._lines(path, file)  # type: ignore[arg-type]

    def _lines(self, path: str, file: BinaryIO) -> Iterator[AccessLine]:
        number = good = 0
        while True:
            try:
                line = file.readline(LINE_BYTES)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                self._note(BadLine(path, 0, f"the compressed file is damaged or ends early: {error}"))
                break
            if not line:
                break
            number += 1
            if not line.strip():
                continue
            try:
                if not line.endswith(b"\n"):
                    raise LogLineError("it has no end: torn, or still being written")
                parsed = accesslog.parse(line.decode("latin-1").rstrip())
            except LogLineError as error:
                self._note(BadLine(path, number, str(error)))
                if not good and number >= PATIENCE:
                    break
                continue
            good += 1
            self.read += 1
            yield parsed
        if number and not good:
            reason = next((bad.reason for bad in self.first_bad if bad.path == path), "")
            raise LogFileError(path, f"none of its {'first ' if number >= PATIENCE else ''}{number} lines is in the format of"
                                     f" proxy-logging's default log_msg_template, and no other can be read; the first: {reason}")

    def _note(self, bad: BadLine) -> None:
        self.bad += 1
        # Of each file the first, for the message that refuses it.
        if len(self.first_bad) < SHOWN or all(each.path != bad.path for each in self.first_bad):
            self.first_bad.append(bad)
