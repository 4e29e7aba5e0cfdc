"""`auth = tokens`: a file of hashes of tokens, and what each of them may read."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Sequence

from swiftstats import periods
from swiftstats.api.auth.caller import CHALLENGE, AuthAway, Caller, Scope, token_of
from swiftstats.errors import ConfigError, TimeError

LOG = logging.getLogger(__name__)

#: What a token begins with, so that people and scanners for secrets tell it from others.
PREFIX = "swst_"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One token: its name, its hash, and what it may read (`accounts` None: all)."""

    name: str
    sha256: str
    accounts: tuple[str, ...] | None
    created: int
    expires: int | None

    def scope(self) -> Scope:
        """Return what may be read, by raw names."""
        return Scope(all=self.accounts is None, accounts=tuple(name.encode() for name in self.accounts or ()))


def hashed(token: str) -> str:
    """Return the hash that stands in the file. Tokens hold 256 random bits, so a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class TokensFile:
    """The file of tokens: a JSON object a line, UTF-8; empty lines and lines that begin with `#` are left alone.

        {"name": "billing", "sha256": "9f86…", "scope": "all", "created": "2012-10-22T08:00:00Z"}
        {"name": "alice", "sha256": "60303…", "scope": ["AUTH_7f6a"], "created": "…", "expires": "2013-01-01T00:00:00Z"}

    `scope` is "all" or a list of accounts by their full names, reseller prefix included. `expires` may be missing. The file
    holds no token, and still only its owner may read or write it (mode 0600): a hash put in is a door opened. It is replaced
    by rename under a lock on its directory, so a reader sees the old or the new one whole.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> tuple[Entry, ...]:
        """Return the entries; raise ConfigError, naming the line, for a file that will not do."""
        try:
            with open(self.path, encoding="utf-8") as file:
                mode = os.fstat(file.fileno()).st_mode
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            message = f"the tokens file cannot be read: {reason}; `swiftstats token create` makes one"
            raise ConfigError(message, path=self.path) from None
        if stat.S_IMODE(mode) & 0o077:
            message = f"mode {stat.S_IMODE(mode):04o} lets others at the tokens file: chmod 600 {self.path}"
            raise ConfigError(message, path=self.path)
        entries: dict[str, Entry] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                entry = parse(line)
            except ValueError as error:
                raise ConfigError(f"no entry of a tokens file: {error}", path=self.path, line=number) from None
            if entry.name in entries:
                raise ConfigError(f"a second entry named {entry.name}", path=self.path, line=number)
            entries[entry.name] = entry
        return tuple(entries.values())

    @contextlib.contextmanager
    def change(self) -> Iterator[list[Entry]]:
        """Lock, yield the entries as a list to be changed, and replace the file with it; raise ConfigError."""
        folder = os.path.dirname(os.path.abspath(self.path))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ConfigError(f"the tokens file's directory cannot be opened: {error.strerror}", path=folder) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = list(self.read()) if os.path.lexists(self.path) else []
            yield entries
            self._replace(folder, entries)
            os.fsync(lock)
        except OSError as error:
            raise ConfigError(f"the tokens file cannot be written: {error.strerror}", path=self.path) from None
        finally:
            os.close(lock)

    def _replace(self, folder: str, entries: Sequence[Entry]) -> None:
        """Write beside the file and rename; who owned the file before (or its directory, for a new one) owns it then."""
        old = os.stat(self.path if os.path.exists(self.path) else folder)
        descriptor, temporary = tempfile.mkstemp(prefix=".tokens-", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.writelines(unparse(entry) + "\n" for entry in entries)
                file.flush()
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fsync(file.fileno())
            os.rename(temporary, self.path)
        except BaseException:
            os.unlink(temporary)
            raise

    def create(self, name: str, accounts: Sequence[str] | None, *, now: float, expires: int | None = None) -> str:
        """Add an entry and return its token, which is kept nowhere; raise ConfigError where the name is taken."""
        token = PREFIX + secrets.token_urlsafe(32)
        scope = None if accounts is None else tuple(accounts)
        with self.change() as entries:
            if any(entry.name == name for entry in entries):
                message = f"there is a token named {name} already; `swiftstats token revoke {name}` ends it"
                raise ConfigError(message, path=self.path)
            entries.append(Entry(name, hashed(token), scope, int(now), expires))
        return token

    def revoke(self, name: str) -> None:
        """Take an entry out; raise ConfigError where there is none of that name."""
        with self.change() as entries:
            kept = [entry for entry in entries if entry.name != name]
            if len(kept) == len(entries):
                raise ConfigError(f"there is no token named {name}", path=self.path)
            entries[:] = kept


def parse(line: str) -> Entry:
    """Read one line; raise ValueError, with what was expected."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        raise ValueError("expected a JSON object") from None
    if not isinstance(found, dict) or set(found) - {"name", "sha256", "scope", "created", "expires"}:
        raise ValueError("expected an object of name, sha256, scope, created and perhaps expires")
    name, digest, scope = found.get("name"), found.get("sha256"), found.get("scope")
    if not isinstance(name, str) or not name:
        raise ValueError("name: expected a text")
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise ValueError("sha256: expected 64 hexadecimal digits in lower case")
    if scope != "all" and not (isinstance(scope, list) and all(isinstance(each, str) for each in scope)):
        raise ValueError('scope: expected "all" or a list of accounts')
    try:
        created = periods.parse(str(found.get("created")))
        expires = None if found.get("expires") is None else periods.parse(str(found["expires"]))
    except TimeError as error:
        raise ValueError(str(error)) from None
    return Entry(name, digest, None if scope == "all" else tuple(scope), created, expires)


def unparse(entry: Entry) -> str:
    """Write one line."""
    scope = "all" if entry.accounts is None else list(entry.accounts)
    shown = {"name": entry.name, "sha256": entry.sha256, "scope": scope, "created": periods.iso(entry.created)}
    if entry.expires is not None:
        shown["expires"] = periods.iso(entry.expires)
    return json.dumps(shown)


class TokensRule:
    """Knows the tokens of a file; reads it again when its stat changes. Raises ConfigError at start for one that will not do.

    A file that stops to do (its mode, a bad line, gone) admits nobody until it does again: what cannot be read may have
    revoked any of them. `clock` gives seconds since 1970.
    """

    asks = False

    def __init__(self, path: str, *, clock: Callable[[], float] = time.time) -> None:
        self._file = TokensFile(path)
        self._clock = clock
        self._lock = threading.Lock()  # guards the two below
        self._seen = self._stat()
        self._entries = self._file.read()

    def _stat(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._file.path)
        except OSError:
            return ()
        return found.st_ino, found.st_dev, found.st_mtime_ns, found.st_ctime_ns, found.st_size

    def _current(self) -> tuple[Entry, ...]:
        with self._lock:
            seen = self._stat()
            if seen != self._seen:
                try:
                    self._entries = self._file.read()
                except ConfigError as error:
                    raise AuthAway(str(error)) from None
                self._seen = seen
                LOG.info("tokens file read again: %d tokens", len(self._entries))
            return self._entries

    def caller(self, environ: Mapping[str, Any], accounts: Sequence[bytes]) -> Caller | None:
        """Return who the token's entry says. Every entry is compared, in constant time, whichever matches."""
        entries = self._current()
        digest = hashed(token_of(environ))
        found: Entry | None = None
        for entry in entries:
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        if found is None or (found.expires is not None and found.expires <= self._clock()):
            return None
        return Caller("tokens", "tokens:" + found.name, found.scope(), found.expires)

    def challenge(self, environ: Mapping[str, Any]) -> str:
        """Return that a token is needed."""
        return CHALLENGE
