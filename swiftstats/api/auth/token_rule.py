"""`auth = tokens`: knows the tokens of the tokens file."""

from __future__ import annotations

import hmac
import logging
import os
import threading
import time
from typing import Any, Callable, Mapping, Sequence

from swiftstats.api.auth.caller import CHALLENGE, AuthAway, Caller, token_of
from swiftstats.api.auth.tokens import Entry, TokensFile, hashed, key_of
from swiftstats.api.auth.uses import Uses
from swiftstats.errors import ConfigError

LOG = logging.getLogger(__name__)


class TokensRule:
    """Knows the tokens of a file; reads it again when its stat changes. Raises ConfigError at start for one that will not do.

    A file that stops to do (its mode, a bad line, gone) admits nobody until it does again: what cannot be read may have
    revoked any of them. `uses`: where it is noted which were used; `clock` gives seconds since 1970.
    """

    asks = False

    def __init__(self, path: str, *, uses: Uses | None = None, clock: Callable[[], float] = time.time) -> None:
        self._file = TokensFile(path)
        self._uses, self._clock = uses, clock
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
        digest = hashed(token_of(environ))
        found = self._match(lambda sha256, entry: hmac.compare_digest(sha256, digest))
        if found is not None and self._uses is not None and found.key is not None:
            self._uses.note(found.key)
        return found

    def entry(self, key: str) -> Caller | None:
        """Return who an entry says, by the key of a Caller; None where it is gone, rotated or has expired. Raises AuthAway."""
        return self._match(lambda sha256, entry: hmac.compare_digest(key_of(entry.name, sha256).encode(), key.encode()))

    def _match(self, fits: Callable[[str, Entry], bool]) -> Caller | None:
        now, found = self._clock(), None
        for entry in self._current():
            for sha256 in entry.hashes(now):
                if fits(sha256, entry):
                    found = Caller("tokens", "tokens:" + entry.name, entry.scope(), entry.expires, key_of(entry.name, sha256))
        return found

    def challenge(self, environ: Mapping[str, Any]) -> str:
        """Return that a token is needed."""
        return CHALLENGE
