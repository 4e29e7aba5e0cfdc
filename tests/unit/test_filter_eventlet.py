"""The filter under eventlet's own WSGI server, in a process of its own, on the real journal: what a proxy worker does."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

from swiftstats import fields
from tests.support import spools

CHUNK = 65536


class Server:
    """The server process, and what its journal holds of an account."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.process = subprocess.Popen([sys.executable, "-m", "tests.support.eventlet_server", str(spool)],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, request: bytes) -> bytes:
        """Send a whole request on a connection of its own, and return all that comes back."""
        with contextlib.closing(self.connect()) as client:
            client.sendall(request)
            return drain(client)

    def usage(self, account: str) -> dict[str, int]:
        total = [0] * fields.CELL_COUNT
        for snapshot in spools.snapshots(self.spool):
            for row in snapshot.rows():
                if row.name == account.encode():
                    total = [a + b for a, b in zip(total, row.cells)]
        return {field.name: value for field, value in zip(fields.FIELDS, fields.values(total)) if value}

    def await_usage(self, account: str, field: str) -> dict[str, int]:
        """Return the account's usage as soon as it has the field; fail after 20 s."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if (usage := self.usage(account)).get(field):
                return usage
        raise AssertionError(f"{field} of {account} did not come: {self.usage(account)}")


def drain(client: socket.socket) -> bytes:
    received = bytearray()
    while data := client.recv(65536):
        received += data
    return bytes(received)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("eventlet") / "spool")
    yield running
    running.process.kill()
    running.process.wait()


def put(account: str, what: str, headers: str, body: bytes = b"") -> bytes:
    return f"PUT /v1/{account}/c/{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode() + body


def get(account: str, what: str) -> bytes:
    return f"GET /v1/{account}/c/{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def test_expect_100_continue_works_through_the_filter(server: Server) -> None:
    """The client is told to go on, with the headers that the application set, and its bytes are counted exactly."""
    with contextlib.closing(server.connect()) as client:
        client.sendall(put("AUTH_expect", "read", "Expect: 100-continue\r\nContent-Length: 1023\r\n"))
        early = bytearray()
        while b"\r\n\r\n" not in early:
            early += client.recv(4096)
        assert early.startswith(b"HTTP/1.1 100 Continue\r\n")
        assert b"X-Early: yes" in early
        client.sendall(b"x" * 1023)
        assert drain(client).startswith(b"HTTP/1.1 201 ")
    assert server.usage("AUTH_expect") == {"PUT": 1, "bytes_in": 1023}


def test_a_refused_expect_sends_no_body(server: Server) -> None:
    """An application that does not read keeps the client from sending, and no bytes are counted."""
    answer = server.ask(put("AUTH_unread", "refuse", "Expect: 100-continue\r\nContent-Length: 300000\r\n"))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert server.usage("AUTH_unread") == {"denied": 1, "unbilled_bytes_out": 2}


def test_what_the_server_discards_is_not_counted(server: Server) -> None:
    """Of an upload that is refused unread eventlet reads the rest to reuse the connection; the account did not ask for that."""
    with contextlib.closing(server.connect()) as client:
        client.sendall(put("AUTH_discard", "refuse", "Content-Length: 300000\r\n").replace(b"Connection: close\r\n", b""))
        client.sendall(b"x" * 300_000)
        client.sendall(get("AUTH_discard", "give-1"))
        assert drain(client).count(b"HTTP/1.1") == 2
    assert server.usage("AUTH_discard") == {"denied": 1, "unbilled_bytes_out": 2, "GET": 1, "bytes_out": CHUNK}


def test_a_chunked_upload_is_counted_without_its_framing(server: Server) -> None:
    """Bytes are those of the body, not of the transfer encoding."""
    body = b"400\r\n" + b"y" * 1024 + b"\r\n7\r\nabcdefg\r\n0\r\n\r\n"
    assert server.ask(put("AUTH_chunked", "read", "Transfer-Encoding: chunked\r\n", body)).startswith(b"HTTP/1.1 201 ")
    assert server.usage("AUTH_chunked") == {"PUT": 1, "bytes_in": 1031}


@pytest.mark.parametrize(("account", "what", "usage"), [
    ("AUTH_careful", "careful", {"PUT": 1, "disconnects": 1}),
    ("AUTH_careless", "read", {"PUT": 1, "disconnects": 1}),
])
def test_a_chunked_upload_that_ends_early_is_a_disconnect(account: str, what: str, usage: dict[str, int], server: Server) -> None:
    """eventlet raises where the client left in a chunk, and whether the application minds or not, the client left."""
    with contextlib.closing(server.connect()) as client:
        client.sendall(put(account, what, "Transfer-Encoding: chunked\r\n", b"10000\r\n" + b"y" * 65536 + b"\r\n400\r\nabc"))
        client.shutdown(socket.SHUT_WR)
        drain(client)
    assert server.await_usage(account, "disconnects") == {**usage, "bytes_in": CHUNK}


def test_an_upload_with_a_length_that_ends_early_counts_what_came(server: Server) -> None:
    """eventlet gives the application what it got."""
    with contextlib.closing(server.connect()) as client:
        client.sendall(put("AUTH_short", "read", "Content-Length: 1000000\r\n", b"y" * 100_000))
        client.shutdown(socket.SHUT_WR)
        drain(client)
    assert server.await_usage("AUTH_short", "PUT") == {"PUT": 1, "bytes_in": 100_000}


@pytest.mark.parametrize(("account", "what"), [("AUTH_length", "give-20"), ("AUTH_without", "pour-20")])
def test_a_download_is_counted_whole(account: str, what: str, server: Server) -> None:
    """With a length and chunked, the bytes of the body are counted, once the client has them all."""
    answer = server.ask(get(account, what))
    assert answer.count(b"x" * 1000) >= 20 * CHUNK // 1000 - 60
    assert server.await_usage(account, "GET") == {"GET": 1, "bytes_out": 20 * CHUNK}


def test_a_download_that_the_client_leaves_is_a_disconnect(server: Server) -> None:
    """What the server was given is counted: more than the client read, by kernel buffers, and less than the whole."""
    with contextlib.closing(server.connect()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(get("AUTH_left", "give-1000"))
        received = 0
        while received < 2**20:
            received += len(client.recv(65536))
    usage = server.await_usage("AUTH_left", "disconnects")
    assert usage.pop("bytes_out") in range(2**20 - 1000, 500 * CHUNK)
    assert usage == {"GET": 1, "disconnects": 1}


@pytest.mark.parametrize(("account", "what", "usage"), [
    ("AUTH_raise", "raise", {"server_errors": 1}),
    ("AUTH_die", "die", {"server_errors": 1, "unbilled_bytes_out": CHUNK}),
])
def test_what_the_application_raises_is_a_server_error(account: str, what: str, usage: dict[str, int], server: Server) -> None:
    """eventlet answers 500, or cuts the connection where it cannot any more."""
    answer = server.ask(get(account, what))
    assert answer.startswith(b"HTTP/1.1 500 " if what == "raise" else b"HTTP/1.1 200 ")
    assert server.await_usage(account, "server_errors") == usage


def test_a_finished_download_is_counted_when_the_worker_is_killed(tmp_path: Path) -> None:
    """kill -9 right after the client has its last byte loses nothing: the count was in shared memory before."""
    running = Server(tmp_path / "spool")
    with contextlib.closing(running.connect()) as client:
        client.sendall(get("AUTH_killed", "give-3"))
        received = bytearray()
        while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < 3 * CHUNK:
            received += client.recv(65536)
        running.process.kill()
    running.process.wait()
    assert running.usage("AUTH_killed") == {"GET": 1, "bytes_out": 3 * CHUNK}
