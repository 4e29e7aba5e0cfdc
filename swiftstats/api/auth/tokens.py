"""The tokens file: hashes of tokens, and what each of them may read."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Sequence

from swiftstats import periods
from swiftstats.api.auth.caller import Scope
from swiftstats.errors import ConfigError, TimeError
from swiftstats.fields import UNKNOWN

#: What a token begins with, so that people and scanners for secrets tell it from others.
PREFIX = "swst_"
_KEYS = {"name", "sha256", "scope", "prefixes", "created", "expires", "previous"}
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One token: its name, its hash, and what it may read: all (`accounts` None), or accounts, and those whose names begin so.

    `previous`: the hash of the token that it was before it was rotated, and until when that one is good too.
    """

    name: str
    sha256: str
    accounts: tuple[str, ...] | None
    created: int
    expires: int | None
    prefixes: tuple[str, ...] = ()
    previous: tuple[str, int] | None = None

    def expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now

    def hashes(self, now: float) -> list[str]:
        """Return the hashes of the tokens that are good now."""
        if self.expired(now):
            return []
        return [self.sha256, *(self.previous[:1] if self.previous and now < self.previous[1] else ())]

    def scope(self) -> Scope:
        """Return what may be read, by raw names."""
        return Scope(all=self.accounts is None, accounts=tuple(name.encode() for name in self.accounts or ()),
                     prefixes=tuple(name.encode() for name in self.prefixes))


def key_of(name: str, sha256: str) -> str:
    """Return by what an entry's token is found again without the token: a part of its hash, and its name."""
    return f"{sha256[:16]}:{name}"


def hashed(token: str) -> str:
    """Return the hash that stands in the file. Tokens hold 256 random bits, so a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class TokensFile:
    """The file of tokens: a JSON object a line, UTF-8; empty lines and lines that begin with `#` are left alone.

        {"name": "billing", "sha256": "9f86…", "scope": "all", "created": "2012-10-22T08:00:00Z"}
        {"name": "alice", "sha256": "60303…", "scope": ["AUTH_7f6a"], "created": "…", "expires": "2013-01-01T00:00:00Z"}
        {"name": "labs", "sha256": "1b4f0…", "scope": [], "prefixes": ["AUTH_lab-"], "created": "…",
         "previous": {"sha256": "a140c…", "until": "…"}}

    (One line each.) `scope` is "all" or a list of accounts by their full names, reseller prefix included; `prefixes` are what
    the full names of others begin with; `previous` is the token before the last `rotate`. These two and `expires` may be missing.
    The file holds no token, and still only its owner may read or write it (mode 0600): a hash put in is a door opened. It is
    replaced by rename under a lock on its directory, so a reader sees the old or the new one whole.
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

    def create(self, name: str, accounts: Sequence[str] | None, *, now: float, expires: int | None = None,
               prefixes: Sequence[str] = ()) -> str:
        """Add an entry and return its token, which is kept nowhere; raise ConfigError where the name is taken."""
        token = minted()
        scope = None if accounts is None else tuple(accounts)
        with self.change() as entries:
            if any(entry.name == name for entry in entries):
                message = f"there is a token named {name} already; `swiftstats token revoke {name}` ends it"
                raise ConfigError(message, path=self.path)
            entries.append(Entry(name, hashed(token), scope, int(now), expires, tuple(prefixes)))
        return token

    def rotate(self, name: str, *, now: float, keep: int = 0, expires: int | None = None) -> str:
        """Give an entry another token and return that; the old one is good for `keep` more seconds.

        expires: when the entry does from now on; as before, where it is None. Raises ConfigError where there is no such entry, or
        it would have expired.
        """
        token = minted()
        with self.change() as entries:
            index = next((number for number, entry in enumerate(entries) if entry.name == name), None)
            if index is None:
                raise ConfigError(f"there is no token named {name}", path=self.path)
            old = entries[index]
            new = replace(old, sha256=hashed(token), created=int(now), expires=old.expires if expires is None else expires,
                          previous=(old.sha256, int(now) + keep) if keep and not old.expired(now) else None)
            if new.expired(now):
                raise ConfigError(f"the token named {name} has expired; give it another time with --expires", path=self.path)
            entries[index] = new
        return token

    def revoke(self, name: str) -> None:
        """Take an entry out; raise ConfigError where there is none of that name."""
        with self.change() as entries:
            kept = [entry for entry in entries if entry.name != name]
            if len(kept) == len(entries):
                raise ConfigError(f"there is no token named {name}", path=self.path)
            entries[:] = kept


def minted() -> str:
    """Return a new token."""
    return PREFIX + secrets.token_urlsafe(32)


def parse(line: str) -> Entry:
    """Read one line; raise ValueError, with what was expected."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        raise ValueError("expected a JSON object") from None
    if not isinstance(found, dict) or set(found) - _KEYS:
        raise ValueError("expected an object of name, sha256, scope, created and perhaps expires, prefixes, previous")
    name, scope, prefixes, previous = (found.get(key) for key in ("name", "scope", "prefixes", "previous"))
    if not isinstance(name, str) or not name:
        raise ValueError("name: expected a text")
    if scope != "all" and not _is_texts(scope):
        raise ValueError('scope: expected "all" or a list of accounts')
    if prefixes is not None and not (_is_texts(prefixes) and all(map(is_prefix, prefixes))):
        raise ValueError("prefixes: expected a list of what accounts' names begin with")
    if previous is not None and (not isinstance(previous, dict) or set(previous) != {"sha256", "until"}):
        raise ValueError("previous: expected an object of sha256 and until")
    return Entry(
        name, _hash_of(found), None if scope == "all" else tuple(scope or ()), _moment_of(found, "created"),
        None if found.get("expires") is None else _moment_of(found, "expires"), tuple(prefixes or ()),
        None if previous is None else (_hash_of(previous), _moment_of(previous, "until")),
    )


def is_prefix(text: str) -> bool:
    """Tell whether a text may stand before accounts' names in a scope: nothing would be all, and `(unknown)` is nobody's."""
    return bool(text) and not UNKNOWN.startswith(text)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _hash_of(found: Mapping[str, Any]) -> str:
    digest = found.get("sha256")
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise ValueError("sha256: expected 64 hexadecimal digits in lower case")
    return digest


def _moment_of(found: Mapping[str, Any], key: str) -> int:
    try:
        return periods.parse(str(found.get(key)))
    except TimeError as error:
        raise ValueError(f"{key}: {error}") from None


def unparse(entry: Entry) -> str:
    """Write one line."""
    scope = "all" if entry.accounts is None else list(entry.accounts)
    shown: dict[str, Any] = {"name": entry.name, "sha256": entry.sha256, "scope": scope}
    if entry.prefixes:
        shown["prefixes"] = list(entry.prefixes)
    shown["created"] = periods.iso(entry.created)
    if entry.expires is not None:
        shown["expires"] = periods.iso(entry.expires)
    if entry.previous is not None:
        shown["previous"] = {"sha256": entry.previous[0], "until": periods.iso(entry.previous[1])}
    return json.dumps(shown)
