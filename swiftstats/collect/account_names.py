"""Which accounts the proxy method asks: those that the store knows, those of a file, or those of Keystone's projects.

Names come one by one, and are never all in memory.
"""

from __future__ import annotations

import os
import re
from heapq import merge
from typing import Iterator, Sequence
from urllib.parse import unquote_to_bytes

from sqlalchemy.engine import Engine

from swiftstats import fields
from swiftstats.collect.keystone import Keystone
from swiftstats.errors import CrawlError, Unread
from swiftstats.store import accounts, space
from swiftstats.store import engine as engines

#: Names that are read from the store at once.
PAGE = 1_000


class OfStore:
    """The accounts that the store knows and that begin with one of the reseller prefixes: no token is good for others."""

    def __init__(self, engine: Engine, prefixes: Sequence[str], page: int = PAGE) -> None:
        self._engine, self._page = engine, page
        self._prefixes = tuple(prefix.encode() for prefix in prefixes)
        self._asked, self._to_ask = 0, 0

    def __iter__(self) -> Iterator[bytes | Unread]:
        with engines.read(self._engine) as connection:
            self._asked, self._to_ask = 0, accounts.number(connection, prefixes=self._prefixes, unknown=False)
        after = b""
        while True:
            with engines.read(self._engine) as connection:
                names = space.known_accounts(connection, after, self._page)
            if not names:
                return
            after = names[-1]
            for name in names:
                if name.startswith(self._prefixes):
                    self._asked += 1
                    yield name

    def share(self) -> float | None:
        # There may be new ones meanwhile.
        return min(self._asked / self._to_ask, 1.0) if self._to_ask else None


class OfKeystone:
    """The accounts of Keystone's projects, each with each of the reseller prefixes, and those that the store knows besides.

    A project that was deleted leaves its account behind, which takes space until somebody deletes it too.
    """

    def __init__(self, keystone: Keystone, engine: Engine, prefixes: Sequence[str], page: int = PAGE) -> None:
        self._keystone, self._engine, self._page = keystone, engine, page
        self._prefixes = tuple(prefixes)
        self._refused: dict[str, Unread] = {}
        self._share: float | None = None

    def __iter__(self) -> Iterator[bytes | Unread]:
        self._refused = {}
        for number, prefix in enumerate(self._prefixes):
            # All of them are in order, so that each name is had once without remembering any.
            last = b""
            for name in merge(self._projects(prefix, domains=False), self._projects(prefix, domains=True), self._known(prefix)):
                if name != last:
                    place = _place(name[len(prefix.encode()):])
                    self._share = self._share if place is None else (number + place) / len(self._prefixes)
                    yield name
                last = name
        self._share = 1.0
        yield from self._refused.values()

    def share(self) -> float | None:
        """Return about which share has been yielded: Keystone does not tell how many projects there are."""
        return self._share

    def _projects(self, prefix: str, *, domains: bool) -> Iterator[bytes]:
        for project in self._keystone.projects(domains=domains):
            if isinstance(project, Unread):
                self._refused[project.subject] = project
                continue
            name = (prefix + project).encode()
            if reason := _no_name(name):
                self._refused[project] = Unread(f"Keystone's project {project!r}", reason, lasting=True)
            else:
                yield name

    def _known(self, prefix: str) -> Iterator[bytes]:
        """Yield the names that the store knows and that begin with this prefix, and with no longer one."""
        longer = tuple(other.encode() for other in self._prefixes if len(other) > len(prefix) and other.startswith(prefix))
        for name in OfStore(self._engine, (prefix,), self._page):
            if isinstance(name, bytes) and not name.startswith(longer):
                yield name


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


def _place(project: bytes) -> float | None:
    """Return where among all projects one stands, from 0 to 1, by its id: Keystone's are random. None for one of another kind."""
    return int(project[:8], 16) / 16**8 if re.fullmatch(rb"[0-9a-f]{32}", project) else None


def _name(line: bytes, subject: str) -> bytes | Unread:
    """Return the name that a line holds, or why it is none."""
    name = unquote_to_bytes(line)
    if re.search(rb"%(?![0-9A-Fa-f]{2})", line):
        return Unread(subject, "a % without two hexadecimal digits: names are percent-encoded", lasting=True)
    reason = _no_name(name)
    return Unread(subject, reason, lasting=True) if reason else name


def _no_name(name: bytes) -> str | None:
    """Return why an account cannot be called so; None where it can."""
    if space.is_account(name):
        return None
    return f"no account's name: 1 to {fields.NAME_BYTES} bytes without / or NUL"
