"""What an account costs while a worker counts it: memory of the process, and bytes of its segment, at very many accounts.

    python -m bench.memory [--accounts N] [--json FILE]

Each way counts one GET of each account in a process of its own: `journal` in a segment, `dict` in a dict of lists, the simplest
thing that could keep the same 14 counters, in no file. Bytes an account, beyond what the process had before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable

from bench.rounds import ROOT, Case, Target, interleaved, parser, report
from swiftstats.fields import CELL_COUNT, CELL_INDEX
from swiftstats.journal.counters import Counters

GET = CELL_INDEX["get_count"]


def main() -> int:
    options = parser(__doc__, rounds=3)
    options.add_argument("--accounts", type=int, default=1_000_000)
    options.add_argument("--way", choices=("journal", "dict"), help="measure just this one here; for its own process")
    arguments = options.parse_args()
    if arguments.way:
        print(*{"journal": journal, "dict": plain}[arguments.way](arguments.accounts))
        return 0
    disk: list[float] = []

    def apart(way: str) -> Callable[[], float]:
        def measured() -> float:
            words = [sys.executable, "-m", "bench.memory", "--way", way, "--accounts", str(arguments.accounts)]
            done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
            memory, file = map(float, done.stdout.split())
            disk.extend([file] if file else [])
            return memory
        return measured

    found = interleaved({"journal": apart("journal"), "dict": apart("dict")}, arguments.rounds, warm=0)
    case = Case(f"{arguments.accounts:,} accounts", "B an account", "dict", found)
    return report("memory", [Case(case.name, case.unit, case.base, found, (
        Target("memory, B an account", case.median("journal"), 350), Target("segment, B an account", max(disk), 192)))],
        arguments.json)


def journal(accounts: int) -> tuple[float, float]:
    """Return bytes of memory and of segments, an account. Pages of the segment that were written are in the memory."""
    with tempfile.TemporaryDirectory() as folder:
        counters = Counters(folder + "/spool", server="bench", period_seconds=3600)
        before = resident()
        for number in range(accounts):
            counters.add(f"AUTH_{number:032x}", (GET, 1), True)
        memory = resident() - before
        file = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())
        counters.close()
    return memory / accounts, file / accounts


def plain(accounts: int) -> tuple[float, float]:
    """Return the same of a dict of lists, whose numbers beyond the small ones Python keeps are objects of their own."""
    before = resident()
    rows = {f"AUTH_{number:032x}": [number + 1000 if cell == GET else 0 for cell in range(CELL_COUNT)]
            for number in range(accounts)}
    assert rows
    return (resident() - before) / accounts, 0.0


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
