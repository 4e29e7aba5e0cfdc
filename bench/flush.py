"""How fast the rows of a flush go into the database, next to the fastest way that there is into the same table.

    python -m bench.flush [--accounts N] [--rounds N] [--sqlite] [--json FILE]

A round is one period of a writer with a row per account, all of them counted before; each contender has periods of its own.
`flush` is what a sweep does with its rows, in transactions of `batch_rows`, names looked up and days marked; `again` is the same
of the period that was flushed last, which has each row already, as a running one does; `executemany` is SQLAlchemy's, of the same
upsert. On MariaDB: `LOAD DATA` reads a file that is there already, into the same table, on the server: the floor, which looks
nothing up and merges nothing; `statements` is a flush where rows cannot be sent (`?local_infile=0`). On SQLite: `sqlite3` is the
library's executemany of plain inserts, in one transaction. Rows a second on the wall. Noted too is the processor's time for what
a flush consists of, of the database server's process and of ours.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Callable

from sqlalchemy import Engine, func
from sqlalchemy.dialects import mysql, sqlite

from bench.rounds import Case, Target, interleaved, parser, report
from bench.stores import OPTIONS, register
from swiftstats import migrations
from swiftstats.fields import CELL_COUNT, CELLS
from swiftstats.flush import shipping
from swiftstats.journal.period_file import PeriodRow
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import upsert, writers
from swiftstats.store.schema import io_hours
from tests.support.mariadb import MariaDB

BEGIN = 1_790_812_800  #: 2026-10-01
BATCH_ROWS = 20_000  #: the default of the option
LARGE = 1_000_000  #: so many take minutes a round: three will do
COLUMNS = [column.name for column in io_hours.columns]


def main() -> int:
    arguments_of = parser(__doc__, rounds=5)
    arguments_of.add_argument("--accounts", type=int, nargs="+", default=[100_000])
    arguments = arguments_of.parse_args()
    cases = []
    for accounts in arguments.accounts:
        for make in (mariadb, in_sqlite):
            with tempfile.TemporaryDirectory(prefix="swiftstats-bench-") as folder:
                cases.append(make(Path(folder), accounts, arguments.rounds if accounts < LARGE else min(arguments.rounds, 3)))
    return report("flush", cases, arguments.json)


class Site:
    """A database with accounts that are known, a writer, and rows of a period for them."""

    def __init__(self, url: str, accounts: int) -> None:
        self.engine: Engine = engines.create(url)
        migrations.upgrade(self.engine, ("AUTH_",))
        register(self.engine, 1)
        names = [f"AUTH_{number:032x}".encode() for number in range(accounts)]
        with engines.write(self.engine) as connection:
            self.ids = upsert.add_accounts(connection, names, BEGIN)
            found = writers.find(connection, f"{1:032x}")
        assert found is not None
        self.writer = found
        self.rows = [PeriodRow(found.incarnation, name, tuple((number * 7919 + cell) % 100_000 for cell in range(CELL_COUNT)))
                     for number, name in enumerate(names)]
        gc.freeze()  # in a sweep they come from a file, one after the other: no collector runs through all of them
        self._periods = count(BEGIN, HOUR)

    def next_period(self) -> int:
        """Return a period that has no row."""
        return next(self._periods)

    def stored(self, period: int) -> list[tuple[int, ...]]:
        """Return the rows of a period as the table has them."""
        return [(period // DAY, self.ids[row.name], period, self.writer.id, *row.cells) for row in self.rows]

    def flush(self, period: int, *, rows: list[PeriodRow] | None = None, engine: Engine | None = None) -> None:
        """Do what a sweep does with its rows."""
        shipping.ship(engine or self.engine, rows or self.rows, period=period, writers={self.writer.incarnation: self.writer},
                      batch_rows=BATCH_ROWS, now=period + HOUR)

    def look_up(self) -> None:
        """Ask for the ids of all names, as a flush does."""
        for start in range(0, len(self.rows), BATCH_ROWS):
            with engines.write(self.engine) as connection:
                upsert.account_ids(connection, [row.name for row in self.rows[start:start + BATCH_ROWS]])

    def executemany(self, period: int) -> None:
        """Do the same upserts as SQLAlchemy does them for a list of rows."""
        rows = [dict(zip(COLUMNS, row)) for row in self.stored(period)]
        if self.engine.dialect.name == "mysql":
            insert: Any = mysql.insert(io_hours)
            insert = insert.on_duplicate_key_update({
                name: func.greatest(io_hours.c[name], insert.inserted[name]) for name in CELLS})
        else:
            insert = sqlite.insert(io_hours)
            insert = insert.on_conflict_do_update(index_elements=list(io_hours.primary_key), set_={
                name: func.max(io_hours.c[name], insert.excluded[name]) for name in CELLS})
        with engines.write(self.engine) as connection:
            connection.execute(insert, rows)


def mariadb(folder: Path, accounts: int, rounds: int) -> Case:
    with MariaDB(str(folder), options=OPTIONS) as server:
        site = Site(server.url("bench"), accounts)
        file = folder / "rows"

        def load() -> float:
            period = site.next_period()
            file.write_text("".join("\t".join(map(str, row)) + "\n" for row in site.stored(period)))
            file.chmod(0o644)
            return rate(accounts, lambda: server.execute("USE bench", f"LOAD DATA INFILE '{file}' INTO TABLE io_hours"))

        plain = engines.create(str(site.engine.url) + "?local_infile=0")
        ways = {"LOAD DATA": load, **contenders(site, accounts),
                "statements": lambda: rate(accounts, lambda: site.flush(site.next_period(), engine=plain))}
        found = interleaved(ways, rounds)
        pieces = {"LOAD DATA": load, "flush": ways["flush"], "statements": ways["statements"], "names alone": site.look_up}
        spent = interleaved({name: lambda work=work: processor(server, work)[0] for name, work in pieces.items()}, rounds)
        ours = interleaved({"flush": lambda: processor(server, ways["flush"])[1]}, rounds)
        plain.dispose()
        site.engine.dispose()
    case = Case(f"{accounts:,} rows into MariaDB", "rows/s", "LOAD DATA", found)
    return Case(case.name, case.unit, case.base, found, (Target("flush to LOAD DATA", case.ratio("flush"), 0.7, most=False),), {
        "processor of the server, s": ", ".join(f"{name} {statistics.median(each):.2f}" for name, each in spent.items()),
        "processor of the flusher, s": round(statistics.median(ours["flush"]), 2)})


def processor(server: MariaDB, work: Callable[[], Any]) -> tuple[float, float]:
    """Return how long `work` had the processor (s): the server's process, and ours."""
    def so_far() -> float:
        words = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")  # of user and system

    theirs, ours = so_far(), time.process_time()
    work()
    return so_far() - theirs, time.process_time() - ours


def in_sqlite(folder: Path, accounts: int, rounds: int) -> Case:
    site = Site(f"sqlite:///{folder}/usage.db", accounts)
    raw = sqlite3.connect(folder / "usage.db", isolation_level=None, timeout=60)
    raw.execute("PRAGMA synchronous=FULL")
    statement = f"INSERT INTO io_hours VALUES ({', '.join('?' * len(COLUMNS))})"

    def plain() -> float:
        rows = site.stored(site.next_period())

        def insert() -> None:
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(statement, rows)
            raw.execute("COMMIT")

        return rate(accounts, insert)

    found = interleaved({"sqlite3": plain, **contenders(site, accounts)}, rounds)
    site.engine.dispose()
    raw.close()
    case = Case(f"{accounts:,} rows into SQLite", "rows/s", "sqlite3", found)
    return Case(case.name, case.unit, case.base, found, (Target("flush to sqlite3", case.ratio("flush"), 0.6, most=False),))


def contenders(site: Site, accounts: int) -> dict[str, Callable[[], float]]:
    grown = [row._replace(cells=tuple(cell + 1 for cell in row.cells)) for row in site.rows]

    flushed = site.next_period()
    site.flush(flushed)

    def flush() -> float:
        nonlocal flushed
        flushed = site.next_period()
        return rate(accounts, lambda: site.flush(flushed))

    return {"flush": flush, "again": lambda: rate(accounts, lambda: site.flush(flushed, rows=grown)),
            "executemany": lambda: rate(accounts, lambda: site.executemany(site.next_period()))}


def rate(rows: int, work: Callable[[], Any]) -> float:
    """Return how many rows a second go."""
    began = time.perf_counter()
    work()
    return rows / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
