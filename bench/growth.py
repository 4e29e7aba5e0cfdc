"""How costs grow: a flush with the accounts, a sum with the months and servers; a plot of each in docs/performance.

    python -m bench.growth [--rounds N] [--most ACCOUNTS] [--json FILE]

On SQLite, in a temporary folder, by the process's own time: what grows here grows in the code. A flush is of 1,000 accounts to
`--most`, by tens. A sum is of 1 month to 36, of an account on 1, 10 and 100 servers that counts an hour a day, rolled up. Plots
need matplotlib.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Mapping, Sequence

from bench.flush import Site
from bench.rounds import Case, Target, interleaved, parser, report, say
from bench.stores import SPREAD, register
from swiftstats import migrations, periods
from swiftstats.fields import CELLS
from swiftstats.flush.rollup import roll_up
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import marks, upsert
from swiftstats.store.schema import io_hours
from tests.support import by_name

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "performance"
BEGIN = 1_664_582_400  #: 2022-10-01
MONTHS = (1, 3, 12, 36)


def main() -> int:
    options = parser(__doc__, rounds=5)
    options.add_argument("--most", type=int, default=1_000_000)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-") as folder:
        cases = [flushes(Path(folder), arguments.most, arguments.rounds), sums(Path(folder), arguments.rounds)]
    plot("flush", "accounts of a flush", "seconds of the processor", {"SQLite": [(int(name), 1 / statistics.median(each))
                                                               for name, each in cases[0].notes["flushes a second"].items()]})
    plot("sums", "months of a sum", "milliseconds of the processor", {f"{servers} servers": [
        (months, cases[1].median(_name(months, servers))) for months in MONTHS] for servers in SPREAD})
    cases[0].notes.clear()  # type: ignore[attr-defined]
    return report("growth", cases, arguments.json)


def flushes(folder: Path, most: int, rounds: int) -> Case:
    """Return how many rows a second go, by the number of accounts."""
    sizes = [size for size in (10**3, 10**4, 10**5, 10**6) if size <= most]
    sites = {str(size): Site(f"sqlite:///{folder}/{size}.db", size) for size in sizes}
    found = interleaved({name: lambda site=site, size=int(name): flushed(site, size)
                         for name, site in sites.items()}, rounds)
    for site in sites.values():
        site.engine.dispose()
    least, largest = str(sizes[0]), str(sizes[-1])
    case = Case("rows of a flush, by accounts", "rows/s", least, found)
    return Case(case.name, case.unit, least, found, (
        Target(f"time a row, {largest} accounts to {least}", 1 / case.ratio(largest), 1.2),),
        {"flushes a second": {name: [each / int(name) for each in of] for name, of in found.items()}})


def flushed(site: Site, accounts: int) -> float:
    """Return the rows that a second of the process's time takes."""
    began = time.process_time()
    site.flush(site.next_period())
    return accounts / (time.process_time() - began)


def sums(folder: Path, rounds: int) -> Case:
    """Return how many milliseconds a sum takes, by months and servers."""
    engine = engines.create(f"sqlite:///{folder}/sums.db")
    migrations.upgrade(engine, ("AUTH_",))
    register(engine, max(SPREAD))
    ends = [BEGIN // DAY]
    for _ in range(max(MONTHS)):
        ends.append(periods.next_month(ends[-1]))
    with engines.write(engine) as connection:
        ids = upsert.add_accounts(connection, list(SPREAD.values()), BEGIN)
        for day in range(ends[0], ends[-1]):
            rows = sorted((day, ids[name], day * DAY, writer, *([1] * len(CELLS)))
                          for servers, name in SPREAD.items() for writer in range(1, servers + 1))
            upsert.maximum(connection, io_hours, rows, CELLS)
            marks.mark(connection, marks.IO, day, 1)
    for _ in roll_up(engine, holder="bench", period_seconds=HOUR):
        pass
    say("summing")

    def asked(months: int, servers: int) -> float:
        began = time.process_time()
        for _ in range(20):
            with engines.read(engine) as connection:
                by_name.total(connection, SPREAD[servers], BEGIN, ends[months] * DAY)
        return (time.process_time() - began) / 20 * 1000

    ways = {_name(months, servers): lambda m=months, s=servers: asked(m, s) for servers in SPREAD for months in MONTHS}
    found = interleaved(ways, rounds)
    engine.dispose()
    least, most = _name(min(MONTHS), min(SPREAD)), _name(max(MONTHS), max(SPREAD))
    case = Case("io_sum in the store, by months and servers", "ms", least, found)
    return Case(case.name, case.unit, least, found, (Target(f"{most} to {least}", case.ratio(most), 2),))


def _name(months: int, servers: int) -> str:
    return f"{months} months, {servers} servers"


def plot(name: str, x: str, y: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw lines into docs/performance/growth-NAME.svg and .png."""
    try:
        import matplotlib
    except ImportError:
        say("matplotlib is not installed (`make bench` does it): no plots")
        return
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "swiftstats"
    from matplotlib import pyplot

    figure: Any
    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    for label, points in lines.items():
        axes.plot(*zip(*points), marker="o", label=label)
    axes.set(xlabel=x, ylabel=y, xscale="log", ylim=(0, None)) if name == "sums" else axes.set(
        xlabel=x, ylabel=y, xscale="log", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    for ending in ("svg", "png"):
        figure.savefig(FOLDER / f"growth-{name}.{ending}", dpi=120, metadata={"Date": None} if ending == "svg" else None)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
