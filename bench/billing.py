"""How fast the month of very many accounts is pulled over HTTP, as a billing system does it, and whether memory grows with it.

    python -m bench.billing [--accounts N] [--rounds N] [--dir DIRECTORY] [--json FILE]

Each account has one hour in the month, generated in a private MariaDB and rolled up. `csv` and `ndjson` are whole answers of a
service in a process of its own, over the loopback. `cursor` is a PyMySQL cursor that streams name and cells out of the rollup of
the month and only counts them; `server` has the database itself put lines together, a thousand accounts a row; `duckdb` writes a
CSV of the same rows from Parquet. Accounts a second on the wall. The most memory that the service has in the first tenth
of a pull stands next to the most that it has in the rest.
"""

from __future__ import annotations

import http.client
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Optional

import pymysql
from sqlalchemy import make_url

from bench.rounds import Case, Target, interleaved, parser, report, say
from bench.stores import OPTIONS, register
from swiftstats import migrations
from swiftstats.fields import CELLS, FIELDS
from swiftstats.flush.rollup import roll_up
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import marks
from tests.support.api_server import ApiServer
from tests.support.mariadb import MariaDB

BEGIN, END = 1_788_220_800, 1_790_812_800  #: 2026-09, UTC
MONTH = BEGIN // DAY
ONLY_IO = ",".join(field.name for field in FIELDS)


def main() -> int:
    options = parser(__doc__, rounds=5)
    options.add_argument("--accounts", type=int, default=1_000_000)
    options.add_argument("--dir", type=Path, help="where the database is made (default: a temporary directory)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-", dir=arguments.dir) as name:
        folder = Path(name)
        (folder / "db").mkdir()
        server = MariaDB(str(folder / "db"), options=OPTIONS)
        try:
            url = server.start().url("bench")
            fill(url, arguments.accounts)
            case = measure(folder, url, arguments.accounts, arguments.rounds)
        finally:
            server.kill()
    return report("billing", [case], arguments.json, accounts=arguments.accounts)


def fill(url: str, accounts: int) -> None:
    """Write an hour of each account, and roll it up."""
    began = time.monotonic()
    engine = engines.create(url)
    migrations.upgrade(engine, ("AUTH_",))
    register(engine, 1)
    cells = ", ".join("0" if name.startswith("unbilled") else f"MOD(a.id * {number * 7919 + 1}, 1000000) + 1"
                      for number, name in enumerate(CELLS))
    with engines.write(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO accounts (name, first_seen) SELECT CONCAT('AUTH_', LPAD(LOWER(HEX(seq)), 32, '0')),"
            f" {BEGIN} FROM seq_1_to_{accounts}")
        connection.exec_driver_sql(
            f"INSERT INTO io_hours SELECT {MONTH}, a.id, {BEGIN}, 1, {cells} FROM accounts a ORDER BY a.id")
        marks.mark(connection, marks.IO, MONTH, 1)
    for _ in roll_up(engine, holder="bench", period_seconds=HOUR):
        pass
    engine.dispose()
    say(f"{accounts:,} accounts made and rolled up in {time.monotonic() - began:.0f} s")


def measure(folder: Path, url: str, accounts: int, rounds: int) -> Case:
    pulls: dict[str, list[Pull]] = {}
    parquet = folder / "month.parquet"
    with ApiServer(folder, f"[DEFAULT]\ndatabase = {url}\n[api]\nauth = none\nallow_anonymous = true\n") as service:
        def pulled(form: str, fields: str) -> Callable[[], float]:
            def pull() -> float:
                pulls.setdefault(form, []).append(Pull(service, form, fields, accounts))
                return pulls[form][-1].rate
            return pull

        ways: dict[str, Callable[[], float]] = {
            "cursor": lambda: rate(accounts, lambda: cursor(url)), "server": lambda: rate(accounts, lambda: concatenated(url)),
            "csv": pulled("csv", ONLY_IO), "ndjson": pulled("ndjson", ONLY_IO),
        }
        if in_parquet(url, parquet):
            ways["duckdb"] = lambda: rate(accounts, lambda: from_parquet(parquet, folder / "month.csv"))
        found = interleaved(ways, rounds)
    case = Case(f"a month of {accounts:,} accounts", "accounts/s", "cursor", found)
    first = max(each.first for of in pulls.values() for each in of)
    early, last = (max(getattr(each, when) for of in pulls.values() for each in of) for when in ("early", "last"))
    return Case(case.name, case.unit, case.base, found, (
        Target("csv to cursor", case.ratio("csv"), 4, most=False),
        Target("ndjson to cursor", case.ratio("ndjson"), 4, most=False),
        Target("seconds to the first byte", first, 1),
        Target("memory, most to most in the first tenth", last / early, 1.1)),
        {"most of the service's memory, MiB": round(last / 2**20)})


class Pull:
    """One pull of the month: accounts a second, seconds to the first byte, the service's peak of memory early and at the end."""

    def __init__(self, service: ApiServer, form: str, fields: str, accounts: int) -> None:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=600)
        connection.request("GET", f"/usage?begin=2026-09&format={form}&fields={fields}")
        response = connection.getresponse()
        assert response.status == 200, response.read()
        self.first, self.early, self.last, lines = 0.0, 0, 0, 0
        while chunk := response.read1(1 << 20):
            self.first = self.first or time.perf_counter() - began
            lines += chunk.count(b"\n")
            if lines > accounts // 10:
                self.last = max(self.last, memory(service.pid))
            else:
                self.early = max(self.early, memory(service.pid))
        connection.close()
        assert lines == accounts + 1, f"{lines} lines of {accounts} accounts"  # a line of titles, or the last one
        self.rate = accounts / (time.perf_counter() - began)


def memory(pid: int) -> int:
    """Return the memory that a process has (bytes)."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def cursor(url: str) -> None:
    """Stream name and cells, and count."""
    number = 0
    with connected(url) as plain, plain.cursor(pymysql.cursors.SSCursor) as reading:
        reading.execute(f"SELECT a.name, {', '.join('m.' + name for name in CELLS)} FROM accounts a JOIN io_months m"
                        f" ON m.month = {MONTH} AND m.account_id = a.id ORDER BY a.name")
        for _ in reading:
            number += 1
    assert number


def concatenated(url: str) -> None:
    """Have the database put lines together."""
    with connected(url) as plain, plain.cursor(pymysql.cursors.SSCursor) as reading:
        cells = ", ".join("m." + name for name in CELLS)
        reading.execute(f"SELECT GROUP_CONCAT(a.name, ',', CONCAT_WS(',', {cells}) SEPARATOR '\n') FROM accounts a"
                        f" JOIN io_months m ON m.month = {MONTH} AND m.account_id = a.id GROUP BY a.id DIV 1000")
        for _ in reading:
            pass


def in_parquet(url: str, parquet: Path) -> bool:
    """Write the month as Parquet, where DuckDB is installed."""
    try:
        import duckdb
        import pandas
    except ImportError:
        say("duckdb is not installed: it is left out")
        return False
    with connected(url) as plain, plain.cursor() as reading:
        reading.execute(f"SELECT CONVERT(a.name USING ascii) name, {', '.join('m.' + name for name in CELLS)} FROM accounts a"
                        f" JOIN io_months m ON m.month = {MONTH} AND m.account_id = a.id")
        month = pandas.DataFrame(reading.fetchall(), columns=["name", *CELLS])
    duckdb.register("month", month)
    duckdb.sql(f"COPY (SELECT * FROM month) TO '{parquet}' (FORMAT parquet)")
    duckdb.unregister("month")
    return True


def from_parquet(parquet: Path, csv: Path) -> None:
    import duckdb

    duckdb.sql(f"COPY (SELECT * FROM '{parquet}' ORDER BY name) TO '{csv}' (FORMAT csv)")


def connected(url: str) -> Any:
    of = make_url(url)
    return pymysql.connect(host=of.host, port=of.port, user="root", database=of.database,
                           init_command="SET SESSION group_concat_max_len = 16777216")


def rate(accounts: int, work: Callable[[], Optional[object]]) -> float:
    """Return how many accounts a second go."""
    began = time.perf_counter()
    work()
    return accounts / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
