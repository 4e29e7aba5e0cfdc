"""How fast a year of `io_detail` is streamed, hour by hour, and whether the service's memory grows with it.

    python -m bench.detail [--rows N] [--rounds N] [--dir DIRECTORY | --keep FOLDER] [--json FILE]

A year of hours of an account on 1, 10 and 100 servers, in a private MariaDB. `cursor` is the plain SQL for the same hours,
summed over servers where there are several, through PyMySQL's cursor that streams, and only counts them: the floor. `store` is
what the service reads in a snapshot, made into the fields of an answer; `csv` and `json` are whole answers of a service in a
process of its own, over the loopback. Hours a second on the wall. The most memory that the application alone has had when it has
answered a year of the account on 100 servers as JSON stands next to the same of a month; of the service it is more, since
waitress holds up to 16 MiB of what a client has not taken yet.
"""

from __future__ import annotations

import http.client
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Callable, Optional
from urllib.parse import urlencode

import pymysql
from sqlalchemy import make_url

from bench import stores
from bench.billing import memory
from bench.rounds import Case, Target, interleaved, report
from bench.usage import peak
from swiftstats import periods
from swiftstats.fields import CELLS
from swiftstats.periods import DAY, HOUR
from swiftstats.query import io
from swiftstats.query.question import Question
from swiftstats.store import engine as engines
from tests.support.api_server import ApiServer
from tests.support.service import Client, make

HOURS = (stores.END - stores.BEGIN) // HOUR
SUMS = ", ".join(f"SUM({name})" for name in CELLS)


def main() -> int:
    arguments = stores.options(__doc__, rounds=7, rows=2_000_000).parse_args()
    made = stores.made(arguments.rows, directory=arguments.dir, keep=arguments.keep)
    with made as store, tempfile.TemporaryDirectory() as folder:
        configuration = f"[DEFAULT]\ndatabase = {store.url}\n[api]\nauth = none\nallow_anonymous = true\n"
        with ApiServer(Path(folder), configuration) as service:
            cases = measure(store, service, arguments.rounds)
    return report("detail", cases, arguments.json, rows=store.rows)


def measure(store: stores.Made, service: ApiServer, rounds: int) -> list[Case]:
    largest = stores.SPREAD[max(stores.SPREAD)]
    cases = []
    for servers, name in stores.SPREAD.items():
        peaks: list[int] = []
        ways: dict[str, Callable[[], Optional[int]]] = {
            "cursor": partial(cursor, store.url, name, servers), "store": partial(read, store, name),
            **{form: partial(pulled, service, form, name, stores.BEGIN) for form in ("csv", "json")}}
        found = interleaved({way: partial(rate, work, peaks) for way, work in ways.items()}, rounds)
        case = Case(f"io_detail of a year, {servers} server{'s' if servers > 1 else ''}", "hours/s", "cursor", found)
        targets = [Target(f"{way} to cursor", case.ratio(way), 0.5, most=False) for way in ways if way != "cursor"]
        if name == largest:
            year, month = (alone(store.url, name, begin) for begin in (stores.BEGIN, stores.MONTH))
            targets.append(Target("the application's memory, a year to a month", year / month, 1.1))
        cases.append(Case(case.name, case.unit, case.base, found, tuple(targets),
                          {"most of the service's memory, MiB": round(max(peaks) / 2**20)}))
    return cases


def cursor(url: str, account: bytes, servers: int) -> None:
    """Stream the hours of an account, and count."""
    of = make_url(url)
    plain = pymysql.connect(host=of.host, port=of.port, user="root", database=of.database)
    listed = ",".join(map(str, range(stores.BEGIN // DAY, stores.END // DAY)))
    cells, grouped = (SUMS, "GROUP BY period") if servers > 1 else (", ".join(CELLS), "")
    number = 0
    with plain, plain.cursor(pymysql.cursors.SSCursor) as reading:
        reading.execute(f"SELECT period, {cells} FROM io_hours WHERE day IN ({listed}) AND account_id ="
                        f" (SELECT id FROM accounts WHERE name = %s) {grouped} ORDER BY period", (account,))
        for _ in reading:
            number += 1
    assert number == HOURS, number


def read(store: stores.Made, account: bytes) -> None:
    """Read what the service reads, and count."""
    question = Question(asked=account.decode(), account=account, begin=stores.BEGIN, end=stores.END, period_seconds=HOUR)
    with engines.read(store.engine) as connection:
        number = sum(1 for _ in io.detail(connection, question, now=stores.END + 2 * HOUR).rows)
    assert number == HOURS, number


def pulled(service: ApiServer, form: str, account: bytes, begin: int) -> int:
    """Pull the hours from `begin` on over HTTP; return the most memory that the service had (bytes)."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=600)
    connection.request("GET", "/io_detail?" + urlencode(asked(form, account, begin)))
    response = connection.getresponse()
    assert response.status == 200, response.read()
    most, size = 0, 0
    while chunk := response.read1(1 << 16):
        most, size = max(most, memory(service.pid)), size + len(chunk)
    connection.close()
    assert size > (stores.END - begin) // HOUR * 20, f"{size} bytes of {form}"
    return most


def alone(url: str, account: bytes, begin: int) -> int:
    """Return the most memory that the application has, in a process of its own, when it has answered (bytes)."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(answered, url, account, begin).result()


def answered(url: str, account: bytes, begin: int) -> int:
    answer = Client(make(url, now=stores.END + 2 * HOUR)).get("/io_detail", asked("json", account, begin))
    assert answer.status_int == 200, answer.text
    for _ in answer.app_iter:
        pass
    answer.app_iter.close()
    return peak()


def asked(form: str, account: bytes, begin: int) -> dict[str, str]:
    """Return the parameters of a question."""
    return {"account_id": account.decode(), "begin_time": periods.format(begin), "end_time": periods.format(stores.END),
            "format": form}


def rate(work: Callable[[], Optional[int]], peaks: list[int]) -> float:
    """Return how many hours of the year a second go; what the service had of memory is added to `peaks`."""
    began = time.perf_counter()
    peaks.append(work() or 0)
    return HOURS / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
