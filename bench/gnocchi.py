"""What Gnocchi makes of the same accounts: how fast their figures go in, next to a flush, and come out, next to `io_sum`.

    python -m bench.gnocchi [--accounts N] [--rounds N] [--json FILE]

How it is set up, gnocchi_server.py says.

Going in, account rows a second on the wall, when all accounts and metrics are known. `flush` is what a sweep does with the rows
of a period. `accepted` is the eight figures that the 2012 answers have, as eight metrics an account, POSTed by four clients to
`/v1/batch/metrics/measures`, a thousand measures a request, until the last is answered 202; `processed` ends when
`/v1/status` has nothing left, so that the hour can be asked for. Both are of the same POSTs. The second table is of the same
work, in seconds of the processor: of what works on it and of its database server, without the four clients. It is the one to
compare by where a machine is busy with other things: a flush fits into a moment, a minute of metricd does not.

Coming out, milliseconds a question, of one account with a row in each hour of a year, one server. `sum` is what the service asks
of the store; `answer` is a GET of `io_sum` from `swiftstats api`; `Gnocchi` is one POST to `/v1/aggregates` that has the eight
metrics' hours added up, of a month to 30 days, of a year to 366; `Gnocchi, one metric` is a GET of one of the eight, added up to
days. Metricd does not run then. Each question over HTTP is on a connection of its own, for either.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlencode

from bench import stores
from bench.detail import asked
from bench.flush import Site, rate
from bench.gnocchi_server import METRICS, Gnocchi, Measures, install
from bench.rounds import Case, interleaved, parser, report, say
from bench.sums import each, total
from swiftstats import migrations
from swiftstats.demo.processes import DemoError
from swiftstats.fields import CELL_INDEX, CELLS
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from tests.support.api_server import ApiServer
from tests.support.mariadb import MariaDB

#: Flushes and questions of a round, of which the median counts: Gnocchi's POSTs take seconds, and are one.
EACH = 10
#: Seconds that `aggregates` adds up to one figure, for a question from there on.
SPANS = {stores.MONTH: 30 * DAY, stores.BEGIN: 366 * DAY}


def main() -> int:
    options = parser(__doc__, rounds=3)
    options.add_argument("--accounts", type=int, default=1000)
    arguments = options.parse_args()
    # Told to end, it stops what it has started: Gnocchi's processes are in sessions of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(MariaDB(name, options=stores.OPTIONS))
        gnocchi = None
        try:
            install()
            gnocchi = stack.enter_context(Gnocchi(folder, server.url("gnocchi")))
            about = gnocchi.about
        except DemoError as error:
            about = f"left out: {str(error).splitlines()[0]}"
            say(f"Gnocchi is {about}")
        cases = [*written(folder, server, gnocchi, arguments.accounts, arguments.rounds),
                 *summed(folder, server, gnocchi, arguments.rounds)]
    cases = [replace(case, notes={**case.notes, "Gnocchi": about}) for case in cases]
    return report("gnocchi", cases, arguments.json, accounts=arguments.accounts)


def written(folder: Path, server: MariaDB, gnocchi: Gnocchi | None, accounts: int, rounds: int) -> list[Case]:
    """Measure rows into our databases and into Gnocchi."""
    sites = {name: Site(url, accounts) for name, url in (
        ("flush, MariaDB", server.url("bench")), ("flush, SQLite", f"sqlite:///{folder}/bench.db"))}
    used: dict[str, list[float]] = {}
    database = [server.pid or 0]
    ways: dict[str, Callable[[], float]] = {name: partial(flushed, site, accounts) for name, site in sites.items()}
    accepted: list[float] = []
    took = 0.0
    if gnocchi is not None:
        site = sites["flush, MariaDB"]
        began = time.monotonic()
        metrics = gnocchi.create(row.name.decode() for row in site.rows)
        took = time.monotonic() - began
        ways["Gnocchi, processed"] = lambda: posted(gnocchi, site, metrics, accepted)

    def counted(name: str, work: Callable[[], float]) -> float:
        """Do the work; note its rows a second of the processor."""
        times, pids = (1, [*database, *gnocchi.pids]) if gnocchi and name not in sites else (EACH, [*database, os.getpid()])
        before = busy(pids)
        result = work()
        used.setdefault(name, []).append(accounts * times / max(busy(pids) - before, 0.01))
        return result

    found = interleaved({name: partial(counted, name, work) for name, work in ways.items()}, rounds)
    of_processor = Case(f"{accounts:,} accounts, the same, by the processor", "rows/s", "flush, MariaDB",
                        {name: rates[-rounds:] for name, rates in used.items()})
    for each_of in sites.values():
        each_of.engine.dispose()
    case = Case(f"{accounts:,} accounts, a row or {len(METRICS)} measures each", "rows/s", "flush, MariaDB", found)
    if gnocchi is None:
        return [case, of_processor]
    case = replace(case, rounds={**found, "Gnocchi, accepted": accepted[-rounds:]})
    return [replace(case, notes={**{f"{name} to Gnocchi, {what}": f"{case.ratio(name, f'Gnocchi, {what}'):,.0f}"
                                    for name in sites for what in ("accepted", "processed")},
                                 "seconds before that, to make the accounts and metrics in Gnocchi": round(took)}),
            replace(of_processor, notes={f"{name} to Gnocchi": f"{of_processor.ratio(name, 'Gnocchi, processed'):,.0f}"
                                         for name in sites})]


def busy(pids: Iterable[int]) -> float:
    """Return the seconds of the processor that processes have had."""
    ticks = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids)
    return sum(int(user) + int(system) for user, system in ticks) / os.sysconf("SC_CLK_TCK")


def flushed(site: Site, accounts: int) -> float:
    """Return the rate of a flush."""
    return 1000 * accounts / each(lambda: site.flush(site.next_period()), EACH)


def posted(gnocchi: Gnocchi, site: Site, metrics: Sequence[Mapping[str, str]], accepted: list[float]) -> float:
    """Return the rate until all is processed; that until it is accepted is added to `accepted`."""
    period = site.next_period()
    measures: Measures = {}
    for ids, row in zip(metrics, site.rows):
        measures.update(of(ids, [(period, row.cells)]))

    def process() -> None:
        accepted.append(rate(len(metrics), lambda: gnocchi.post(measures)))
        gnocchi.process()

    found = rate(len(metrics), process)
    last, put = site.rows[-1], CELL_INDEX["put_count"]
    kept = gnocchi.ask("GET", f"/v1/metric/{metrics[-1]['PUT']}/measures?aggregation=sum&start={period}")
    assert [value for _, _, value in kept] == [last.cells[put]], kept
    return found


def of(ids: Mapping[str, str], hours: Sequence[tuple[int, Sequence[int]]]) -> Measures:
    """Return the measures of an account's hours."""
    return {ids[name]: [{"timestamp": period, "value": cells[plus] - (0 if minus is None else cells[minus])}
                        for period, cells in hours] for name, plus, minus in METRICS}


def summed(folder: Path, server: MariaDB, gnocchi: Gnocchi | None, rounds: int) -> list[Case]:
    """Measure the sums of one account, by us and by Gnocchi."""
    url = server.url("year")
    engine = engines.create(url)
    migrations.upgrade(engine, ("AUTH_",))
    store = stores.fill(engine, url, 0)
    name = stores.SPREAD[1]
    ids: dict[str, str] = {}
    if gnocchi is not None:
        [ids] = gnocchi.create([name.decode()])
        with engines.read(engine) as connection:
            rows = connection.exec_driver_sql(
                f"SELECT h.period, {', '.join('h.' + cell for cell in CELLS)} FROM io_hours h JOIN accounts a"
                f" ON a.id = h.account_id WHERE a.name = '{name.decode()}' ORDER BY h.period").all()
        gnocchi.post(of(ids, [(row[0], row[1:]) for row in rows]))
        gnocchi.process()
        gnocchi.metricd.stop()
    cases = []
    configuration = f"[DEFAULT]\ndatabase = {url}\n[api]\nauth = none\nallow_anonymous = true\n"
    with ApiServer(folder, configuration) as service:
        for what, begin in (("a month", stores.MONTH), ("a year", stores.BEGIN)):
            ways: dict[str, Callable[[], int]] = {
                "sum": partial(total, store, name, begin), "answer": partial(answer, service, name, begin)}
            if gnocchi is not None:
                ways["Gnocchi"] = partial(aggregates, gnocchi, ids, begin)
                ways["Gnocchi, one metric"] = partial(one_metric, gnocchi, ids["PUT"], begin)
            assert len({ask() for ask in ways.values()}) == 1, "the ways give different sums"
            found = interleaved({way: partial(each, ask, EACH) for way, ask in ways.items()}, rounds)
            cases.append(Case(f"io_sum of {what}", "ms", "answer", found))
    engine.dispose()
    return cases


def answer(service: ApiServer, account: bytes, begin: int) -> int:
    """Return the PUTs of an account from `begin` on, out of an answer over HTTP."""
    found = service.get("/io_sum", asked("json", account, begin))
    assert found.status == 200, found.body
    return int(found.body.decode().rsplit('"PUT": ', 1)[1].split(",")[0].rstrip("}]\n"))


def aggregates(gnocchi: Gnocchi, ids: Mapping[str, str], begin: int) -> int:
    """Return the same out of Gnocchi's sums of all metrics of the account."""
    operations = ["resample", "sum", SPANS[begin], ["metric", *([metric, "sum"] for metric in ids.values())]]
    found = gnocchi.ask("POST", "/v1/aggregates?" + urlencode({"start": begin, "stop": stores.END, "granularity": HOUR}),
                        {"operations": operations})
    # The spans begin where they do since 1970: a range may lie in two.
    return round(sum(value for _, _, value in found["measures"][ids["PUT"]]["sum"]))


def one_metric(gnocchi: Gnocchi, metric: str, begin: int) -> int:
    """Return the same, asked for alone."""
    found = gnocchi.ask("GET", f"/v1/metric/{metric}/measures?" + urlencode({
        "aggregation": "sum", "granularity": HOUR, "resample": DAY, "start": begin, "stop": stores.END}))
    return round(sum(value for _, _, value in found))


if __name__ == "__main__":
    sys.exit(main())
