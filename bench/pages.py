"""How long pages take in the server, next to the SQL alone: /usage of 100 rows of a million accounts, and one account's month.

    .venv/bin/python bench/pages.py [--accounts 1000000] [--database URL] [--rounds 15]

Goals, on two cores: the table under 150 ms, the month of days under 30 ms, its 744 hours under 150 ms. Accounts are invented, a
row each in one hour; one of them has a row each hour of a month. The last day is the running one; days before are rolled up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from datetime import datetime, timezone
from typing import Any, Callable

from sqlalchemy import Engine, event, insert, text
from webob import Request

from swiftstats import migrations
from swiftstats.api.app import make_app
from swiftstats.config import Config
from swiftstats.fields import CELLS
from swiftstats.flush import rollup
from swiftstats.store import engine as engines
from swiftstats.store import schema, usage, writers

HOUR, DAY = 3600, 86400
#: The month: October 2026; and now, in its last hour.
BEGIN = int(datetime(2026, 10, 1, tzinfo=timezone.utc).timestamp())
END = int(datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp())
NOW = END - 600
ONE = b"AUTH_one"
BATCH = 20_000
GOALS = {"/usage": 150, "days": 30, "hours": 150}


def seed(engine: Engine, accounts: int) -> None:
    """Invent accounts, and count for them."""
    cells = tuple(range(1, len(CELLS) + 1))
    with engines.write(engine) as connection:
        writer = writers.register(connection, server="proxy-01", incarnation="1" * 32, predecessor=None, first_period=BEGIN,
                                  period_seconds=HOUR, now=NOW)
    for start in range(0, accounts, BATCH):
        with engines.write(engine) as connection:
            connection.execute(insert(schema.accounts), [
                {"name": b"AUTH_%08d" % number, "first_seen": BEGIN} for number in range(start, min(start + BATCH, accounts))])
    with engines.write(engine) as connection:
        first, last = connection.execute(text("SELECT MIN(id), MAX(id) FROM accounts")).one()
    columns = ", ".join(CELLS)
    values = ", ".join(map(str, cells))
    for start in range(first, last + 1, BATCH):
        with engines.write(engine) as connection:
            connection.execute(text(
                f"INSERT INTO io_hours (day, account_id, period, writer_id, {columns}) SELECT {BEGIN // DAY} + id % 31, id, "
                f"({BEGIN // DAY} + id % 31) * {DAY} + {10 * HOUR}, {writer.id}, {values} FROM accounts "
                f"WHERE id BETWEEN {start} AND {start + BATCH - 1}"))
    for period in range(BEGIN, END, HOUR):
        with engines.write(engine) as connection:
            usage.merge(connection, writer=writer, period=period, rows=[(ONE, cells)], now=period + HOUR)
    with engines.write(engine) as connection:
        writers.close(connection, writers=[writer], through=END - HOUR, ended=[], now=NOW)


def timed(do: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median and the least time of some rounds, in milliseconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        do()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), min(took)


class Statements:
    """The time that statements take in the driver, in milliseconds."""

    def __init__(self, engine: Engine) -> None:
        self.milliseconds, self.number, self._began = 0.0, 0, 0.0
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)

    def _before(self, *ignored: Any) -> None:
        self._began = time.perf_counter()

    def _after(self, *ignored: Any) -> None:
        self.milliseconds += (time.perf_counter() - self._began) * 1000
        self.number += 1


def main() -> int:
    """Measure, print, and return 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--database", help="an empty one (default: SQLite in a temporary folder)")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite:///{folder}/usage.db"
        engine = engines.create(url)
        migrations.upgrade(engine, ("AUTH_",))
        began = time.monotonic()
        seed(engine, arguments.accounts)
        print(f"{arguments.accounts:,} accounts counted in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        roll(engine)
        print(f"days rolled up in {time.monotonic() - began:.0f} s", flush=True)
        return measure(url, arguments.rounds)


def roll(engine: Engine) -> None:
    """Roll up all that is over."""
    for _ in rollup.roll_up(engine, holder="bench", period_seconds=HOUR, now=lambda: NOW):
        pass


def measure(url: str, rounds: int) -> int:
    """Print a line per page."""
    app = make_app(Config({"database": url, "auth": ("none",), "allow_anonymous": True}), clock=lambda: NOW)
    statements = Statements(app.service.engine)
    missed = 0
    for name, path in (("/usage", "/usage?begin=2026-10"), ("/usage", "/usage?begin=2026-10&marker=AUTH_00500000"),
                       ("days", "/accounts/AUTH_one?begin=2026-10&granularity=day"),
                       ("hours", "/accounts/AUTH_one?begin=2026-10&granularity=hour")):

        def ask(path: str = path) -> None:
            answer = Request.blank(path, headers={"Accept": "text/html"}).get_response(app)
            assert answer.status_int == 200, answer.text

        ask()
        statements.milliseconds, statements.number = 0.0, 0
        median, least = timed(ask, rounds)
        sql, number = statements.milliseconds / rounds, statements.number // rounds
        goal = GOALS[name]
        missed += least > goal
        print(f"{path:60} {median:7.1f} ms (least {least:.1f}; SQL {sql:.1f} ms in {number} statements; goal {goal} ms)",
              flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
