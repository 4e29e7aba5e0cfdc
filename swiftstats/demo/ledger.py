"""The clients' own account of their traffic: what they sent and received, to compare with what was metered.

It listens where python-swiftclient and boto3 meet, in urllib3, and counts body bytes there; it knows nothing of the meter. What
is billable, and in which field, it says by the rules of docs/counting, written down a second time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from swiftstats import fields

_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")


@dataclass
class Exchange:
    """One request and its answer. `sent` and `received` are body bytes; what is read of the answer may still grow."""

    account: str
    method: str
    path: str  #: as sent, with its query
    status: int
    sent: int
    response: Any  # urllib3's
    chunked: int = 0  #: of `received`, what came in a chunked answer

    def __post_init__(self) -> None:
        chunks = self.response.read_chunked

        def read_chunked(*arguments: Any, **named: Any) -> Iterator[bytes]:
            for chunk in chunks(*arguments, **named):
                self.chunked += len(chunk)
                yield chunk

        # urllib3's tell() leaves out what it reads by chunks.
        self.response.read_chunked = read_chunked

    @property
    def received(self) -> int:
        # What was pulled off the wire, before any decoding of content.
        return int(self.response.tell()) + self.chunked


class Ledger:
    """The exchanges with one proxy, in order. Not for several threads."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.exchanges: list[Exchange] = []

    @contextlib.contextmanager
    def watching(self, s3_account: str = fields.UNKNOWN) -> Iterator[None]:
        """Record what this process sends to the proxy; what names no account in its path (S3) goes to `s3_account`."""
        from urllib3.connectionpool import HTTPConnectionPool

        original = HTTPConnectionPool.urlopen

        def urlopen(pool: Any, method: str, url: str, body: Any = None, headers: Any = None, *rest: Any, **named: Any) -> Any:
            sent, body = _counted(body, headers or {})
            response = original(pool, method, url, body, headers, *rest, **named)
            account = account_of(url, s3_account)
            if pool.port == self._port and account is not None:
                self.exchanges.append(Exchange(account, method, url, response.status, sent(), response))
            return response

        HTTPConnectionPool.urlopen = urlopen  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            HTTPConnectionPool.urlopen = original  # type: ignore[method-assign]

    def usage(self) -> dict[str, dict[str, int]]:
        """Return, per account, every field of an answer by its title (`Bytes_In`, `GET`, …)."""
        result: dict[str, dict[str, int]] = {}
        for exchange in self.exchanges:
            row = result.setdefault(exchange.account, {field.title: 0 for field in fields.FIELDS})
            for title, amount in classify(exchange.method, exchange.status, exchange.sent, exchange.received).items():
                row[title] += amount
        return result


def classify(method: str, status: int, sent: int, received: int) -> dict[str, int]:
    """Return what one exchange adds to an account's fields, by title."""
    if status in (401, 403) or status >= 500:
        count = "Denied" if status < 500 else "Server_Errors"
        return {count: 1, "Unbilled_Bytes_In": sent, "Unbilled_Bytes_Out": received}
    row = {method if method in _METHODS else "OTHER": 1, "Bytes_In": sent, "Bytes_Out": received}
    if status in (408, 499):
        row["Disconnects"] = 1
    elif status >= 400:
        row["Client_Errors"] = 1
    return row


def account_of(url: str, s3_account: str) -> str | None:
    """Return the account that a request is metered to; None for what is not (tokens, /info)."""
    first, _, rest = unquote(urlsplit(url).path).lstrip("/").partition("/")
    if first in ("auth", "info", "healthcheck"):
        return None
    return rest.partition("/")[0] if first in ("v1", "v1.0") else s3_account


def _counted(body: Any, headers: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return a function that tells how many bytes of `body` are sent, and the body to send."""
    length = next((value for name, value in headers.items() if name.lower() == "content-length"), None)
    if length is not None:
        return (lambda: int(length)), body
    if body is None or isinstance(body, (bytes, str)):
        return (lambda: len(body or b"")), body
    total = [0]

    def chunks() -> Iterator[bytes]:
        for chunk in body:
            total[0] += len(chunk)
            yield chunk

    return (lambda: total[0]), chunks()
