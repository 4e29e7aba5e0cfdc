"""A load of small requests on a real Swift, by threads that write down what each client saw end, and what it did not.

Each thread uses one account at a time and one connection, with one request under way. `turn` begins new accounts, and so does
every request whose end the client did not see: what an account may have counted without its client knowing is one request.
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
from swiftstats.demo.processes import wait_for

TITLES = [one.title for one in fields.FIELDS]
#: How long a client waits for an answer (s): long, for under a crowd on a busy machine that is what it takes.
ANSWER_SECONDS = 180
#: How long a client that finds nobody at the port waits until it asks again (s).
REFUSED_SECONDS = 0.02


@dataclass
class Seen:
    """What one account's client saw: `finished` by field, and the most that its unfinished requests may have added."""

    finished: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    unfinished: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    turn: int = 0
    #: Requests that ended without an answer. (A 5xx is one: Swift's own, where its servers are slow.)
    cut: int = 0

    def differences(self, counted: dict[str, int], shipped: dict[str, int] | None = None) -> list[str]:
        """Return a line per field that is less than what was finished, or more than that and what was not.

        shipped: what the store had before a fault that may lose; then that is the least.
        """
        lines = []
        for title in TITLES:
            least = self.finished[title] if shipped is None else shipped.get(title, 0)
            most = self.finished[title] + self.unfinished[title]
            if not least <= counted[title] <= most:
                lines.append(f"{title}: {counted[title]} counted, {least} to {most} seen")
        return lines


class _ServerError(http.client.HTTPException):
    """An answer that says that something failed behind it."""


class Load:
    """Threads that upload, read, list and delete through the proxy at `port`, as a user who may use every account.

    name: what its accounts are called; of two loads at once each needs its own. pause: a client's between two requests (s), so
    that what is attacked, and not the load, has most of the machine.
    """

    def __init__(self, port: int, token: str, *, threads: int = 4, seed: int = 0, name: str = "load", pause: float = 0) -> None:
        self._port, self._token, self._name, self._pause = port, token, name, pause
        self._stop = threading.Event()
        self._turn = 0
        self._at = [0] * threads
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
            thread.join(ANSWER_SECONDS)
            assert not thread.is_alive(), "a client hangs"

    def turn(self) -> int:
        """Let every thread begin a new account with its next request; return the number of the turn."""
        self._turn += 1
        return self._turn

    def settle(self) -> None:
        """Return once no thread uses an account of an earlier turn any more."""
        turn = self._turn
        wait_for(lambda: all(at >= turn for at in self._at), seconds=ANSWER_SECONDS, what="clients to end their requests")

    def of(self, turn: int) -> dict[str, Seen]:
        """Return what was seen of the accounts of one turn."""
        return {account: seen for account, seen in list(self.seen.items()) if seen.turn == turn}

    def work(self, requests: int, *, seconds: float = ANSWER_SECONDS) -> None:
        """Return once so many more requests have finished."""
        until = self.requests + requests
        wait_for(lambda: self.requests >= until, seconds=seconds, what=f"{requests} more requests of {self._name} to finish")

    def _run(self, number: int, chance: random.Random) -> None:
        connection = self._connection()
        turn, account, objects, ready, broken = -1, "", 0, False, 0
        while not self._stop.wait(self._pause):
            if turn != self._turn or account in self.seen and self.seen[account].unfinished:
                broken = 0 if turn != self._turn else broken + 1
                self._at[number] = turn = self._turn
                objects, ready = 0, False
                account = f"AUTH_{self._name}{number}t{turn}" + (f"b{broken}" if broken else "")
                self.seen[account] = Seen(turn=turn)
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
            if connection.sock is None:
                connection.connect()
        except OSError:
            self._stop.wait(REFUSED_SECONDS)
            return False  # nothing was sent: nothing to count
        try:
            connection.request(method, f"/v1/{account}{path}", b"x" * size if method == "PUT" else None, headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status >= 500:  # how much of the body it had read by then, it does not say
                raise _ServerError(f"{answer.status}")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            seen.cut += not isinstance(error, _ServerError)
            for title in (method, "Disconnects", "Client_Errors", "Server_Errors", "Denied"):
                seen.unfinished[title] += 1
            for title in ("Bytes_In", "Unbilled_Bytes_In"):
                seen.unfinished[title] += size
            for title in ("Bytes_Out", "Unbilled_Bytes_Out"):
                seen.unfinished[title] += 2**20
            return False
        sent = size
        # Where a newer one is there (a clock went back), Swift answers 202 unread; refused, it does not say how much it read.
        if size and answer.status != 201:
            sent, seen.unfinished["Bytes_In"] = 0, seen.unfinished["Bytes_In"] + size
        for title, amount in classify(method, answer.status, sent, len(body)).items():
            seen.finished[title] += amount
        self.requests = next(self._ended)
        if answer.headers.get("Connection") == "close":
            connection.close()
        return True

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
