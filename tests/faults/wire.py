"""A TCP proxy before MariaDB that reads what clients say: it cuts or slows down the connection at a statement of choice."""

from __future__ import annotations

import contextlib
import enum
import socket
import threading
from collections.abc import Callable, Iterator

#: The first byte of a command that is a statement (MySQL's COM_QUERY).
_QUERY = 3


class Cut(enum.Enum):
    """Where a connection ends: the statement has not been sent, half of it has, all of it has, or its reply was lost."""

    BEFORE = "before"
    INSIDE = "inside"
    AT_ONCE = "at once"
    AFTER = "after"


class Wire:
    """Forwards connections of 127.0.0.1 to `upstream`; `port` is its own. A context manager."""

    def __init__(self, upstream: Callable[[], int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._rule: tuple[bytes, Cut] | None = None
        self._left = 0
        self._delay, self._is_down = 0.0, False
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        #: How often the rule was applied since it was set.
        self.applied = 0

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.close()
        self.cut_all()

    def cut(self, statement: bytes, where: Cut, *, times: int) -> None:
        """Cut the next `times` connections that say a statement which begins so (b"": any)."""
        with self._lock:
            self._rule, self._left, self.applied = (statement, where), times, 0

    def slow(self, seconds: float) -> None:
        """Let each statement wait so long from now on."""
        self._delay, self.applied = seconds, 0

    def heal(self) -> None:
        """Forward everything again, at once."""
        with self._lock:
            self._rule, self._left, self._delay = None, 0, 0.0

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Let nobody through meanwhile."""
        self._is_down = True
        try:
            self.cut_all()
            yield
        finally:
            self._is_down = False

    def cut_all(self) -> None:
        """End every connection that there is."""
        with self._lock:
            ending = list(self._open)
        for one in ending:
            _end(one)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_down:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream()), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            lost = threading.Event()
            for body in (lambda c=client, s=server, e=lost: self._to_server(c, s, e),
                         lambda c=client, s=server, e=lost: self._to_client(c, s, e)):
                threading.Thread(target=self._run, args=(body, client, server), daemon=True).start()

    def _run(self, body: Callable[[], None], client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            body()
        with self._lock:
            self._open -= {client, server}
        _end(client)
        _end(server)

    def _to_server(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        while True:
            head = _exactly(client, 4)
            packet = head + _exactly(client, int.from_bytes(head[:3], "little"))
            where = self._applies(packet)
            if where is Cut.BEFORE:
                return
            if where is Cut.INSIDE:
                server.sendall(packet[: len(packet) // 2])
                return
            if where is Cut.AFTER:
                lost.set()
            server.sendall(packet)
            if where is Cut.AT_ONCE:
                return

    def _to_client(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        while chunk := server.recv(65536):
            if lost.is_set():
                return
            client.sendall(chunk)

    def _applies(self, packet: bytes) -> Cut | None:
        if packet[3] != 0 or packet[4:5] != bytes([_QUERY]):
            return None
        if self._delay:
            self.applied += 1
            self._closing.wait(self._delay)
        with self._lock:
            if self._rule is None or not self._left or not packet[5:].startswith(self._rule[0]):
                return None
            self._left -= 1
            self.applied += 1
            return self._rule[1]


def _exactly(source: socket.socket, length: int) -> bytes:
    read = bytearray()
    while len(read) < length:
        chunk = source.recv(length - len(read))
        if not chunk:
            raise EOFError
        read += chunk
    return bytes(read)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
