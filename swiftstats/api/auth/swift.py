"""`auth = swift`: whatever token the cluster accepts, for the account that it accepts it for.

The service asks the proxy (HEAD on the account, with the token) and keeps the yes or no for a while. Such a HEAD is a client
request like any other, and is metered as one. The token goes to `swift_url` and nowhere else: redirects are not followed.
"""

from __future__ import annotations

import enum
import http.client
import time
from typing import Any, Callable, Mapping, Sequence
from urllib.parse import quote, urlsplit

from swiftstats import fields
from swiftstats.api.auth.caller import (
    CHALLENGE,
    TOKEN_LENGTH,
    AccountNeeded,
    AuthAway,
    Caller,
    Scope,
    digest_of,
    token_of,
)
from swiftstats.api.auth.kept import ENTRIES, Kept
from swiftstats.errors import ConfigError

#: How long the proxy may take to connect, and to answer, in seconds.
TIMEOUT = 5.0
#: Of how many accounts one request may have the proxy asked; it may not read those beyond.
ACCOUNTS = 100

_UNKNOWN = fields.UNKNOWN.encode()
#: Client errors that say nothing of the token: slow down, or try again.
_NOT_NOW = frozenset((408, 429, 497, 498, 499))


class Verdict(enum.Enum):
    """What the proxy says of a token and an account."""

    YES = "may read the account"
    NO = "known, and may not read this account"
    UNKNOWN = "not known"


class SwiftRule:
    """Asks a Swift proxy. Verdicts are kept by a hash of token and account, so that no token is kept.

    `clock` gives monotonic seconds. Raises ConfigError for a URL that will not do.
    """

    asks = True

    def __init__(self, url: str, *, cache_seconds: float, cache_entries: int = ENTRIES, timeout: float = TIMEOUT,
                 clock: Callable[[], float] = time.monotonic) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if host is None or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
            raise ConfigError("swift_url: expected the proxy's address, such as http://127.0.0.1:8080, without /v1")
        self._tls, self._host, self._port, self._path = parts.scheme == "https", host, port, parts.path.rstrip("/")
        self._timeout = timeout
        self._kept: Kept[Verdict] = Kept(seconds=cache_seconds, entries=cache_entries, clock=clock)

    def caller(self, environ: Mapping[str, Any], accounts: Sequence[bytes]) -> Caller | None:
        """Return who the proxy says that may read some of the accounts, or said so lately."""
        token = token_of(environ)
        if not token or len(token) > TOKEN_LENGTH:
            return None
        if not accounts:
            raise AccountNeeded
        # (unknown) is no account of the cluster: its autocreate would say yes to anybody who administers one.
        verdicts = {account: self.judge(token, account) for account in accounts[:ACCOUNTS] if account != _UNKNOWN}
        if all(verdict is Verdict.UNKNOWN for verdict in verdicts.values()):
            return None
        granted = tuple(account for account, verdict in verdicts.items() if verdict is Verdict.YES)
        return Caller("swift", "swift:" + digest_of(token).hex()[:12], Scope(accounts=granted))

    def challenge(self, environ: Mapping[str, Any]) -> str:
        """Return that a token is needed."""
        return CHALLENGE

    def judge(self, token: str, account: bytes) -> Verdict:
        """Return what the proxy says of an account, or said lately; raise AuthAway."""
        key, since = digest_of(token, account), self._kept.now()
        verdict = self._kept.get(key)
        if verdict is None:
            verdict = judged(self._head(token, account))
            self._kept.keep(key, verdict, since=since)
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
