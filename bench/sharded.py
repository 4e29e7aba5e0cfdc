"""What holds of a store whose accounts are spread over three shards by MariaDB's Spider engine, next to one MariaDB alone.

    python -m bench.sharded [--accounts N] [--names] [--one-by-one]

Both do the same, step by step, and are to have and to answer the same: a line says whether they did, and how long it took, as a
multiple of what the one needed. That was taken once and on one machine, where shards cost and gain nothing: it shows what is
asked of them, row by row or at once. docs/scale.md says what came of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable

from sqlalchemy import Connection, Table, delete, func, select

from bench.flush import BEGIN, Site
from bench.stores import OPTIONS
from swiftstats.errors import StoreError
from swiftstats.fields import CELL_COUNT, CELLS, added
from swiftstats.flush import shipping
from swiftstats.flush.rollup import roll_up
from swiftstats.journal.period_file import PeriodRow
from swiftstats.periods import DAY, HOUR
from swiftstats.store import engine as engines
from swiftstats.store import kept, many, retention, usage, writers
from swiftstats.store.schema import accounts, io_days, io_hours, io_months, io_writer_months
from tests.support import by_name
from tests.support.mariadb import MariaDB
from tests.support.spider import DATABASE, SETTINGS, Sharded

#: Hours that are flushed: two of a day, and one of the next.
PERIODS = (BEGIN, BEGIN + HOUR, BEGIN + DAY)
END = BEGIN + 2 * DAY
#: Both days, and their month, are over.
LATER = BEGIN + 70 * DAY
PAGE = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--names", action="store_true", help="spread the dictionary too")
    parser.add_argument("--one-by-one", action="store_true", help="commit shard by shard, and not in two phases")
    arguments = parser.parse_args()
    settings = [each for each in SETTINGS if not (arguments.one_by_one and "internal-xa" in each)]
    with MariaDB(options=OPTIONS) as alone, Sharded(names=arguments.names, settings=settings) as sharded:
        trial = Trial(sharded, Site(sharded.url, arguments.accounts), Site(alone.url(DATABASE), arguments.accounts))
        trial.run()
        trial.spread.engine.dispose()
        trial.alone.engine.dispose()
    return 0


class Trial:
    """The same in both stores, step by step."""

    def __init__(self, sharded: Sharded, spread: Site, alone: Site) -> None:
        self.sharded, self.spread, self.alone = sharded, spread, alone

    def run(self) -> None:
        for again in ("", ", again"):
            self.same(f"a flush of {len(PERIODS)} hours{again}", _flushed)
            shards = {table: self.sharded.count(table) for table in ("accounts", "io_hours")}
            self.say("rows in the shards", all(shards["io_hours"]), str(shards))
            self.same("what io_hours has", partial(_rows, table=io_hours))
        self.same("two flushers with the same new accounts at once", _raced)
        self.snapshot()
        self.same("sums of accounts, from hours", _sums)
        self.same("every hour of all accounts (verify, replay)", _every_row)
        self.same("a top list, from hours", _top)
        self.same("the rollup", _rolled)
        for table in (io_days, io_months, io_writer_months):
            self.same(f"what {table.name} has", partial(_rows, table=table))
        self.same("sums of accounts, from days and months", _sums)
        self.same("all accounts by name, with their sums", _walked)
        self.same("lines of a month of all accounts", _lines)
        self.same("a top list, from a month", _top)
        self.shard_killed()
        self.same("a DELETE says how many rows it deleted", _deleted)
        self.same("hours leave (retention)", _left)

    def same(self, what: str, ask: Callable[[Site], object]) -> None:
        """Ask both; it holds where they say the same."""
        began = time.monotonic()
        expected = ask(self.alone)
        took = time.monotonic() - began
        began = time.monotonic()
        try:
            found = ask(self.spread)
        except StoreError as error:
            self.say(what, False, f"{type(error).__name__}: {error}")
            return
        if found != expected:
            self.say(what, False, f"{found!r:.100}, and one server has {expected!r:.100}")
            return
        self.say(what, True, f"{(time.monotonic() - began) / took:.1f} times as long as one server's {took:.2f} s")

    def say(self, what: str, held: bool, note: str) -> None:
        print(f"{'held' if held else 'NOT HELD':9} {what}: {note}", flush=True)

    def snapshot(self) -> None:
        """Read an account, then all others, and somebody else's flush comes between."""
        ids = list(self.spread.ids.values())
        with engines.read(self.spread.engine) as connection:
            before = many.sums(connection, ids[:1], BEGIN, END)
            _ship(self.spread, BEGIN, more=1)
            same = many.sums(connection, ids[:1], BEGIN, END) == before
            self.say("a read sees no later flush of a shard that it has read from", same, "one account, twice")
            found = many.sums(connection, ids, BEGIN, END)
        with engines.read(self.spread.engine) as connection:
            after = many.sums(connection, ids, BEGIN, END)
        later = sum(cells == after[owner] for owner, cells in found.items())
        self.say("a read sees no later flush of any shard", not later, f"it saw that of {later} of {len(found)} accounts")
        _ship(self.alone, BEGIN, more=1)

    def shard_killed(self) -> None:
        """Kill a shard before the COMMIT of a flush, and then flush again."""
        period, shard = BEGIN + 2 * DAY, self.sharded.shards[1]
        try:
            _ship(self.spread, period, batch_rows=len(self.spread.rows), before_commit=shard.kill)
            self.say("a COMMIT without a shard fails", False, "it did not")
        except StoreError as error:
            self.say("a COMMIT without a shard fails", True, f"{type(error).__name__}: {error}")
        shard.start()
        ask = f"SELECT COUNT(*) FROM {DATABASE}."
        left = [each.execute(f"{ask}io_hours WHERE period = {period}")[0][0] for each in self.sharded.shards]
        marks = self.sharded.front.execute(f"{ask}rollup_marks WHERE day = {period // DAY}")[0][0]
        self.say("it is undone in the shards", not any(left), f"rows {left}")
        self.say("it is undone in front", not marks, f"marks {marks}")
        prepared = [len(each.execute("XA RECOVER")) for each in self.sharded.shards]
        self.say("nothing is left prepared", not any(prepared), f"{prepared} transactions")
        for which in ("the same connection", "a new connection"):
            self.same(f"it is flushed again, by {which}", partial(_ship, period=period))
            self.spread.engine.dispose()
        self.same("what io_hours has then", partial(_rows, table=io_hours))


def _flushed(site: Site) -> None:
    for period in PERIODS:
        _ship(site, period)


def _ship(site: Site, period: int, *, more: int = 0, batch_rows: int = PAGE,
          before_commit: Callable[[], None] | None = None) -> None:
    rows = [PeriodRow(row.incarnation, row.name, tuple(cell + more for cell in row.cells)) for row in site.rows]

    def last(connection: Connection) -> None:
        if before_commit is not None:
            before_commit()

    shipping.ship(site.engine, rows, period=period, writers={site.writer.incarnation: site.writer}, batch_rows=batch_rows,
                  now=period, last=last)


def _raced(site: Site) -> list[tuple[int, ...]]:
    """Two flushers bring the same accounts, in the same order; return what three of these have then."""
    names = [f"AUTH_new{number:06}".encode() for number in range(PAGE)]
    with engines.write(site.engine) as connection:
        found = [writers.register(connection, server=f"other-{number}", incarnation=f"{number + 2:032x}", predecessor=None,
                                  first_period=BEGIN, period_seconds=HOUR, now=BEGIN) for number in range(2)]

    def flush(writer: writers.Writer) -> int:
        rows = [PeriodRow(writer.incarnation, name, (1,) * CELL_COUNT) for name in names]
        return shipping.ship(site.engine, rows, period=BEGIN, writers={writer.incarnation: writer}, batch_rows=PAGE // 10,
                             now=BEGIN)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(flush, found)) == [PAGE, PAGE]
    with engines.read(site.engine) as connection:
        return [by_name.total(connection, name, BEGIN, END) for name in names[::PAGE // 3]]


def _rows(site: Site, table: Table) -> list[tuple[Any, ...]]:
    """Return all rows of a table, with names for the accounts' ids."""
    names = {number: name for name, number in _ids(site).items()}
    others = [column for column in table.columns if column.name != "account_id"]
    with engines.read(site.engine) as connection:
        return sorted((names[number], *cells) for number, *cells in connection.execute(select(table.c.account_id, *others)))


def _ids(site: Site) -> dict[bytes, int]:
    with engines.read(site.engine) as connection:
        found = {bytes(name): number for number, name in connection.execute(select(accounts.c.id, accounts.c.name))}
    assert len(set(found.values())) == len(found), "an id of two accounts"
    return found


def _sums(site: Site) -> list[tuple[int, ...]]:
    found = []
    for row in site.rows[::max(len(site.rows) // 50, 1)]:
        with engines.read(site.engine) as connection:
            found.append(by_name.total(connection, row.name, BEGIN, END))
    return found


def _every_row(site: Site) -> list[tuple[Any, ...]]:
    with engines.read(site.engine) as connection:
        return sorted(usage.every_row(connection, BEGIN, END))


def _top(site: Site) -> list[bytes]:
    with engines.read(site.engine) as connection:
        return [each.name for each in many.top(connection, BEGIN, END, plus=["passed_in", "passed_out"], limit=10)]


def _rolled(site: Site) -> None:
    for _ in roll_up(site.engine, holder="bench", period_seconds=HOUR, now=lambda: LATER):
        pass


def _walked(site: Site) -> tuple[int, tuple[int, ...]]:
    """Return how many accounts there are, and the sum of all."""
    number, whole, after = 0, (0,) * CELL_COUNT, None
    with engines.read(site.engine) as connection:
        while found := many.accounts_after(connection, after=after, limit=PAGE):
            number, after = number + len(found), found[-1].name
            for cells in many.sums(connection, [each.id for each in found], BEGIN, END).values():
                whole = added(whole, cells)
    return number, whole


def _lines(site: Site) -> list[str | None]:
    template, after, found = [None, ",", (CELLS[2], CELLS[0]), "\n"], b"", []
    with engines.read(site.engine) as connection:
        while after is not None:
            last = many.account_after(connection, after, offset=PAGE)
            found.append(many.lines(connection, BEGIN // DAY, template, after=after, last=last, petnames=False))
            after = last
    return found


def _left(site: Site) -> int:
    """Let go of everything; return how many rows are left."""
    with engines.write(site.engine) as connection:
        kept.raise_to(connection, LATER // DAY)
    left, before = _hours(site), None
    while left and left != before:
        with engines.write(site.engine) as connection:
            retention.remove_some(connection, io_hours, PAGE)
        left, before = _hours(site), left
    return left


def _deleted(site: Site) -> int:
    """Delete an account's row; return how many rows the database says that these were."""
    with engines.write(site.engine) as connection:
        return connection.execute(delete(io_hours).where(io_hours.c.day == BEGIN // DAY, io_hours.c.period == BEGIN,
                                                         io_hours.c.account_id == site.ids[site.rows[0].name])).rowcount


def _hours(site: Site) -> int:
    with engines.read(site.engine) as connection:
        return connection.execute(select(func.count()).select_from(io_hours)).scalar_one()


if __name__ == "__main__":
    sys.exit(main())
