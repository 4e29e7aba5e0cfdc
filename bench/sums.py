"""How long `io_sum` takes in a store of very many rows, from one server to a hundred, a month and a year.

    python -m bench.sums [--rows N] [--rounds N] [--dir DIRECTORY | --keep FOLDER] [--json FILE]

`sum` is what the service asks of the store, in a snapshot of its own; `rollups` is the plain SQL for the same months through
PyMySQL, the floor; `hours` is the plain SQL over the hours of that account, day by day a seek of the key. `answer` is a whole GET
of `io_sum`, through the application in this process; its own time is the process's, not the database's. Milliseconds a question,
the median of some of them a round. `--rows` are generated in a private MariaDB: 10 million take about three minutes.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any, Callable

import pymysql
from sqlalchemy import make_url

from bench import stores
from bench.rounds import Case, Target, interleaved, report
from swiftstats import periods
from swiftstats.fields import CELLS
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from tests.support import by_name
from tests.support.service import make

#: Questions of a round.
EACH = 40
SUMS = ", ".join(f"SUM({name})" for name in CELLS)


def main() -> int:
    arguments = stores.options(__doc__, rounds=9, rows=10_000_000).parse_args()
    with stores.made(arguments.rows, directory=arguments.dir, keep=arguments.keep) as store:
        cases = measure(store, arguments.rounds)
        return report("sums", cases, arguments.json, rows=store.rows, accounts=store.accounts)


def measure(store: stores.Made, rounds: int) -> list[Case]:
    cases = []
    app = make(store.url, now=stores.END + 2 * HOUR)
    url = make_url(store.url)
    plain = pymysql.connect(host=url.host, port=url.port, user="root", database=url.database)
    for servers, name in stores.SPREAD.items():
        for what, begin in (("a month", stores.MONTH), ("a year", stores.BEGIN)):
            ways = {"sum": lambda b=begin, n=name: total(store, n, b), "rollups": lambda b=begin, n=name: months(plain, n, b),
                    "answer": lambda b=begin, n=name: answer(app, n, b)}
            assert len({way() for way in ways.values()} | {hours(plain, name, begin)}) == 1, "the ways give different sums"
            timed = {way: lambda ask=ask: each(ask, EACH) for way, ask in ways.items()}
            timed["hours"] = lambda b=begin, n=name: each(lambda: hours(plain, n, b), 1)
            found = interleaved(timed, rounds)
            case = Case(f"io_sum of {what}, {servers} server{'s' if servers > 1 else ''}", "ms", "rollups", found)
            own = [time_of(lambda b=begin, n=name: answer(app, n, b)) for _ in range(5)]
            over = [one - other for one, other in zip(found["answer"], found["sum"])]
            cases.append(Case(case.name, "ms", "rollups", found, (
                Target("in the store, ms", case.median("sum"), 1.5),
                *([Target("hours to sum", case.ratio("hours", "sum"), 20, most=False)]
                  if (servers, begin) == (100, stores.BEGIN) else []),
                Target("HTTP above the store, ms", statistics.median(over), 1.5),
                Target("answers a second of this process's time", 1000 / statistics.median(own), 800, most=False))))
    plain.close()
    return cases


def each(ask: Callable[[], Any], times: int) -> float:
    """Return the median of the milliseconds that a question takes."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def time_of(ask: Callable[[], Any]) -> float:
    """Return the milliseconds of this process's own time that a question takes."""
    began = time.process_time()
    for _ in range(EACH):
        ask()
    return (time.process_time() - began) / EACH * 1000


def total(store: stores.Made, account: bytes, begin: int) -> int:
    """Return the PUTs of an account from `begin` on, as the service asks."""
    with engines.read(store.engine) as connection:
        return by_name.total(connection, account, begin, stores.END)[CELLS.index("put_count")]


def answer(app: Any, account: bytes, begin: int) -> int:
    """Return the same out of an answer over HTTP."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/io_sum", "SCRIPT_NAME": "", "SERVER_NAME": "localhost",
               "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
               "wsgi.input": None, "wsgi.errors": sys.stderr,
               "HTTP_X_ACCOUNT_ID": account.decode(), "HTTP_X_BEGIN_TIME": periods.format(begin),
               "HTTP_X_END_TIME": periods.format(stores.END)}
    status: list[str] = []
    body = app(environ, lambda line, headers, exc_info=None: status.append(line))
    text = b"".join(body).decode()
    if hasattr(body, "close"):
        body.close()
    assert status[0].startswith("200"), text
    return int(text.rsplit('"PUT": ', 1)[1].split(",")[0].rstrip("}]\n"))


def months(plain: Any, account: bytes, begin: int) -> int:
    """Return the same from rollups of months."""
    listed, at = [], begin // DAY
    while at < stores.END // DAY:
        listed.append(str(at))
        at = periods.next_month(at)
    return _asked(plain, f"SELECT {SUMS} FROM io_months WHERE month IN ({','.join(listed)}) AND account_id ="
                         " (SELECT id FROM accounts WHERE name = %s)", account)


def hours(plain: Any, account: bytes, begin: int) -> int:
    """Return the same from hours."""
    listed = ",".join(map(str, range(begin // DAY, stores.END // DAY)))
    with plain.cursor() as cursor:
        cursor.execute("SELECT id FROM accounts WHERE name = %s", (account,))
        number = cursor.fetchone()[0]
    return _asked(plain, f"SELECT {SUMS} FROM io_hours WHERE day IN ({listed}) AND account_id = %s", number)


def _asked(plain: Any, query: str, account: Any) -> int:
    with plain.cursor() as cursor:
        cursor.execute(query, (account,))
        return int(cursor.fetchone()[CELLS.index("put_count")])


if __name__ == "__main__":
    sys.exit(main())
