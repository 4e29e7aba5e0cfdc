"""Which accounts the proxy method asks: those that the store knows, or those of a file, a page or a line at a time."""

from __future__ import annotations

import os
import re
from typing import Iterator, Sequence
from urllib.parse import unquote_to_bytes

from sqlalchemy.engine import Engine

from swiftstats import fields
from swiftstats.errors import CrawlError, Unread
from swiftstats.store import engine as engines
from swiftstats.store import space

#: Names that are read from the store at once.
PAGE = 1_000


class OfStore:
    """The accounts that the store knows and that begin with one of the reseller prefixes: no token is good for others."""

    def __init__(self, engine: Engine, prefixes: Sequence[str], page: int = PAGE) -> None:
        self._engine, self._page = engine, page
        self._prefixes = tuple(prefix.encode() for prefix in prefixes)

    def __iter__(self) -> Iterator[bytes | Unread]:
        after = b""
        while True:
            with engines.read(self._engine) as connection:
                names = space.known_accounts(connection, after, self._page)
            if not names:
                return
            after = names[-1]
            yield from (name for name in names if name.startswith(self._prefixes))

    def share(self) -> float | None:
        return None


class OfFile:
    """The accounts of a file: a full name a line, percent-encoded UTF-8; empty lines, and those that begin with #, are none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._read, self._size = 0, 0

    def __iter__(self) -> Iterator[bytes | Unread]:
        self._read = 0
        try:
            with open(self._path, "rb") as file:
                self._size = os.fstat(file.fileno()).st_size
                for number, line in enumerate(file, 1):
                    self._read += len(line)
                    line = line.strip()
                    if line and not line.startswith(b"#"):
                        yield _name(line, f"{self._path}, line {number}")
        except OSError as error:
            raise CrawlError(f"accounts_file {self._path} cannot be read: {error.strerror}") from None

    def share(self) -> float | None:
        return self._read / self._size if self._size else None


def _name(line: bytes, subject: str) -> bytes | Unread:
    """Return the name that a line holds, or why it is none."""
    name = unquote_to_bytes(line)
    if re.search(rb"%(?![0-9A-Fa-f]{2})", line):
        return Unread(subject, "a % without two hexadecimal digits: names are percent-encoded", lasting=True)
    if not 0 < len(name) <= fields.NAME_BYTES or b"\0" in name or b"/" in name:
        return Unread(subject, f"no account's name: 1 to {fields.NAME_BYTES} bytes without / or NUL", lasting=True)
    return name
