"""Read the space of accounts through a proxy: a HEAD on each, and with `containers` its list of containers.

An account that exists answers 204. One that never did answers 404, or, where the proxy makes accounts when they are first used
(account_autocreate), 200 with zeros; one that was deleted answers 410.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from swiftstats.collect.account_figures import gone, of_headers, unread
from swiftstats.collect.credentials import Tokens
from swiftstats.errors import ConfigError, CrawlError, Unread
from swiftstats.store.space import Report

REPLICA = "proxy"
#: The row of what has no row of its own: containers beyond the bound, and those that Swift hides, such as of old versions. No
#: container's name holds a slash.
REST = b"/rest"
#: A list of containers is read so often, until the account has not changed meanwhile.
LISTINGS = 3
#: Statuses of an account that was deleted, of one that never was, and of a token that is refused.
GONE, NOT_FOUND, UNAUTHORIZED, FORBIDDEN = 410, 404, 401, 403


class Names(Protocol):
    """Names of accounts, and what kept us from having one."""

    def __iter__(self) -> Iterator[bytes | Unread]: ...

    def share(self) -> float | None: ...


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def figures(self) -> tuple[str | None, ...]:
        """Return the account's containers, objects and bytes, as the headers have them."""
        given = {name.lower(): value for name, value in self.headers}
        return tuple(given.get(f"x-account-{name}") for name in ("container-count", "object-count", "bytes-used"))


class AccountProxy:
    """The accounts of `names` through the proxy at `url`.

    containers: list each account's containers too, with a row for at most `max_containers`. timeout: of an answer (s).
    """

    method = "proxy"
    #: An answer may take long, so no thread has more than one to wait for.
    batch = 1

    def __init__(self, *, url: str, names: Names, tokens: Tokens, containers: bool = False, max_containers: int = 10_000,
                 timeout: float = 30.0, clock: Callable[[], float] = time.time) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"proxy_url: {url} will not do; expected http://HOST:PORT or https://HOST:PORT")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        host, port = parts.hostname, parts.port
        self._connect: Callable[[], http.client.HTTPConnection] = lambda: kind(host, port, timeout=timeout)
        self._url, self._root = url, parts.path.rstrip("/")
        self._names, self._tokens, self._clock = names, tokens, clock
        self._containers, self._max_containers = containers, max_containers
        self._of_thread = threading.local()
        self._policies: dict[str, str] = {}

    def items(self) -> Iterator[bytes | Unread]:
        """Yield each name, having seen first that there is a token and what the policies are called."""
        self._tokens.current()
        self._policies = self._policy_names()
        yield from self._names

    def share(self) -> float | None:
        return self._names.share()

    def read(self, account: bytes) -> Report:
        """Return what the proxy says; raise Unread, and CrawlError where no account can be read any more."""
        try:
            return self._read(account)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise unread(account, f"the proxy does not answer: {type(error).__name__}: {error}") from None

    def _read(self, account: bytes) -> Report:
        answer = self._ask("HEAD", account)
        given: dict[str, Any] = {"replica": REPLICA, "position": 0, "read_at": int(self._clock())}
        if answer.status == GONE:
            return gone(account, "deleted", **given)
        if answer.status == NOT_FOUND or answer.status == 200 and set(answer.figures()) == {"0"}:
            return gone(account, "missing", **given)
        if not 200 <= answer.status < 300:
            raise _refused(account, answer.status)
        if not self._containers:
            return of_headers(account, answer.headers, self._policies, **given)
        for _ in range(LISTINGS):
            rows, after = self._list(account)
            complete = _with_rest(rows, answer) if after.figures() == answer.figures() else None
            if complete is not None:
                return of_headers(account, answer.headers, self._policies, containers=complete, **given)
            answer, given["read_at"] = after, int(self._clock())
        # It changes all the time, or Swift's own figures do not add up: the account's own stand, without a split.
        return of_headers(account, answer.headers, self._policies, **given)

    def _list(self, account: bytes) -> tuple[Listing, Answer]:
        """Return all containers, those beyond the bound as a sum, and the last answer, whose headers are the account's."""
        listing, marker = Listing(self._max_containers), ""
        while True:
            answer = self._ask("GET", account, f"?format=json&marker={quote(marker, safe='')}")
            if answer.status != 200:
                raise _refused(account, answer.status, "its list of containers: ")
            page = [row for row in json.loads(answer.body) if "name" in row]
            for row in page:
                listing.add(row["name"].encode(), int(row["count"]), int(row["bytes"]))
            if not page or page[-1]["name"] <= marker:
                return listing, answer
            marker = page[-1]["name"]

    def _ask(self, method: str, account: bytes, query: str = "") -> Answer:
        """Return the answer to a request on an account, asked again with a new token where the token is refused."""
        token = self._tokens.current()
        path = f"/v1/{quote(account, safe='')}{query}"
        answer = self._request(method, path, token)
        if answer.status != UNAUTHORIZED:
            return answer
        answer = self._request(method, path, self._tokens.renew(token))
        if answer.status == UNAUTHORIZED:
            raise CrawlError(f"{self._url} refuses the token: {UNAUTHORIZED}")
        return answer

    def _request(self, method: str, path: str, token: str | None) -> Answer:
        headers = {"User-Agent": "swiftstats", **({"X-Auth-Token": token} if token else {})}
        kept: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        for connection in (kept, self._connect()):
            if connection is None:
                continue
            try:
                connection.request(method, self._root + path, headers=headers)
                response = connection.getresponse()
                answer = Answer(response.status, response.getheaders(), response.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._of_thread.connection = None
                # A server may close a connection that it had kept at any time.
                if connection is kept and not isinstance(error, TimeoutError):
                    continue
                raise
            self._of_thread.connection = None if response.will_close else connection
            return answer
        raise AssertionError

    def _policy_names(self) -> dict[str, str]:
        """Return what the policies are really called, by their names in lower case; nothing where the cluster does not tell."""
        try:
            answer = self._request("GET", "/info", None)
            policies: Iterable[Any] = json.loads(answer.body)["swift"]["policies"] if answer.status == 200 else ()
            return {str(policy["name"]).lower(): str(policy["name"]) for policy in policies}
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return {}


class Listing:
    """An account's containers: rows up to a bound, and the sums of all."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self.rows: list[tuple[bytes, int, int]] = []
        self.containers = self.objects = self.bytes = 0

    def add(self, name: bytes, objects: int, size: int) -> None:
        self.containers += 1
        self.objects += objects
        self.bytes += size
        if len(self.rows) < self._bound:
            self.rows.append((name, objects, size))


def _with_rest(listing: Listing, answer: Answer) -> list[tuple[bytes, int, int]] | None:
    """Return rows whose sums are the account's figures, with REST for what has no row; None where they are more than that.

    Swift lists the bytes of old versions with their container, but not their number.
    """
    try:
        containers, objects, size = (int(figure or "") for figure in answer.figures())
    except ValueError:
        return []  # a float, say: refused when the report is made
    if listing.containers > containers or listing.objects > objects or listing.bytes > size:
        return None
    rest = (REST, objects - sum(row[1] for row in listing.rows), size - sum(row[2] for row in listing.rows))
    return [*listing.rows, rest] if len(listing.rows) < containers else listing.rows


def _refused(account: bytes, status: int, what: str = "") -> Unread:
    """Return that an account could not be read, and whether to ask again: who may not read it now may not in a minute either."""
    if status == FORBIDDEN:
        return unread(account, f"{what}the proxy answers 403: the credentials must be a reseller admin's", lasting=True)
    return unread(account, f"{what}the proxy answers {status}")
