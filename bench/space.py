"""How fast account databases are crawled, next to a bare loop that only opens and queries them with the same library.

    python bench/space.py [--accounts N] [--rounds N] [--dir DIRECTORY] [--json FILE]

In one run and one process, device by device in turn, so that what else the machine does slows both alike: `bare` opens each
database of a list read-only, by the same library, asks it for the account's row and for the policies' rows, and closes it;
`crawl` is all that `swiftstats space --once` does, with its defaults: it walks the device, reads, and writes reports and readings
into an SQLite file. A round is all of the devices; the ratio is the median of the rounds', by the clock on the wall; by the
processor's time it is that of the medians. The peak of memory is taken after a hundredth of the accounts and at the end. Written
as JSON, to a file or to standard output; what happens meanwhile goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from swiftstats import migrations  # noqa: E402
from swiftstats.collect.account_databases import AccountDatabases  # noqa: E402
from swiftstats.collect.account_ring import AccountRing, policy_names  # noqa: E402
from swiftstats.collect.space import Crawl, Outcome  # noqa: E402
from swiftstats.store import engine as engines  # noqa: E402
from tests.support.account_devices import make_accounts, make_ring  # noqa: E402

TARGET = 0.7
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="where databases are made (default: a temporary directory)")
    parser.add_argument("--json", type=Path, help="write the result there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-", dir=arguments.dir) as name:
        result = measure(Path(name), arguments.accounts, arguments.rounds)
    text = json.dumps(result, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    print(text)
    return 0 if result["ratio"] >= TARGET else 1


def measure(folder: Path, accounts: int, rounds: int) -> dict[str, Any]:
    make_ring(folder / "etc", ["sda"])
    say(f"making {accounts} account databases in {folder}")
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
    wall = {name: accounts / statistics.median(each.wall for each in found) for name, found in timed.items()}
    processor = {name: accounts / statistics.median(each.processor for each in found) for name, found in timed.items()}
    ratios = [a.wall / b.wall for a, b in zip(timed["bare"], timed["crawl"])]
    return {
        "bench": "space", "accounts": accounts, "rounds": rounds, "ratio": round(statistics.median(ratios), 3),
        "ratio_of_processor_time": round(processor["crawl"] / processor["bare"], 3), "target": TARGET,
        "accounts_per_second": {name: round(rate) for name, rate in wall.items()},
        "accounts_per_second_of_processor": {name: round(rate) for name, rate in processor.items()},
        "ratios": [round(ratio, 3) for ratio in ratios],
        "peak_memory_bytes": {"after_a_hundredth": memory.early, "at_the_end": peak()},
        "python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "processors": os.cpu_count(),
    }


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
