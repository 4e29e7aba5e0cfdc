"""How late a worker's greenlets are while the flusher of its host ships 100,000 accounts, next to when nobody flushes.

    python -m bench.stall [--accounts N] [--rounds N] [--json FILE]

A worker in a process of its own, eventlet's hub with the filter's meter on a spool, counts all the time, every account each four
seconds; one of its greenlets wants to run each millisecond, and notes how late it did. `idle` is the worker alone. `flush` is
`swiftstats flush --once` on its spool into a private MariaDB: it closes the period that is over, seals its segments and ships
its totals, and ships those of the running one so far. `elsewhere` is the same flush at the same time of another spool, of as many
accounts: what two busy processes more do to a worker on this machine, whoever they work for. Milliseconds; of the moments of a
round, the delay that one in a thousand exceeds.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

from bench.rounds import ROOT, Case, Target, interleaved, parser, report, say
from bench.stores import OPTIONS
from swiftstats import migrations
from swiftstats.collect.meter import Meter
from swiftstats.demo.processes import Process, wait_for
from swiftstats.store import engine as engines
from tests.support.mariadb import MariaDB

PERIOD = 10  #: of the meter (s): one is over before each flush
TICK = 0.001
CYCLE = 4.0  #: Every account is counted in so many seconds.
IDLE = 5.0  #: seconds that nobody flushes
MOMENT = struct.Struct("dd")  #: when a greenlet was due, by the machine's monotonic clock, and how late it was (s)


def main() -> int:
    options = parser(__doc__, rounds=7)
    options.add_argument("--accounts", type=int, default=100_000)
    options.add_argument("--worker", metavar="FOLDER", help="be the worker, and note delays there; for its own process")
    arguments = options.parse_args()
    if arguments.worker:
        work(Path(arguments.worker), arguments.accounts)
        return 0
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-") as name:
        folder = Path(name)
        (folder / "db").mkdir()
        server = MariaDB(str(folder / "db"), options=OPTIONS)
        worker = Process("worker", [sys.executable, "-m", "bench.stall", "--worker", name, "--accounts", str(arguments.accounts)],
                         folder / "worker.log", directory=ROOT)
        try:
            url = server.start().url("bench")
            engine = engines.create(url)
            migrations.upgrade(engine, ("AUTH_",))
            engine.dispose()
            worker.start()
            case = measure(folder, url, arguments.accounts, arguments.rounds)
        finally:
            worker.stop()
            server.kill()
    return report("stall", [case], arguments.json, accounts=arguments.accounts)


def measure(folder: Path, url: str, accounts: int, rounds: int) -> Case:
    delays = folder / "delays"
    wait_for(delays.exists, seconds=60, what="the worker to count")
    time.sleep(PERIOD + CYCLE)
    rows: list[int] = []
    worst: list[float] = []

    def flushed(spool: str) -> Callable[[], float]:
        def flush() -> float:
            began, shipped = time.monotonic(), ship(folder, url, spool)
            assert shipped >= accounts, f"{shipped} rows of {spool} were shipped"
            late = between(delays, began, time.monotonic())
            if spool == "spool":
                rows.append(shipped)
                worst.append(late[-1] * 1000)
            return exceeded(late)
        return flush

    def elsewhere() -> float:
        meter = Meter(spool=str(folder / "elsewhere"), server="elsewhere", period_seconds=PERIOD)
        for number in range(accounts):
            meter.count(f"AUTH_{number:032x}", "GET", 200, 0, 10)
        meter.close()
        return flushed("elsewhere")()

    def idle() -> float:
        began = time.monotonic()
        time.sleep(IDLE)
        return exceeded(between(delays, began, time.monotonic()))

    found = interleaved({"idle": idle, "flush": flushed("spool"), "elsewhere": elsewhere}, rounds)
    case = Case(f"delay of a greenlet, {accounts:,} accounts, p99.9", "ms", "idle", found)
    return Case(case.name, case.unit, case.base, found, (
        Target("flush above idle, ms", case.median("flush") - case.median("idle"), 2),
        Target("flush above elsewhere, ms", case.median("flush") - case.median("elsewhere"), 2)),
        {"rows that a flush ships": f"{min(rows):,} to {max(rows):,}",
         "longest delay in a flush, ms, median of the rounds": round(sorted(worst)[len(worst) // 2], 1)})


def ship(folder: Path, url: str, spool: str) -> int:
    """Flush a spool by a process of its own; return how many rows it shipped."""
    configuration = folder / f"{spool}.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(f"[DEFAULT]\ndatabase = {url}\nspool = {folder}/{spool}\nserver = {spool}\n"
                             f"period_seconds = {PERIOD}\n[flusher]\nflush = external\n")
    words = [sys.executable, "-m", "swiftstats", "--config", str(configuration), "flush", "--once"]
    # In a session of its own, as a worker starts it: Linux weighs sessions against each other.
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, start_new_session=True)
    say(f"{spool}: {done.stdout.strip()}")
    return int(done.stdout.split(" rows shipped")[0].split()[-1])


def between(delays: Path, begin: float, end: float) -> list[float]:
    """Return the delays of what was due from `begin` to `end`, the longest last (s)."""
    content = delays.read_bytes()
    whole = content[:len(content) // MOMENT.size * MOMENT.size]
    return sorted(late for due, late in MOMENT.iter_unpack(whole) if begin <= due < end)


def exceeded(late: list[float]) -> float:
    """Return what one delay in a thousand exceeds (ms)."""
    return late[len(late) * 999 // 1000] * 1000


def work(folder: Path, accounts: int) -> None:
    """Count, and note how late each moment comes, until a signal."""
    import eventlet

    eventlet.monkey_patch(all=False, socket=True, select=True, thread=True)  # as Swift does
    sleep = eventlet.sleep
    meter = Meter(spool=str(folder / "spool"), server="spool", period_seconds=PERIOD)

    def counting() -> Iterator[None]:
        each = round(accounts * TICK / CYCLE) + 1
        number = 0
        while True:
            for _ in range(each):
                meter.count(f"AUTH_{number:032x}", "GET", 200, 0, 10)
                number = (number + 1) % accounts
            yield

    count = counting()
    notes = os.open(folder / "delays", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    due = time.monotonic()
    while True:
        # Due by the clock, and not so long after the last: each moment that a stall takes away is late, and not the first alone.
        due += TICK
        sleep(max(0.0, due - time.monotonic()))
        os.write(notes, MOMENT.pack(due, time.monotonic() - due))
        next(count)


if __name__ == "__main__":
    sys.exit(main())
