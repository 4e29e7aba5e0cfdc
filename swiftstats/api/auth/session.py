"""Sessions of the pages: a signed cookie that says who signed in, and never holds their token.

Of a token of the tokens file it holds the entry's name and part of its hash, and the entry is looked up at each request: revoked,
expired or narrowed, it is so at once; otherwise the session ends after half a day. Of a caller whom Keystone or the cluster
knows it holds what they may read, for `session_seconds`, and at most until their token expires.

Signed, not encrypted: whoever signed in can read it. It is HttpOnly, SameSite=Lax, and Secure over HTTPS.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from typing import Any, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from webob import Request  # type: ignore[import-untyped]
from webob.cookies import SignedCookieProfile  # type: ignore[import-untyped]

from swiftstats.api.auth.address import Addresses
from swiftstats.api.auth.caller import Caller, Scope, token_of
from swiftstats.config import Config
from swiftstats.errors import ConfigError, SwiftStatsError

COOKIE = "swiftstats"
_SALT = "swiftstats.session"
#: The least bytes of a secret.
SECRET_BYTES = 32
#: How long a session with a token of the tokens file lasts; the token is looked up all the while.
_ENTRY_SECONDS = 12 * 3600


class SessionTooLarge(SwiftStatsError):
    """A caller of so many accounts that no cookie holds them (RFC 6265, section 6.1: 4,096 bytes)."""


class Sessions:
    """Begins, knows and ends sessions; one of the rules, asked first, for requests that bring no token. Thread-safe.

    `entry`: finds a caller of the tokens file again, by key; None where no tokens file is read. `rules`: the names in `auth =`;
    sessions of others have ended. `clock` gives seconds since 1970.
    """

    asks = False

    def __init__(self, secret: bytes, *, seconds: float, rules: Sequence[str], entry: Callable[[str], Caller | None] | None,
                 addresses: Addresses, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._seconds, self._rules, self._entry = secret, seconds, frozenset(rules), entry
        self._addresses, self._clock = addresses, clock

    def begin(self, environ: Mapping[str, Any], caller: Caller) -> list[tuple[str, str]]:
        """Return the headers that begin a session; raise SessionTooLarge."""
        seconds = self._seconds if caller.key is None else _ENTRY_SECONDS
        until = self._clock() + seconds
        if caller.expires is not None:
            until = min(until, caller.expires)
        value: dict[str, Any] = {"rule": caller.rule, "until": int(until)}
        if caller.key is not None:
            value["key"] = caller.key
        else:
            value |= {"who": caller.who, "all": caller.scope.all, "accounts": _texts(caller.scope.accounts),
                      "prefixes": _texts(caller.scope.prefixes)}
        try:
            return list(self._profile(environ).get_headers(value, max_age=int(seconds)))
        except ValueError:
            raise SessionTooLarge(f"{caller.who} may read more accounts than a session holds; send the token itself") from None

    def end(self, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the headers that end the browser's session."""
        return list(self._profile(environ).get_headers(None))

    def caller(self, environ: Mapping[str, Any], accounts: Sequence[bytes] = ()) -> Caller | None:
        """Return who the cookie says, or None where there is none that is good."""
        if token_of(environ) or "HTTP_COOKIE" not in environ:
            return None
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD") and not same_origin(environ):
            return None
        value = self._profile(environ).bind(Request({**environ})).get_value()
        if not isinstance(value, dict) or value.get("rule") not in self._rules or value["until"] <= self._clock():
            return None
        if "key" in value:
            return None if self._entry is None else self._entry(value["key"])
        scope = Scope(all=value["all"], accounts=_raw(value["accounts"]), prefixes=_raw(value["prefixes"]))
        return Caller(value["rule"], value["who"], scope, float(value["until"]))

    def challenge(self, environ: Mapping[str, Any]) -> None:
        """Return nothing: whoever may sign in can send a token too."""

    def _profile(self, environ: Mapping[str, Any]) -> Any:
        return SignedCookieProfile(self._secret, _SALT, COOKIE, secure=self._addresses.secure(environ), httponly=True,
                                   samesite=b"Lax", path="/", hashalg="sha512")


def same_origin(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request that changes something comes from a page of ours, or from no browser.

    By Sec-Fetch-Site, which no page can forge; else, in a browser that does not send it, by Origin against Host. Every browser
    sends Origin with a POST: who sends neither is none, and carries nobody's cookies unasked.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return bool(site == "same-origin")
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return True
    try:
        return bool(urlsplit(origin).netloc) and urlsplit(origin).netloc.lower() == environ.get("HTTP_HOST", "").lower()
    except ValueError:
        return False


def secret_of(config: Config) -> bytes:
    """Return the secret that signs sessions: the file's, or one made now; raise ConfigError for a file that will not do."""
    path = config.session_secret_file
    if path is None:
        return secrets.token_bytes(SECRET_BYTES)
    try:
        with open(path, "rb") as file:
            mode, secret = os.fstat(file.fileno()).st_mode, file.read().strip()
    except OSError as error:
        raise ConfigError(f"session_secret_file cannot be read: {error.strerror}", path=path) from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"mode {stat.S_IMODE(mode):04o} lets others at the sessions' secret: chmod 600 {path}", path=path)
    if len(secret) < SECRET_BYTES:
        message = f"a secret of {len(secret)} bytes; expected {SECRET_BYTES} or more, as of: openssl rand -hex 32"
        raise ConfigError(message, path=path)
    return secret


def _texts(names: Sequence[bytes]) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in names]


def _raw(names: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(name.encode("utf-8", "surrogateescape") for name in names)
