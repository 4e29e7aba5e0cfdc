"""A store with as many rows as are asked for: a year of hours, generated inside the database and rolled up as in service.

Three accounts count in each hour of the year: one on one server, one on 10, one on 100. The others, as many as it takes, have an
hour a day on some server. Rows go into the tables in key order, by SQL of the server's own; marks and rollups are the product's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Iterator, NamedTuple

from sqlalchemy import Engine

from bench.rounds import parser, say
from swiftstats import migrations, periods
from swiftstats.fields import CELLS
from swiftstats.flush.rollup import roll_up
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import marks, upsert, writers
from tests.support.mariadb import MariaDB

BEGIN, END = 1_759_276_800, 1_790_812_800  #: a year from 2025-10-01 on, UTC
MONTH = END - 30 * DAY  #: its last month
#: How many servers an account's requests are spread over: its name.
SPREAD = {1: b"AUTH_one", 10: b"AUTH_ten", 100: b"AUTH_hundred"}
SERVERS = 100
#: A server's memory as a small machine of its own would have it; what a site's database has is more.
OPTIONS = ("--innodb-buffer-pool-size=2G", "--innodb-log-file-size=512M", "--innodb-flush-log-at-trx-commit=2")


class Made(NamedTuple):
    """A store: `url` for engines, `rows` of hours, other `accounts` than those of SPREAD."""

    engine: Engine
    url: str
    rows: int
    accounts: int


@contextmanager
def made(rows: int, *, directory: Path | None = None, keep: Path | None = None) -> Iterator[Made]:
    """Make a store of about `rows` hours on a private MariaDB: gone at the end, or in the folder `keep`, for the next time."""
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory(prefix="swiftstats-bench-", dir=directory) as name:
        folder = Path(name)
        folder.mkdir(exist_ok=True)
        there = folder / f"rows-{rows}.json"
        server = MariaDB(str(folder), options=OPTIONS)
        try:
            server.start()
            url = f"mysql+pymysql://root@127.0.0.1:{server.port}/bench" if there.exists() else server.url("bench")
            engine = engines.create(url)
            migrations.upgrade(engine, ("AUTH_",))
            if there.exists():
                yield Made(engine, url, *json.loads(there.read_text()))
            else:
                store = fill(engine, url, rows)
                there.write_text(json.dumps([store.rows, store.accounts]))
                yield store
            engine.dispose()
        finally:
            server.stop() if keep else server.kill()


def options(docstring: str | None, *, rounds: int, rows: int) -> argparse.ArgumentParser:
    """Return what the commands of benchmarks of such a store understand."""
    found = parser(docstring, rounds=rounds)
    found.add_argument("--rows", type=int, default=rows)
    found.add_argument("--dir", type=Path, help="where the database is made (default: a temporary directory)")
    found.add_argument("--keep", type=Path, metavar="FOLDER",
                       help="make the database there and keep it; use the one of as many rows that is there")
    return found


def fill(engine: Engine, url: str, rows: int) -> Made:
    """Write the year, and roll it up."""
    began = time.monotonic()
    days = (END - BEGIN) // DAY
    accounts = max(0, (rows - sum(SPREAD) * days * 24) // days)
    register(engine, SERVERS)
    with engines.write(engine) as connection:
        named = upsert.add_accounts(connection, list(SPREAD.values()), BEGIN)
        others = max(named.values()) + 1
        connection.exec_driver_sql(
            "INSERT INTO accounts (name, first_seen) SELECT CONCAT('AUTH_', LPAD(LOWER(HEX(seq)), 32, '0')),"
            f" {BEGIN} FROM seq_1_to_{max(accounts, 1)}")
        # A partition a month, as there are when a site has run for a year.
        cuts = [f"PARTITION p{day} VALUES LESS THAN ({day})" for day in range(BEGIN // DAY + 1, END // DAY + 1)
                if periods.month(day) == day]
        connection.exec_driver_sql(f"ALTER TABLE io_hours PARTITION BY RANGE (day) ({', '.join(cuts)},"
                                   " PARTITION later VALUES LESS THAN MAXVALUE)")
    for day in range(BEGIN // DAY, END // DAY):
        with engines.write(engine) as connection:
            for servers, name in SPREAD.items():
                connection.exec_driver_sql(
                    f"INSERT INTO io_hours SELECT {day}, {named[name]}, {day * DAY} + {HOUR} * h.seq, w.id,"
                    f" {_cells('w.id + h.seq')} FROM seq_0_to_23 h JOIN writers w ON w.id <= {servers} ORDER BY h.seq, w.id")
            connection.exec_driver_sql(
                f"INSERT INTO io_hours SELECT {day}, a.id, {day * DAY} + {HOUR} * MOD(a.id, 24), 1 + MOD(a.id, {SERVERS}),"
                f" {_cells('a.id')} FROM accounts a WHERE a.id >= {others} ORDER BY a.id")
            marks.mark(connection, marks.IO, day, 1)
        if (day - BEGIN // DAY) % 30 == 29:
            say(f"{(day - BEGIN // DAY + 1) * (accounts + sum(SPREAD) * 24):,} rows in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    for _ in roll_up(engine, holder="bench", period_seconds=HOUR):
        pass
    say(f"rolled up in {time.monotonic() - began:.0f} s")
    return Made(engine, url, days * (accounts + sum(SPREAD) * 24), accounts)


def register(engine: Engine, servers: int) -> None:
    """Make so many servers known, with a writer each, ids from 1 on, that have closed the year."""
    with engines.write(engine) as connection:
        found = [writers.register(connection, server=f"proxy-{number:03}", incarnation=f"{number:032x}", predecessor=None,
                                  first_period=BEGIN, period_seconds=HOUR, now=BEGIN) for number in range(1, servers + 1)]
        writers.close(connection, writers=found, through=END, ended=[], now=END)


def _cells(seed: str) -> str:
    """Return a row's cells: nothing unbilled, figures of some size."""
    return ", ".join("0" if name.startswith("unbilled") else f"MOD(({seed}) * {number * 7919 + 1}, 1000000) + 1"
                     for number, name in enumerate(CELLS))
