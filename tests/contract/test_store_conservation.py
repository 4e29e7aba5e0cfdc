"""What holds in whatever order things happen: totals are those of the greatest rows, what is final changes on record only."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Any, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, delete, func, select, update

from swiftstats.fields import CELL_COUNT, CELLS, STORED_MAX
from swiftstats.store import schema, usage, writers
from swiftstats.store.engine import read, write
from swiftstats.store.writers import Writer
from tests.contract.test_store_usage import HOUR, T, cells, register
from tests.support import by_name

NAMES = (b"AUTH_a", b"AUTH_a ", b"(unknown)")
SERVERS = ("proxy-1", "proxy-2")
HOURS = st.integers(0, 3).map(lambda hour: T + hour * HOUR)
AMOUNTS = st.one_of(st.integers(0, 5), st.integers(0, STORED_MAX), st.just(STORED_MAX))
#: Cells that differ, drawn from three amounts: more would only be slower to draw.
CELLS_OF_THREE = st.tuples(AMOUNTS, AMOUNTS, AMOUNTS).map(lambda three: (three * CELL_COUNT)[:CELL_COUNT])
Row = tuple[int, int, bytes, tuple[int, ...]]  # number of the writer, period, name, cells
ROWS = st.lists(st.tuples(st.integers(0, 2), HOURS, st.sampled_from(NAMES), st.tuples(*[AMOUNTS] * CELL_COUNT)), max_size=8)

_fresh = itertools.count()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), rows=ROWS)
def test_any_order_any_repetition(engine: Engine, data: st.DataObject, rows: list[Row]) -> None:
    """Rows merged in any order, any number of times, in any cut into transactions, add up to the sum of the greatest."""
    mark = b"%d " % next(_fresh)  # names of this example's own, so that the database need not be emptied
    arrivals = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=8) if rows else st.just([]))))
    with write(engine) as connection:
        three = [register(connection, incarnation=name) for name in "abc"]
    for cut in itertools.batched(arrivals, 3) if hasattr(itertools, "batched") else [arrivals[:3], arrivals[3:]]:
        with write(engine) as connection:
            for number, period, name, counted in cut:
                usage.merge(connection, writer=three[number], period=period, rows=[(mark + name, counted)], now=T)
    greatest: dict[tuple[int, int, bytes], tuple[int, ...]] = {}
    for number, period, name, counted in rows:
        before = greatest.get((number, period, name), (0,) * CELL_COUNT)
        greatest[number, period, name] = tuple(map(max, before, counted))
    with read(engine) as connection:
        for name in NAMES:
            expected: dict[int, list[int]] = {}
            for (_, period, owner), counted in greatest.items():
                if owner == name:
                    expected[period] = [a + b for a, b in zip(expected.get(period, [0] * CELL_COUNT), counted)]
            found = dict(by_name.hours(connection, mark + name, T, T + 4 * HOUR))
            assert found == {period: tuple(counted) for period, counted in sorted(expected.items())}
            assert by_name.total(connection, mark + name, T, T + 4 * HOUR) == tuple(
                sum(column) for column in zip((0,) * CELL_COUNT, *found.values()))


@dataclass
class Known:
    """What the model knows of a writer."""

    server: str
    closed: int
    retired: bool = False
    ended: bool = False
    sweeps: int = 1

    @property
    def live(self) -> bool:
        return not self.retired and not self.ended


class Site(RuleBasedStateMachine):
    """Servers come, ship, close, end, are retired and come back, in any order; the store against a model in a few lines."""

    engine: Engine

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        with write(self.engine) as connection:
            for table in ("servers", "writers", "accounts", "io_hours", "losses", "corrections", "sweeps", "successions"):
                connection.execute(delete(schema.metadata.tables[table]))
            connection.execute(update(schema.site).values(complete_through=None, period_seconds=None))
        self.model: dict[str, Known] = {}
        self.announced: dict[str, int] = {}
        self.began: list[int] = []
        self.high_water = 0
        self.final: dict[int, Counter[tuple[bytes, str]]] = {}  # period: what was counted when the site first completed it

    def ships(self, writer: Writer, through: int = 0) -> None:
        """A retired writer that ships is live again, and then nothing is announced of its server any more."""
        known = self.model[writer.incarnation]
        if known.retired and not known.ended:
            self.announced.pop(known.server, None)
        known.retired, known.closed = False, max(known.closed, through)

    @rule(target=known, server=st.sampled_from(SERVERS), first=HOURS)
    def register(self, server: str, first: int) -> Writer:
        incarnation = f"{len(self.model):032x}"
        with write(self.engine) as connection:
            writer = writers.register(connection, server=server, incarnation=incarnation, predecessor=None, first_period=first,
                                      period_seconds=HOUR, now=T)
        self.began.append(first)
        self.announced.pop(server, None)
        self.model[incarnation] = Known(server, first)
        return writer

    @rule(writer=known)
    def register_again(self, writer: Writer) -> None:
        with write(self.engine) as connection:
            again = writers.register(connection, server=writer.server, incarnation=writer.incarnation, predecessor=None,
                                     first_period=T, period_seconds=HOUR, now=T)
        known = self.model[writer.incarnation]
        assert (again.id, again.closed_through) == (writer.id, known.closed)
        known.retired = known.ended = False
        known.sweeps += 1
        self.announced.pop(writer.server, None)

    @rule(server=st.sampled_from(SERVERS), period=HOURS)
    def announce(self, server: str, period: int) -> None:
        with write(self.engine) as connection:
            writers.announce(connection, server=server, period=period, now=T)
        if not any(known.live and known.server == server for known in self.model.values()):
            self.announced[server] = period

    @rule(writer=known, period=HOURS, name=st.sampled_from(NAMES), gets=st.integers(0, 9), puts=st.integers(0, 9))
    def merge(self, writer: Writer, period: int, name: bytes, gets: int, puts: int) -> None:
        with write(self.engine) as connection:
            usage.merge(connection, writer=writer, period=period, rows=[(name, cells(get_count=gets, put_count=puts))], now=T)
        self.ships(writer)

    @rule(writer=known, through=HOURS)
    def close(self, writer: Writer, through: int) -> None:
        with write(self.engine) as connection:
            writers.close(connection, writers=[writer], through=through, ended=[], now=T)
        self.ships(writer, through)

    @rule(writer=known, successor=known, through=HOURS, stale=st.booleans())
    def close_and_end(self, writer: Writer, successor: Writer, through: int, stale: bool) -> None:
        """A writer ends, unless it was taken for gone by what was read before it registered again."""
        with write(self.engine) as connection:
            found = writer if stale else writers.find(connection, writer.incarnation)
            assert found is not None
            writers.close(connection, writers=[successor], through=through, ended=[found], now=T)
        self.ships(successor, through)
        if found.sweeps == self.model[writer.incarnation].sweeps:
            self.model[writer.incarnation].ended = True

    @rule(writer=known, whole=st.booleans())
    def retire(self, writer: Writer, whole: bool) -> None:
        with write(self.engine) as connection:
            done = writers.retire(connection, server=writer.server, now=T + 9 * HOUR,
                                  writer=None if whole else writer.incarnation)
        gone = [name for name, known in self.model.items()
                if known.live and known.server == writer.server and (whole or name == writer.incarnation)]
        assert sorted(given_up.incarnation for given_up in done.given_up) == sorted(gone)
        for name in gone:
            self.model[name].retired = True
        if whole:
            self.announced.pop(writer.server, None)

    @invariant()
    def complete_as_the_model_says(self) -> None:
        """The site is complete through the least of its live writers and announced servers, and the mark never falls."""
        least = min([*self.announced.values(), *(known.closed for known in self.model.values() if known.live)], default=None)
        expected = None if least is None or not self.began or least <= min(self.began) else least
        with read(self.engine) as connection:
            freshness = writers.complete_through(connection)
            mark = connection.execute(select(schema.site.c.complete_through)).scalar()
        assert freshness.complete_through == expected
        self.high_water = max(self.high_water, expected or 0)
        assert (mark or 0) == self.high_water

    @invariant()
    def final_but_for_corrections(self) -> None:
        """What a period held when the site completed it, plus its recorded corrections, is what it holds now."""
        with read(self.engine) as connection:
            corrections = counted(connection, schema.corrections)
            hours = counted(connection, schema.io_hours)
        for period in range(T, T + 4 * HOUR, HOUR):
            if period + HOUR <= self.high_water:
                final = self.final.setdefault(period, hours.get(period, Counter()))
                assert final + corrections.get(period, Counter()) == hours.get(period, Counter())


def counted(connection: Any, table: Any) -> dict[int, Counter[tuple[bytes, str]]]:
    """Return what a table of cells holds, summed per period, account and cell."""
    found: dict[int, Counter[tuple[bytes, str]]] = {}
    for row in connection.execute(
        select(table.c.period, schema.accounts.c.name, *(func.sum(table.c[name]) for name in CELLS))
        .join_from(table, schema.accounts, schema.accounts.c.id == table.c.account_id)
        .group_by(table.c.period, schema.accounts.c.name)
    ):
        sums = {(bytes(row[1]), cell): int(total) for cell, total in zip(CELLS, row[2:]) if total}
        found.setdefault(row[0], Counter()).update(sums)
    return found


@pytest.fixture
def machine(engine: Engine) -> Iterator[type[Site]]:
    """The state machine on one database."""
    yield type("SiteOnOneDatabase", (Site,), {"engine": engine})


def test_site(machine: type[Site]) -> None:
    """However servers come and go, completeness is the model's, and what was final changes by recorded corrections only."""
    examples = 100 if machine.engine.dialect.name == "sqlite" else 12  # a commit takes longer there
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None))
