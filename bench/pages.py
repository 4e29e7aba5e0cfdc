"""How long pages take in the server, next to the SQL alone: /usage of 100 rows of a million accounts, and one account's month.

    python -m bench.pages [--accounts 1000000] [--database URL] [--rounds 15] [--json FILE]

Goals, on two cores: the table under 150 ms, the month of days under 30 ms, its 744 hours under 150 ms. Accounts are invented, a
row each in one hour; one of them has a row each hour of a month. The last day is the running one; days before are rolled up.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Engine, event, insert, text
from webob import Request

from bench.rounds import Case, Target, parser, report, say
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
#: What is looked at, its path, and in how many milliseconds it should be there.
PAGES = (
    ("100 rows of all accounts", "/usage?begin=2026-10", 150),
    ("100 rows from the middle of them", "/usage?begin=2026-10&marker=AUTH_{middle:08}", 150),
    ("an account's month by day", "/accounts/AUTH_one?begin=2026-10&granularity=day", 30),
    ("an account's month by hour", "/accounts/AUTH_one?begin=2026-10&granularity=hour", 150),
)


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
    """Measure, and print a table for each page."""
    options = parser(__doc__, rounds=15)
    options.add_argument("--accounts", type=int, default=1_000_000)
    options.add_argument("--database", help="an empty one (default: SQLite in a temporary folder)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite:///{folder}/usage.db"
        engine = engines.create(url)
        migrations.upgrade(engine, ("AUTH_",))
        say(f"counting for {arguments.accounts:,} accounts")
        seed(engine, arguments.accounts)
        say("rolling up their days")
        roll(engine)
        engine.dispose()
        return report("pages", measure(url, arguments.accounts, arguments.rounds), arguments.json, accounts=arguments.accounts)


def roll(engine: Engine) -> None:
    """Roll up all that is over."""
    for _ in rollup.roll_up(engine, holder="bench", period_seconds=HOUR, now=lambda: NOW):
        pass


def measure(url: str, accounts: int, rounds: int) -> list[Case]:
    """Ask for each page in turn; what its statements take is measured in the same requests."""
    app = make_app(Config({"database": url, "auth": ("none",), "allow_anonymous": True}), clock=lambda: NOW)
    statements = Statements(app.service.engine)
    pages = [(name, path.format(middle=accounts // 2), goal) for name, path, goal in PAGES]
    took: dict[str, dict[str, list[float]]] = {path: {"the SQL alone": [], "page": []} for _, path, _ in pages}
    numbers = {}
    for number in range(rounds + 1):
        for _, path, _ in pages:
            statements.milliseconds, statements.number = 0.0, 0
            began = time.perf_counter()
            answer = Request.blank(path, headers={"Accept": "text/html"}).get_response(app)
            milliseconds = (time.perf_counter() - began) * 1000
            assert answer.status_int == 200, answer.text
            if number:  # the first round warms up
                took[path]["page"].append(milliseconds)
                took[path]["the SQL alone"].append(statements.milliseconds)
                numbers[path] = statements.number
    cases = []
    for name, path, goal in pages:
        case = Case(name, "ms", "the SQL alone", took[path], (), {"path": path, "statements": numbers[path]})
        cases.append(replace(case, targets=(Target("page, ms", case.median("page"), goal),)))
    return cases


if __name__ == "__main__":
    sys.exit(main())
