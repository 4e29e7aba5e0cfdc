"""Run every benchmark, one after the other, and show what came of it in docs/performance.md: `make bench`.

    python -m bench [--quick] [NAME ...]

Figures go to docs/performance/NAME.json. Three quarters of an hour; `--quick` takes smaller stores, and is good for a first look
only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from bench import document
from bench.rounds import ROOT, say

#: Each benchmark and its arguments; and those of a first look.
BENCHES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "filter": ((), ("--rounds", "20")),
    "proxy": ((), ("--rounds", "15")),
    "memory": ((), ("--accounts", "100000")),
    "flush": (("--accounts", "100000", "1000000"), ("--accounts", "20000")),
    "stall": ((), ("--accounts", "20000", "--rounds", "3")),
    "sums": ((), ("--rows", "1000000", "--rounds", "3")),
    "detail": ((), ("--rows", "1000000", "--rounds", "3")),
    "billing": ((), ("--accounts", "50000", "--rounds", "3")),
    "pages": ((), ("--accounts", "20000", "--rounds", "5")),
    "space": ((), ("--accounts", "2000")),
    "heads": ((), ("--accounts", "100", "--rounds", "3")),
    "growth": ((), ("--most", "10000")),
    "gnocchi": ((), ("--accounts", "100", "--rounds", "1")),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all, where none is given")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    failed = []
    for name in arguments.names or BENCHES:
        say(f"--- {name}")
        words = [sys.executable, "-m", f"bench.{name}", "--json", str(document.FIGURES / f"{name}.json")]
        # A missed target is no failure; that nothing was measured is.
        written = document.FIGURES / f"{name}.json"
        before = written.stat().st_mtime_ns if written.exists() else 0
        subprocess.run([*words, *BENCHES[name][arguments.quick]], cwd=ROOT, check=False)
        if not written.exists() or written.stat().st_mtime_ns == before:
            failed.append(name)
    document.write()
    if failed:
        say(f"not measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
