"""A load of small requests on a real Swift, by threads that write down what each client saw end, and what it did not.

Each thread uses one account at a time and one connection, with one request under way. `turn` begins new accounts: so what an
account may have counted without its client knowing is at most one request for each fault.
"""

from __future__ import annotations

import http.client
import itertools
import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field

from swiftstats import fields
from swiftstats.demo.ledger import classify

TITLES = [one.title for one in fields.FIELDS]


@dataclass
class Seen:
    """What one account's client saw: `finished` by field, and the most that its unfinished requests may have added."""

    finished: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    unfinished: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def differences(self, counted: dict[str, int]) -> list[str]:
        """Return a line per field that is less than what was finished, or more than that and what was not."""
        lines = []
        for title in TITLES:
            least = self.finished[title]
            most = least + self.unfinished[title]
            if not least <= counted[title] <= most:
                lines.append(f"{title}: {counted[title]} counted, {least} to {most} seen")
        return lines


class Load:
    """Threads that upload, read, list and delete through the proxy at `port`, as a user who may use every account."""

    def __init__(self, port: int, token: str, *, threads: int = 4, seed: int = 0) -> None:
        self._port, self._token = port, token
        self._stop = threading.Event()
        self._turn = 0
        self.seen: dict[str, Seen] = {}
        self._ended = itertools.count(1)
        #: How many requests have finished so far.
        self.requests = 0
        self._threads = [threading.Thread(target=self._run, args=(number, random.Random(seed * 1000 + number)), daemon=True)
                         for number in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def turn(self) -> None:
        """Let every thread begin a new account with its next request."""
        self._turn += 1

    def _run(self, number: int, chance: random.Random) -> None:
        connection = self._connection()
        turn, account, objects, ready = -1, "", 0, False
        while not self._stop.is_set():
            if turn != self._turn:
                turn, objects, ready = self._turn, 0, False
                account = f"AUTH_load{number}t{turn}"
                self.seen[account] = Seen()
            if not ready:
                ready = self._send(connection, account, "PUT", "/c", 0)
                if not ready:
                    connection = self._connection()
                continue
            method = chance.choice(("PUT", "PUT", "GET", "GET", "HEAD", "POST", "DELETE", "LIST"))
            if method == "PUT":
                objects += 1
            name = f"/c/o{chance.randint(max(0, objects - 5), objects)}"
            size = chance.choice((0, 1, 1023, 70000, 300000)) if method == "PUT" else 0
            path = "/c?format=json" if method == "LIST" else name
            if not self._send(connection, account, "GET" if method == "LIST" else method, path, size):
                connection = self._connection()

    def _send(self, connection: http.client.HTTPConnection, account: str, method: str, path: str, size: int) -> bool:
        """Send one request and write down how it ended; False where the connection is of no more use."""
        seen = self.seen[account]
        headers = {"X-Auth-Token": self._token}
        if method == "POST":
            headers["X-Object-Meta-Color"] = "blue"
        try:
            connection.request(method, f"/v1/{account}{path}", b"x" * size if method == "PUT" else None, headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status >= 500:  # how much of the body it had read by then, it does not say
                raise http.client.HTTPException(f"{answer.status}")
        except (OSError, http.client.HTTPException):
            connection.close()
            for title in (method, "Disconnects", "Client_Errors", "Server_Errors", "Denied"):
                seen.unfinished[title] += 1
            for title in ("Bytes_In", "Unbilled_Bytes_In"):
                seen.unfinished[title] += size
            for title in ("Bytes_Out", "Unbilled_Bytes_Out"):
                seen.unfinished[title] += 2**20
            return False
        for title, amount in classify(method, answer.status, size, len(body)).items():
            seen.finished[title] += amount
        self.requests = next(self._ended)
        if answer.headers.get("Connection") == "close":
            connection.close()
        return True

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
