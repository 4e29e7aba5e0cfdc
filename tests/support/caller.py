"""The client of one functional case: raw HTTP to a real Swift, and the counting rules written down once more to prepare a case.

What a case is about it states as literal numbers. What it has to do beforehand (make a container, store an object) it does with
`prepare`, which adds what that counts.
"""

from __future__ import annotations

import http.client
import socket
import urllib.request
from typing import Iterable, Mapping, NamedTuple
from urllib.parse import quote

from swiftstats.demo.confs import User
from swiftstats.demo.ledger import classify
from swiftstats.demo.swift import Swift
from tests.support.users import Users

#: account: field's title: the number, or the pair of the least and the most that will do
Numbers = dict[str, dict[str, "int | tuple[int, int]"]]


class Answer(NamedTuple):
    """A response: `headers` with names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class OfTempauth:
    """The users that a Swift was started with."""

    def __init__(self, swift: Swift) -> None:
        self._swift = swift

    def account(self, name: str) -> str:
        return self._swift.user(name).storage_account

    def token(self, name: str) -> str:
        return token_of(self._swift, self._swift.user(name))

    def key_pair(self, name: str) -> tuple[str, str]:
        user = self._swift.user(name)
        return user.login, user.key

    def admin_token(self) -> str:
        return self.token("admin")


class Caller:
    """Speaks for the user of the account that `users` (tempauth's, where none are given) have by this name.

    `other` is another account that is this case's alone.
    """

    def __init__(self, swift: Swift, name: str, users: Users | None = None) -> None:
        self.swift, self.name, self.users = swift, name, users or OfTempauth(swift)
        self.account, self.token = self.users.account(name), self.users.token(name)
        self.prepared: Numbers = {}
        #: Body bytes received by `send` so far, for those answers whose length is Swift's own business.
        self.received = 0

    @property
    def other(self) -> str:
        return self.users.account(self.name + "-other")

    @property
    def other_token(self) -> str:
        return self.users.token(self.name + "-other")

    @property
    def admin_token(self) -> str:
        """Good for every account."""
        return self.users.admin_token()

    @property
    def key_pair(self) -> tuple[str, str]:
        """Access key and secret, for S3."""
        return self.users.key_pair(self.name)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = "",
        expect: int | tuple[int, ...] = (200, 201, 202, 204, 206, 304),
        cut: bool = False,
    ) -> Answer:
        """Send one request on a connection of its own; return the answer.

        A path without `/v1` or `/auth` in front is within the account. token: another one, or None for none. body: bytes, or an
        iterable that is sent in chunks. expect: the status that the answer must have. cut: the answer's body may end early.
        """
        answer = request(
            self.swift.proxy.port, method, self.path(path), body,
            {**self.credentials(token), **(headers or {})}, cut=cut,
        )
        wanted = (expect,) if isinstance(expect, int) else expect
        assert answer.status in wanted, f"{method} {path}: {answer.status}, not {wanted}: {answer.body[:300]!r}"
        self.received += len(answer.body)
        return answer

    def prepare(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, token: str | None = ""
    ) -> Answer:
        """Send a request that the case needs but is not about, and note what it counts."""
        before = self.received
        answer = self.send(method, path, body, headers, token=token)
        self.received = before
        full = self.path(path)
        account = full.split("/")[2].partition("?")[0]
        self.note(account, classify(method, answer.status, len(body), len(answer.body)))
        return answer

    def note(self, account: str, numbers: Mapping[str, int]) -> None:
        """Add numbers to what was prepared."""
        row = self.prepared.setdefault(account, {})
        for title, amount in numbers.items():
            row[title] = row.get(title, 0) + amount  # type: ignore[operator]

    def container(self, name: str = "c", headers: Mapping[str, str] | None = None) -> None:
        """Prepare a container."""
        self.prepare("PUT", f"/{name}", headers=headers)

    def path(self, path: str) -> str:
        """Return the path as it goes over the wire."""
        if path == "" or (path.startswith(("/", "?")) and not path.startswith(("/v1/", "/v1.0/", "/auth/", "/info"))):
            return f"/v1/{quote(self.account)}{path}"
        return path

    def credentials(self, token: str | None = "") -> dict[str, str]:
        return {} if token is None else {"X-Auth-Token": token or self.token}

    def raw(self, head: str, body: bytes = b"") -> socket.socket:
        """Send a request line and headers as they stand, with the token, and `body`; return the connection."""
        connection = socket.create_connection(("127.0.0.1", self.swift.proxy.port), timeout=60)
        lines = [*head.strip().splitlines(), "Host: swift", f"X-Auth-Token: {self.token}", "Connection: close"]
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return connection


def token_of(swift: Swift, user: User) -> str:
    """Return a token of tempauth for a user."""
    asked = urllib.request.Request(swift.auth_url, headers={"X-Auth-User": user.login, "X-Auth-Key": user.key})
    with urllib.request.urlopen(asked, timeout=60) as response:
        return str(response.headers["X-Auth-Token"])


def request(
    port: int, method: str, path: str, body: bytes | Iterable[bytes] = b"", headers: Mapping[str, str] | None = None,
    *, cut: bool = False,
) -> Answer:
    """Send one request to 127.0.0.1 and read the whole answer; with `cut`, as much of its body as there is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True, skip_host="Host" in (headers or {}))
        for name, value in {"Connection": "close", **(headers or {})}.items():
            connection.putheader(name, value)
        if isinstance(body, bytes):
            if "Content-Length" not in (headers or {}) and (body or method in ("PUT", "POST")):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            try:
                connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has answered without reading, and closed; the answer may still be there
        else:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders(body, encode_chunked=True)
        response = connection.getresponse()
        try:
            content = response.read()
        except http.client.IncompleteRead as error:
            if not cut:
                raise
            content = error.partial
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
    finally:
        connection.close()


def read_answer(connection: socket.socket, first: bytes = b"") -> tuple[int, bytes]:
    """Read what is left of a raw connection until it closes; return status and body. `first` has been read already."""
    chunks = [first]
    with connection:
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    head, _, body = b"".join(chunks).partition(b"\r\n\r\n")
    return int(head.split(None, 2)[1]), body
