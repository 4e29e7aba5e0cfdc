"""`auth = swift`: whatever token the cluster accepts, for the account that it accepts it for.

The service asks the proxy (HEAD on the account, with the token) and keeps the yes or no for a while. Such a HEAD is a client
request like any other, and is metered as one. The token goes to `swift_url` and nowhere else: redirects are not followed.
"""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from collections import OrderedDict
from typing import Any, Callable, Mapping
from urllib.parse import quote, urlsplit

from swiftstats import fields
from swiftstats.api.auth.verdict import AuthAway, Verdict, token_of
from swiftstats.errors import ConfigError

#: How long the proxy may take to connect, and to answer, in seconds.
TIMEOUT = 5.0
#: The most verdicts that are kept.
CACHE_ENTRIES = 10_000
#: The longest token that is passed on: Swift's own limit for a header is 8,192 bytes.
TOKEN_BYTES = 8000

#: Client errors that say nothing of the token: slow down, or try again.
_NOT_NOW = frozenset((408, 429, 497, 498, 499))


class SwiftRule:
    """Asks a Swift proxy. Verdicts are kept by SHA-256 of token and account, so that no token is kept.

    `clock` gives monotonic seconds. Raises ConfigError for a URL that will not do.
    """

    def __init__(self, url: str, *, cache_seconds: float, cache_entries: int = CACHE_ENTRIES, timeout: float = TIMEOUT,
                 clock: Callable[[], float] = time.monotonic) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if host is None or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
            raise ConfigError("swift_url: expected the proxy's address, such as http://127.0.0.1:8080, without /v1")
        self._tls, self._host, self._port, self._path = parts.scheme == "https", host, port, parts.path.rstrip("/")
        self._cache_seconds, self._cache_entries = cache_seconds, cache_entries
        self._timeout, self._clock = timeout, clock
        self._lock = threading.Lock()  # guards the cache, and is never held while the proxy is asked
        self._cache: OrderedDict[bytes, tuple[Verdict, float]] = OrderedDict()  # least recently used first

    def judge(self, environ: Mapping[str, Any], account: bytes) -> Verdict:
        """Judge by what the proxy says, or said lately."""
        token = token_of(environ)
        if not token or len(token) > TOKEN_BYTES:
            return Verdict.UNKNOWN
        if account == fields.UNKNOWN.encode():
            return Verdict.NO  # no account of the cluster: its autocreate would say yes to anybody who administers one
        key = hashlib.sha256(hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest() + account).digest()
        now = self._clock()
        with self._lock:
            verdict, until = self._cache.get(key, (Verdict.UNKNOWN, now))
            if now < until:
                self._cache.move_to_end(key)
                return verdict
        verdict = judged(self._head(token, account))
        with self._lock:
            self._cache[key] = (verdict, now + self._cache_seconds)
            self._cache.move_to_end(key)
            while len(self._cache) > self._cache_entries:
                self._cache.popitem(last=False)
        return verdict

    def _head(self, token: str, account: bytes) -> int:
        """Return the status of HEAD on the account; raise AuthAway where there is none."""
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout)
        try:
            connection.request("HEAD", f"{self._path}/v1/{quote(account, safe='')}", headers={"X-Auth-Token": token})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise AuthAway(f"the proxy at swift_url does not answer: {type(error).__name__}") from None
        except ValueError:
            return 401  # a token that no header can carry
        finally:
            connection.close()


def judged(status: int) -> Verdict:
    """Return what a status says; raise AuthAway for one that says nothing of the token. Only 2xx is a yes."""
    if 200 <= status < 300:
        return Verdict.YES
    if status == 401:
        return Verdict.UNKNOWN
    if 400 <= status < 500 and status not in _NOT_NOW:
        return Verdict.NO
    raise AuthAway(f"the proxy at swift_url answers {status}")
