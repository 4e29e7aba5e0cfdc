"""How fast account databases are crawled, next to a bare loop that only opens and queries them with the same library.

    python -m bench.space [--accounts N] [--rounds N] [--dir DIRECTORY] [--json FILE]

In one process, device by device in turn, so that what else the machine does slows both alike: `bare` opens each database of a
list read-only, by the same library, asks it for the account's row and for the policies' rows, and closes it; `crawl` is all that
`swiftstats space --once` does, with its defaults: it walks the device, reads, and writes reports and readings into an SQLite
file. A round is all of the devices. Accounts a second, on the wall and of the processor. The peak of memory is taken after a
hundredth of the accounts and at the end.
"""

from __future__ import annotations

import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.rounds import Case, Target, parser, report, say
from swiftstats import migrations
from swiftstats.collect.account_databases import AccountDatabases
from swiftstats.collect.account_ring import AccountRing, policy_names
from swiftstats.collect.space import Crawl, Outcome
from swiftstats.store import engine as engines
from tests.support.account_devices import make_accounts, make_ring

#: The accounts are shared out among so many devices.
DEVICES = 20


class Timed:
    """Seconds on the wall and of the processor that a block takes, added to those before."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.processor += time.process_time() - self._began[1]


def bare(paths: list[str]) -> None:
    """Open and query, and nothing else."""
    for path in paths:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        connection.execute("SELECT account, status, put_timestamp, delete_timestamp, container_count, object_count, bytes_used"
                           " FROM account_stat").fetchone()
        connection.execute("SELECT storage_policy_index, container_count, object_count, bytes_used FROM policy_stat").fetchall()
        connection.close()


class Memory:
    """The peak of memory (bytes) when a hundredth of the accounts was seen, and at the end."""

    def __init__(self, accounts: int) -> None:
        self._early = max(accounts // 100, 1_000)
        self._seen, self.early = 0, 0

    def __call__(self, outcome: Outcome) -> None:
        self._seen += 50
        if not self.early and self._seen >= self._early:
            self.early = peak()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def crawl(folder: Path, node: Path, engine: Any, period: int, memory: Memory) -> None:
    """Crawl the device of a node; each round is of another period, as hours are."""
    method = AccountDatabases(devices=str(node), server="bench", ring=AccountRing(str(folder / "etc")),
                              policies=policy_names(str(folder / "etc")), mount_check=False, clock=lambda: period)
    outcome = Crawl(engine, method, server="bench", period_seconds=3600, concurrency=1, progress=memory).run()
    assert outcome.complete and not outcome.failed, outcome


def main() -> int:
    options = parser(__doc__, rounds=5)
    options.add_argument("--accounts", type=int, default=100_000)
    options.add_argument("--dir", type=Path, help="where databases are made (default: a temporary directory)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-", dir=arguments.dir) as name:
        cases = measure(Path(name), arguments.accounts, arguments.rounds)
    return report("space", cases, arguments.json, accounts=arguments.accounts)


def measure(folder: Path, accounts: int, rounds: int) -> list[Case]:
    make_ring(folder / "etc", ["sda"])
    say(f"making {accounts:,} account databases in {folder}")
    each = accounts // DEVICES
    nodes = [folder / f"node-{number}" for number in range(DEVICES)]
    for number, node in enumerate(nodes):
        make_accounts(node / "sda", each, first=number * each)
    paths = [[str(path) for path in node.rglob("*.db")] for node in nodes]
    assert sum(map(len, paths)) == each * DEVICES
    engine = engines.create(f"sqlite:///{folder}/usage.db")
    migrations.upgrade(engine, ("AUTH_",))
    memory = Memory(accounts)
    timed: dict[str, list[Timed]] = {"bare": [], "crawl": []}
    for number in range(rounds + 1):
        of_bare, of_crawl = Timed(), Timed()
        for node, of_node in zip(nodes, paths):
            with of_bare:
                bare(of_node)
            with of_crawl:
                crawl(folder, node, engine, 3600 * (number + 1), memory)
        say(f"bare {accounts / of_bare.wall:,.0f}/s  crawl {accounts / of_crawl.wall:,.0f}/s{'' if number else ' (warming up)'}")
        if number:  # the first round fills the kernel's cache, and the store's dictionary of accounts
            timed["bare"].append(of_bare)
            timed["crawl"].append(of_crawl)
    engine.dispose()
    wall, processor = ({name: [accounts / getattr(one, clock) for one in found] for name, found in timed.items()}
                       for clock in ("wall", "processor"))
    name = f"a walk of {accounts:,} account databases"
    case = Case(name, "accounts/s", "bare", wall)
    return [
        Case(name, case.unit, case.base, wall, (Target("crawl to bare", case.ratio("crawl"), 0.7, most=False),),
             {"peak of memory after a hundredth, and at the end, MiB": f"{memory.early / 2**20:.0f}, {peak() / 2**20:.0f}"}),
        Case(name + ", processor", "accounts/s", "bare", processor),
    ]


if __name__ == "__main__":
    sys.exit(main())
