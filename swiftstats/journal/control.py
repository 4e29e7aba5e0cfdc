"""The spool's control file: the few words that all processes of a host share, mapped into each.

Words of 64 bits in a page: 0 magic, 1 version, 2 closed through, 3 shipped through, 4 archive from, 5 last sweep,
6 and 7 wall clock and boot clock of the last sweep (s), 8 boot clock at which a step of the wall clock was first seen. Times are
seconds since 1970 UTC. Workers read word 2 only; the flusher alone writes, under the sweep lock.
"""

from __future__ import annotations

import mmap
import os

from swiftstats.errors import JournalError

MAGIC = int.from_bytes(b"SwStCtl\n", "little")
VERSION = 1
BYTES = 4096

CLOSED_THROUGH, SHIPPED_THROUGH, ARCHIVE_FROM, LAST_SWEEP, WALL_CLOCK, BOOT_CLOCK, STEP_SEEN = 2, 3, 4, 5, 6, 7, 8


class NoControl(JournalError):
    """Whatever the file is, it is no control file: it may be put aside."""


class Control:
    """The mapped words. `closed_through`: no worker counts before it any more. `shipped_through`: the database has all before
    it. `archive_from`: period files before it are gone."""

    def __init__(self, path: str) -> None:
        self.path = path
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._identity = (os.fstat(fd).st_dev, os.fstat(fd).st_ino)
            if os.fstat(fd).st_size != BYTES:
                raise NoControl(f"{path}: not {BYTES} bytes long")
            self._map = mmap.mmap(fd, BYTES)
        finally:
            os.close(fd)
        self._words = memoryview(self._map).cast("Q")
        if self._words[0] != MAGIC or self._words[1] == 0:
            raise NoControl(f"{path}: no control file")
        if self._words[1] > VERSION:
            raise JournalError(f"{path}: control file of version {self._words[1]}; this is older: upgrade it")

    @staticmethod
    def create(path: str) -> None:
        """Make a control file of zeros; the caller holds the spool's lock."""
        temporary = path + ".new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            # Written whole: no hole is left that a store could fall into on a full disk.
            page = bytearray(BYTES)
            words = memoryview(page).cast("Q")
            words[0], words[1] = MAGIC, VERSION
            file.write(page)
        os.rename(temporary, path)

    def get(self, word: int) -> int:
        return self._words[word]

    def set(self, word: int, value: int) -> None:
        self._words[word] = value

    def raise_to(self, word: int, value: int) -> None:
        """Set a word that never falls."""
        if value > self._words[word]:
            self._words[word] = value

    def is_current(self) -> bool:
        """Tell whether the path still names the file that is mapped here."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def sync(self) -> None:
        """Force the words to disk; never in a worker."""
        self._map.flush()

    def close(self) -> None:
        self._words.release()
        self._map.close()
