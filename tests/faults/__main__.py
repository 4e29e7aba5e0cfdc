"""The long form, `make faults`: random faults, one after another, until the time is up; the seed is printed and replays them.

    python -m tests.faults [--seconds 3600] [--seed N] [--only NAME …] [--list]

Where a fault leaves Swift's access log whole, that has to agree too. At the end all archives are replayed, everything is compared
once more, and it says how long recoveries took and what was lost; it ends with status 1 at the first difference. Order and
choices are the seed's; the moments are the machine's.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback

from swiftstats.demo.site import make_folder
from tests.faults.site import running
from tests.faults.table import Fault, all_faults


def main() -> int:
    """Run; return 0 where nothing was lost or doubled."""
    faults = all_faults()
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", nargs="+", choices=sorted(faults), metavar="NAME")
    parser.add_argument("--pause", type=float, default=0.02, help="of each client between two requests (s)")
    parser.add_argument("--list", action="store_true", help="name the faults, and end")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(faults))
        return 0
    chance = random.Random(arguments.seed)
    chosen = [faults[name] for name in arguments.only or faults]
    print(f"SEED={arguments.seed} SECONDS={arguments.seconds:g}", flush=True)
    folder = make_folder()
    tempfile.tempdir = str(folder)  # the database's too
    number = 0
    try:
        with running(folder / "run", seed=arguments.seed, pause=arguments.pause) as harness:
            end = time.monotonic() + arguments.seconds
            while time.monotonic() < end:
                for fault in _shuffled(chosen, chance):
                    if time.monotonic() > end:
                        break
                    number += 1
                    print(f"{time.strftime('%H:%M:%S')} {number:4} {fault.name:28}", end=" ", flush=True)
                    began = time.time()
                    took = harness.run(fault, random.Random(f"{arguments.seed} {number}"))
                    print(f"right again after {took:5.1f} s", harness.costs.pop(fault.name, ""), end="", flush=True)
                    print(f"; {harness.verify(began)} lines agree" if fault.is_whole else "", flush=True)
            harness.finish()
    except Exception:
        print()
        traceback.print_exc()
        print(f"\nSEED={arguments.seed}, fault {number}; everything is left in {folder}", flush=True)
        return 1
    print(f"\n{number} faults, no difference; SEED={arguments.seed}\n")
    for name, took in sorted(harness.recoveries.items()):
        print(f"{name:28} {len(took):3} times, recovery {min(took):5.1f} to {max(took):5.1f} s")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _shuffled(faults: list[Fault], chance: random.Random) -> list[Fault]:
    return chance.sample(faults, len(faults))


if __name__ == "__main__":
    sys.exit(main())
