"""Start, watch and stop one server process, each in a session of its own, and show the end of its log when it fails.

A session of its own, because Swift's manager answers SIGTERM by signalling its whole process group, and because a Ctrl-C in
the terminal must reach only the one that then stops the others in the right order. What is stopped is what was started: by
process id and group, never by name.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

from swiftstats.errors import SwiftStatsError

#: Seconds in which a server has to be ready, and then to have ended.
START_SECONDS = 60.0
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.02

#: The ports that `free_port` has returned.
_given: set[int] = set()


class DemoError(SwiftStatsError):
    """A server that did not start, or a step of the demo that failed; the message ends with the end of the log."""


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str | Callable[[], str]) -> None:
    """Return as soon as `condition()` is true; raise DemoError, naming `what`, or what that says by then, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise DemoError(f"waited {seconds:g} s for {what if isinstance(what, str) else what()}")
        time.sleep(_POLL_SECONDS)


def free_port(preferred: int = 0) -> int:
    """Return a free TCP port of 127.0.0.1: `preferred` if it is free, else one below the range of outgoing connections.

    Nothing but `preferred` is returned twice: Swift's servers listen with SO_REUSEPORT, and two of them on one port would both
    start, and share it.
    """
    unused = [port for port in range(20000, 32000) if port not in _given]
    for port in (preferred, *random.sample(unused, len(unused))):
        if port == 0:
            continue
        with socket.socket() as probe:
            # As servers bind it: a port whose last connections linger in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise DemoError("no free port on 127.0.0.1 between 20000 and 32000")


def listening(port: int) -> bool:
    """Tell whether something accepts connections on `port` of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def children(pid: int) -> list[int]:
    """Return the live children of `pid`, in order of their ids."""
    return sorted(child for child, parent, _group in _processes() if parent == pid)


def group_members(group: int) -> list[int]:
    """Return the live processes of a process group."""
    return sorted(pid for pid, _parent, of in _processes() if of == group)


def _processes() -> Iterator[tuple[int, int, int]]:
    """Yield (pid, parent, process group) of every process that is not a zombie."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                # After the command's name in parentheses, which may itself hold spaces and parentheses.
                state, parent, group = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:3]
                if state not in "ZX":
                    yield int(entry), int(parent), int(group)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold back what Ctrl-C and SIGTERM raise: between a child's birth and the note of its id it would be an orphan."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread has handlers run in it
        return
    held: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda received, _frame: held.append(received))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


class Process:
    """One server, its log file, and the socket on which it says that it is ready (systemd's protocol), if it does."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        notifies: bool = False,
        directory: Path | None = None,
    ) -> None:
        self.name, self.argv, self.log = name, list(argv), log
        self._environment = dict(os.environ if environment is None else environment)
        self._environment.pop("NOTIFY_SOCKET", None)
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        #: Groups of earlier incarnations, which may still drain after a graceful restart.
        self._groups: list[int] = []
        self._notices: socket.socket | None = None
        if notifies:
            address = f"swiftstats-{os.getpid()}-{secrets.token_hex(8)}"
            self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._notices.bind("\0" + address)
            self._notices.setblocking(False)
            self._environment["NOTIFY_SOCKET"] = "@" + address

    @property
    def pid(self) -> int:
        """The process id; raises DemoError where it was never started or has been stopped."""
        if self._process is None:
            raise DemoError(f"{self.name} does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and return at once; its output goes to the end of its log."""
        if self.running:
            raise DemoError(f"{self.name} runs already")
        self._heard()
        with open(self.log, "ab") as log, _undisturbed():
            try:
                self._process = subprocess.Popen(
                    self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
                    cwd=self._directory, start_new_session=True,
                )
            except OSError as error:
                raise DemoError(f"{self.name}: cannot run {self.argv[0]}: {error.strerror}") from None
            self._groups.append(self._process.pid)

    def wait_ready(self, ready: Callable[[], bool] | None = None, *, seconds: float = START_SECONDS) -> None:
        """Return when it has said so itself, or when `ready()`.

        Raises DemoError, with the end of its log, when it ends instead or takes longer than `seconds`.
        """
        check = ready or (lambda: b"READY=1" in self._heard())
        deadline = time.monotonic() + seconds
        while not check():
            if not self.running:
                status = self._process.returncode if self._process else None
                raise DemoError(f"{self.name} ended with status {status} instead of starting\n{self.tail()}")
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name} was not ready within {seconds:g} s\n{self.tail()}")
            time.sleep(_POLL_SECONDS)

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, forgetting earlier notices, so that `wait_ready` waits for a new one."""
        self._heard()
        os.kill(self.pid, number)

    def wait(self, *, seconds: float = STOP_SECONDS) -> int:
        """Return the exit status once it has ended; raise DemoError if that takes longer than `seconds`."""
        if self._process is None:
            raise DemoError(f"{self.name} does not run")
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DemoError(f"{self.name} did not end within {seconds:g} s\n{self.tail()}") from None

    def stop(self, *, seconds: float = STOP_SECONDS) -> bool:
        """SIGTERM, and SIGKILL to all of its group that is left after `seconds`; tell whether SIGTERM was enough."""
        clean = True
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        for group in self._groups:
            clean = _end_group(group, seconds) and clean
        self._groups.clear()
        if process is not None:
            process.wait()
        return clean

    def kill(self) -> None:
        """SIGKILL to every process of its groups, as a power cut would have it; return when all are gone."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.stop()

    def tail(self, lines: int = 20) -> str:
        """Return the end of the log, each line indented, under its path."""
        try:
            end = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            end = []
        return "\n".join([f"the end of {self.log}:", *("    " + line for line in end or ["(it is empty)"])])

    def _heard(self) -> bytes:
        """Return what it has said on its socket since the last call."""
        heard = b""
        if self._notices is not None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard += self._notices.recv(4096) + b"\n"
        return heard


def _end_group(group: int, seconds: float) -> bool:
    """SIGTERM, then SIGKILL after `seconds`, what is left of a process group; tell whether no SIGKILL was needed."""
    if not group_members(group):
        return True
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
    try:
        wait_for(lambda: not group_members(group), seconds=seconds, what=f"process group {group} to end")
        return True
    except DemoError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        wait_for(lambda: not group_members(group), seconds=seconds, what=f"process group {group} to be killed")
        return False
