"""Load of an uncommon kind: many accounts, many connections, slow readers, aborted uploads, and masses of names."""

from __future__ import annotations

import contextlib
import random
import re
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from swiftstats import fields
from swiftstats.demo.ledger import classify
from swiftstats.demo.processes import wait_for
from swiftstats.store import engine as engines
from tests.faults.harness import AFTER, Harness
from tests.faults.host import Host
from tests.faults.machine import needed
from tests.faults.table import Fault
from tests.support import by_name
from tests.support.caller import request, token_of
from tests.support.load import ANSWER_SECONDS, Seen

ACCOUNTS, CONNECTIONS, WITH_TOKEN = 200, 2000, 500
BIG = 20 * 2**20
MASS, GARBAGE = 100_000, 1_000_000
#: Whatever a worker may wait for a lock that nobody holds, on a busy machine (s).
LOCK_SECONDS = 0.25

#: Counts as one more worker of a spool: CONFIGURATION, how many names, how they begin, whether they are proven. (A process's
#: `ru_maxrss` would be that of the one it was forked from.)
COUNT = r"""
import re, sys
from swiftstats import config
from swiftstats.fields import CELL_INDEX
from swiftstats.journal.counters import Counters
path, number, prefix, proven = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "proven"
given = config.load(path)
counters = Counters(given.spool, server=given.server, period_seconds=given.period_seconds)
increments = (CELL_INDEX["get_count"], 1)
for each in range(number):
    counters.add(prefix + str(each), increments, proven)
print(int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""


class Clients:
    """Requests of one's own beside the load, and their ledger."""

    def __init__(self, harness: Harness, host: Host, name: str) -> None:
        self.harness, self.port = harness, host.proxy.port
        self.name = f"{name}{time.monotonic_ns()}"
        self.token = token_of(harness.site.swift, harness.site.swift.user("admin"))
        self.seen: dict[str, Seen] = {}

    def saw(self, account: str, numbers: dict[str, int], *, certainly: bool = True) -> None:
        seen = self.seen.setdefault(account, Seen())
        for title, amount in numbers.items():
            (seen.finished if certainly else seen.unfinished)[title] += amount

    def send(self, account: str, method: str, path: str, body: bytes = b"") -> bytes:
        for _ in range(10):
            answer = request(self.port, method, f"/v1/{account}{path}", body, {"X-Auth-Token": self.token})
            if answer.status < 500:
                break
            # Swift's own, where its servers are slow; how much of the body it had read, it does not say.
            self.saw(account, {"Server_Errors": 1, "Unbilled_Bytes_Out": len(answer.body)})
            self.saw(account, {"Unbilled_Bytes_In": len(body)}, certainly=False)
        assert answer.status < 400, (method, path, answer.status, answer.body)
        self.saw(account, classify(method, answer.status, len(body), len(answer.body)))
        return answer.body

    def name_of(self, number: int) -> str:
        return f"AUTH_{self.name}x{number}"

    def account(self, number: int = 0) -> str:
        """Return an account with an object `/c/o` of 1,023 bytes."""
        account = self.name_of(number)
        self.send(account, "PUT", "/c")
        self.send(account, "PUT", "/c/o", b"x" * 1023)
        return account

    def open(self, account: str, head: str, *, token: bool = True) -> socket.socket:
        """Send a request's head; return the connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS)
        method, path, *more = head.split("\r\n")[0].split(" ") + head.split("\r\n")[1:]
        lines = [f"{method} /v1/{account}{path} HTTP/1.1", "Host: swift", "Connection: close", *more]
        if token:
            lines.append(f"X-Auth-Token: {self.token}")
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        return connection

    def check(self) -> None:
        """Wait until all of it is answered."""
        found: list[str] = []

        def right() -> bool:
            found[:] = self.harness.differences(self.seen)
            return not found

        try:
            wait_for(right, seconds=60, what=f"the usage of {self.name}")
        except Exception:
            raise AssertionError("\n".join(found)) from None


def many_accounts(harness: Harness, chance: random.Random) -> None:
    """Each is asked for what it holds; one in ten holds something."""
    clients = Clients(harness, harness.plain, "many")

    def use(first: int) -> None:
        for number in range(first, ACCOUNTS, 4):
            account = clients.account(number) if number % 10 == 0 else clients.name_of(number)
            clients.send(account, "GET", "?format=json")

    threads = [threading.Thread(target=use, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert len(clients.seen) == ACCOUNTS
    clients.check()


def many_connections(harness: Harness, chance: random.Random) -> None:
    """All are open before the first asks; a quarter asks with a token."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most == resource.RLIM_INFINITY or most > CONNECTIONS + 500, f"only {most} open files: ulimit -n {CONNECTIONS + 500}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = Clients(harness, harness.plain, "crowd")
    accounts = [clients.account(number) for number in range(10)]
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", clients.port), timeout=ANSWER_SECONDS))
                  for _ in range(CONNECTIONS)]
        for number, one in enumerate(opened):
            account = accounts[number % len(accounts)]
            token = f"X-Auth-Token: {clients.token}\r\n" if number < WITH_TOKEN else ""
            one.sendall(f"HEAD /v1/{account}/c/o HTTP/1.1\r\nHost: swift\r\nConnection: close\r\n{token}\r\n".encode())
            selector.register(one, selectors.EVENT_READ, (account, number < WITH_TOKEN))
        waiting, deadline = len(opened), time.monotonic() + ANSWER_SECONDS
        while waiting and time.monotonic() < deadline:
            for key, _ in selector.select(1):
                account, with_token = key.data
                answer = key.fileobj.recv(100)  # type: ignore[union-attr]
                status = int(answer.split(None, 2)[1]) if answer else 0
                assert status in ((200, 503) if with_token else (401,)), answer
                clients.saw(account, classify("HEAD", status, 0, 0))
                selector.unregister(key.fileobj)
                waiting -= 1
        assert not waiting, f"{waiting} requests were not answered"
    clients.check()


def slow_readers(harness: Harness, chance: random.Random) -> None:
    """Downloads that begin in one period and end in another."""
    clients = Clients(harness, harness.plain, "slow")
    account = clients.account()
    clients.send(account, "PUT", "/c/big", b"z" * BIG)
    readers = [clients.open(account, "GET /c/big") for _ in range(4)]
    read = [len(reader.recv(1000)) for reader in readers]
    harness.pass_periods(1.2)
    for number, reader in enumerate(readers):
        with reader:
            while chunk := reader.recv(2**18):
                read[number] += len(chunk)
        assert read[number] > BIG
        clients.saw(account, {"GET": 1, "Bytes_Out": BIG})
    clients.check()


def aborted_uploads(harness: Harness, chance: random.Random) -> None:
    """A megabyte of ten, and gone; with a length and in chunks."""
    clients = Clients(harness, harness.plain, "abort")
    account = clients.account()
    for number in range(6):
        chunked = number % 2
        head = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {10 * 2**20}"
        with clients.open(account, f"PUT /c/a{number}\r\n{head}") as upload:
            upload.sendall((b"%x\r\n" % 2**20 if chunked else b"") + b"y" * 2**20)
        clients.saw(account, {"PUT": 1, "Disconnects": 1})
        # Of what it sent, as much as was read; and Swift's own words about it, which nobody reads.
        clients.saw(account, {"Bytes_In": 2**20, "Bytes_Out": 1024}, certainly=False)
    clients.check()


def count(host: Host, number: int, prefix: str, proven: bool) -> int:
    """Count `number` names in a host's spool as one more worker does; return its memory in MiB."""
    done = subprocess.run([sys.executable, "-c", COUNT, str(host.configuration), str(number), prefix,
                           "proven" if proven else ""], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def garbage(harness: Harness, chance: random.Random) -> None:
    """A million names that somebody made up: one row for all, and memory that does not grow."""
    before, rows = _unknown(harness), _accounts(harness)
    memory = count(harness.plain, GARBAGE, f"AUTH_junk{time.monotonic_ns()}x", False)
    assert memory < 100, f"{memory} MiB"
    wait_for(lambda: _unknown(harness) >= before + GARBAGE, seconds=60, what="(unknown) to have it all")
    assert _unknown(harness) <= before + GARBAGE + 100
    assert _accounts(harness) < rows + 100


def _unknown(harness: Harness) -> int:
    with engines.read(harness.engine) as connection:
        cells = by_name.total(connection, fields.UNKNOWN.encode(), harness.begin, int(time.time()) + AFTER)
    return cells[fields.CELL_INDEX["get_count"]]


def stored(harness: Harness, prefix: str) -> int:
    """Return how many GETs the store has of accounts whose names begin so."""
    rows = harness.mariadb.execute("SELECT COALESCE(SUM(get_count), 0) FROM site.io_hours JOIN site.accounts ON account_id = id"
                                   f" WHERE name LIKE '{prefix}%'")
    return int(str(rows[0][0]))


def _accounts(harness: Harness, prefix: str = "") -> int:
    rows = harness.mariadb.execute(f"SELECT COUNT(*) FROM site.accounts WHERE name LIKE '{prefix}%'")
    return int(str(rows[0][0]))


def mass(harness: Harness, chance: random.Random) -> None:
    """A flush of 100,000 accounts under requests: no worker runs SQL, forces a disk or waits for a lock meanwhile."""
    host, prefix = harness.plain, f"AUTH_mass{time.monotonic_ns()}x"
    trace = harness.folder / "trace"
    words = [word for pid in host.proxy.worker_pids() for word in ("-p", str(pid))]
    tracer = subprocess.Popen([needed("strace", "strace"), "-f", "-T", "-o", str(trace), "-e",
                               "trace=fsync,fdatasync,msync,sync,syncfs,flock,connect", *words],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: all(_is_traced(pid) for pid in host.proxy.worker_pids()), seconds=30, what="strace to attach")
        count(host, MASS, prefix, True)
        wait_for(lambda: _accounts(harness, prefix) == MASS, seconds=120, what=f"{MASS} accounts in the store")
        host.load.work(30)
    finally:
        tracer.terminate()
        tracer.communicate(timeout=30)
    _check_trace(trace, harness)
    wait_for(lambda: stored(harness, prefix) >= MASS, seconds=60, what="all of their requests")
    assert stored(harness, prefix) == MASS


def _is_traced(pid: int) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def _check_trace(trace: Path, harness: Harness) -> None:
    calls = [line for line in trace.read_text().splitlines() if "(" in line]
    assert any("connect(" in line for line in calls), "nothing was traced"
    ports = [f"htons({port})" for port in (harness.wire.port, harness.mariadb.port)]
    for line in calls:
        assert "sync(" not in line, line
        assert not any(port in line for port in ports), line
        took = re.search(r"<([\d.]+)>$", line)  # not there where another process's line came between
        if "flock" in line and took:
            assert float(took[1]) < LOCK_SECONDS, line


FAULTS = (
    Fault("many-accounts", many_accounts),
    Fault("slow-readers", slow_readers),
    Fault("many-connections", many_connections),
    Fault("aborted-uploads", aborted_uploads),
    Fault("garbage-names", garbage, logged=False),
    Fault("mass-flush", mass, logged=False),
)
