"""How costs grow: with the accounts, and with the months and servers; a plot of each in docs/performance.

    python -m bench.growth [--rounds N] [--most ACCOUNTS] [--json FILE]

On SQLite, in a temporary folder, by the process's own time: what grows here grows in the code. With 1,000 accounts to `--most`,
by tens: a request in a worker that has counted all of them, and comes from any; a row of their flush; the sum of one of them; a
page of a hundred; a line of the month of all. With 1 month to 36: the sum of an account on 1, 10 and 100 servers that counts an
hour a day. What is asked is rolled up. Plots need matplotlib.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from bench.flush import BEGIN as OCTOBER
from bench.flush import Site
from bench.rounds import Case, Target, interleaved, parser, report, say
from bench.stores import SPREAD, register
from swiftstats import migrations, periods
from swiftstats.fields import CELL_INDEX, CELLS
from swiftstats.flush.rollup import roll_up
from swiftstats.journal.counters import Counters
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import marks, upsert
from swiftstats.store.schema import io_hours
from tests.support import by_name
from tests.support.service import Client, make

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "performance"
BEGIN = 1_664_582_400  #: 2022-10-01
MONTHS = (1, 3, 12, 36)
NOVEMBER = OCTOBER + 31 * DAY
#: Requests, sums and pages of a round.
REQUESTS, SUMS, PAGES = 20_000, 20, 5
GET = CELL_INDEX["get_count"]


def main() -> int:
    options = parser(__doc__, rounds=5)
    options.add_argument("--most", type=int, default=1_000_000)
    arguments = options.parse_args()
    sizes = [size for size in (10**3, 10**4, 10**5, 10**6) if size <= arguments.most]
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-") as folder:
        cases = [*by_accounts(Path(folder), sizes, arguments.rounds), sums(Path(folder), arguments.rounds)]
    plot("accounts", "accounts", f"times the cost with {sizes[0]:,}", {case.name.partition(",")[0]: [
        (size, case.ratio(str(size))) for size in sizes] for case in cases[:-1]})
    plot("sums", "months of a sum", "milliseconds of the processor", {_servers(servers): [
        (months, cases[-1].median(_name(months, servers))) for months in MONTHS] for servers in SPREAD})
    return report("growth", cases, arguments.json)


def by_accounts(folder: Path, sizes: Sequence[int], rounds: int) -> list[Case]:
    """Return what each thing costs, by the number of accounts."""
    say("counting")
    workers = {size: Worker(folder / f"spool-{size}", size) for size in sizes}
    cases = [_case("a request in a worker", "ns", sizes, lambda size: workers[size].requests(), rounds)]
    for worker in workers.values():
        worker.counters.close()
    say("flushing")
    sites = {size: Site(f"sqlite:///{folder}/{size}.db", size) for size in sizes}
    cases.append(_case("a row of a flush", "ns", sizes, lambda size: flushed(sites[size], size), rounds, 1.2))
    say("rolling up")
    for site in sites.values():
        for _ in roll_up(site.engine, holder="bench", period_seconds=HOUR):
            pass
    say("asking")
    clients = {size: Client(make(f"sqlite:///{folder}/{size}.db", now=NOVEMBER + HOUR)) for size in sizes}
    cases.append(_case("io_sum of an account", "ms", sizes, lambda size: summed(sites[size], size), rounds, 2))
    cases.append(_case("a page of 100 accounts", "ms", sizes, lambda size: page(clients[size], size), rounds, 2))
    cases.append(_case("a line of the month of all", "ns", sizes, lambda size: lines(clients[size], size), rounds, 1.2))
    for site in sites.values():
        site.engine.dispose()
    return cases


def _case(name: str, unit: str, sizes: Sequence[int], cost: Callable[[int], float], rounds: int, most: float = 0) -> Case:
    """most: what the last size's cost may be to the first's, where there is such a target."""
    ways = {str(size): lambda size=size: cost(size) for size in sizes}
    case = Case(f"{name}, by accounts", unit, str(sizes[0]), interleaved(ways, rounds))
    target = Target(f"{sizes[-1]:,} accounts to {sizes[0]:,}", case.ratio(str(sizes[-1])), most)
    return Case(case.name, case.unit, case.base, case.rounds, (target,) if most else ())


class Worker:
    """A worker that has counted a request of each account."""

    def __init__(self, spool: Path, accounts: int) -> None:
        self.counters = Counters(str(spool), server="bench", period_seconds=HOUR)
        for number in range(accounts):
            self.counters.add(f"AUTH_{number:032x}", (GET, 1), True)
        # Texts of their own, as each request's is: one that was kept since would have to come from afar, too.
        self._some = [f"AUTH_{number:032x}" for number in random.Random(1).choices(range(accounts), k=REQUESTS)]

    def requests(self) -> float:
        """Count requests of accounts at random; return the nanoseconds of each."""
        began = time.process_time()
        for name in self._some:
            self.counters.add(name, (GET, 1), True)
        return (time.process_time() - began) / REQUESTS * 1e9


def flushed(site: Site, accounts: int) -> float:
    """Flush a period; return the nanoseconds of a row."""
    began = time.process_time()
    site.flush(site.next_period())
    return (time.process_time() - began) / accounts * 1e9


def summed(site: Site, accounts: int) -> float:
    """Return the milliseconds of the sum of one account's month."""
    name = site.rows[accounts // 2].name
    began = time.process_time()
    for _ in range(SUMS):
        with engines.read(site.engine) as connection:
            assert any(by_name.total(connection, name, OCTOBER, NOVEMBER))
    return (time.process_time() - began) / SUMS * 1000


def page(client: Client, accounts: int) -> float:
    """Return the milliseconds of a page of accounts, from the middle of them."""
    began = time.process_time()
    for _ in range(PAGES):
        answer = client.get("/usage", {"begin": "2026-10", "marker": f"AUTH_{accounts // 2:032x}", "limit": "100"},
                            headers={"Accept": "text/html"})
        assert answer.status_int == 200 and f"AUTH_{accounts // 2 + 1:032x}" in answer.text, answer.text
    return (time.process_time() - began) / PAGES * 1000


def lines(client: Client, accounts: int) -> float:
    """Return the nanoseconds of a line of CSV of a month of all accounts."""
    began = time.process_time()
    answer = client.get("/usage", {"begin": "2026-10", "format": "csv"})
    assert answer.status_int == 200 and sum(chunk.count(b"\n") for chunk in answer.app_iter) == accounts + 1
    return (time.process_time() - began) / accounts * 1e9


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
    return f"{months} month{'s' if months > 1 else ''}, {_servers(servers)}"


def _servers(number: int) -> str:
    return f"{number} server{'s' if number > 1 else ''}"


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
    axes.set(xlabel=x, ylabel=y, xscale="log", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    for ending in ("svg", "png"):
        figure.savefig(FOLDER / f"growth-{name}.{ending}", dpi=120, metadata={"Date": None} if ending == "svg" else None)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
