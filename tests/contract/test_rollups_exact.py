"""What holds whatever is rolled up in between: every sum is that of the hours, and of the readings, to the unit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, update

from swiftstats import periods
from swiftstats.errors import StoreError
from swiftstats.fields import CELL_COUNT, CELLS, STORED_MAX, added
from swiftstats.flush.shipping import transact
from swiftstats.flush.turns import NotOurTurn
from swiftstats.periods import DAY, HOUR
from swiftstats.query import space as space_query
from swiftstats.query.question import Question
from swiftstats.store import many, schema, space, space_sums, totals, usage, writers
from swiftstats.store.engine import read, write
from swiftstats.store.ranges import DAYS
from tests.contract.test_store_rollups import FAR, T, clock, kinds, roll
from tests.contract.test_store_usage import cells, register
from tests.support import by_name
from tests.support.levels import report

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("clock")

NAMES = (b"AUTH_a", b"AUTH_b", b"(unknown)")
AMOUNTS = st.one_of(st.integers(0, 5), st.integers(0, 5), st.just(STORED_MAX))
#: Hours of three months, most of them of few days, so that they meet.
AT = st.tuples(st.sampled_from([0, 1, 2, 3, 15, 30, 31, 32]), st.sampled_from([0, 1, 12, 23])).map(
    lambda at: T + at[0] * DAY + at[1] * HOUR)
#: Ends of ranges, within and around them.
ENDS = st.tuples(st.integers(-1, 33), st.sampled_from([0, 0, 1, 13, 23])).map(lambda at: T + at[0] * DAY + at[1] * HOUR)
RANGES = st.tuples(ENDS, ENDS).map(lambda ends: (min(ends), max(ends) + HOUR))
MERGES = st.tuples(st.just("merge"), st.integers(0, 3), AT, st.sampled_from(NAMES), AMOUNTS, AMOUNTS)
ROLLS = st.tuples(st.just("roll"), st.sampled_from([1, 2, 3, 4, 6, 9, None]))
MOVES = st.tuples(st.just("move"), st.integers(0, 3), st.sampled_from(["proxy-1", "proxy-9"]))
CLOSES = st.tuples(st.just("close"), ENDS)
READS = st.tuples(st.just("read"), RANGES)
SERVERS = ("proxy-1", "proxy-1", "proxy-2", "proxy-3")


def naive(connection: Any, begin: int, end: int) -> dict[tuple[bytes, str], tuple[int, ...]]:
    """Return cells by name and server, added up in Python from every row of the hours."""
    found: dict[tuple[bytes, str], tuple[int, ...]] = {}
    query = (select(schema.accounts.c.name, schema.servers.c.name, *(schema.io_hours.c[name] for name in CELLS))
             .where(schema.io_hours.c.account_id == schema.accounts.c.id, schema.io_hours.c.writer_id == schema.writers.c.id,
                    schema.writers.c.server_id == schema.servers.c.id,
                    schema.io_hours.c.period >= begin, schema.io_hours.c.period < end))
    for name, server, *counted in connection.execute(query):
        key = bytes(name), bytes(server).decode()
        found[key] = tuple(map(int.__add__, found.get(key, (0,) * CELL_COUNT), counted))
    return found


def empty(engine: Engine) -> None:
    with write(engine) as connection:
        for table in schema.metadata.sorted_tables:
            if table.name not in ("site", "rollup_turn", "reseller_prefixes", "kept"):
                connection.execute(delete(table))
        connection.execute(update(schema.site).values(complete_through=None))
        connection.execute(update(schema.rollup_turn).values(until=0))


def check(engine: Engine, begin: int, end: int) -> None:
    """Hold every way to sum [begin, end) against the naive one."""
    with read(engine) as connection:
        rows = naive(connection, begin, end)
        ids = {each.name: each.id for each in many.named(connection, NAMES)}
        alone: dict[bytes, tuple[int, ...]] = {}
        for (name, _), counted in rows.items():
            alone[name] = tuple(map(int.__add__, alone.get(name, (0,) * CELL_COUNT), counted))
        for name in NAMES:
            assert by_name.total(connection, name, begin, end) == alone.get(name, (0,) * CELL_COUNT)
        numbers = list(ids.values())
        assert many.sums(connection, numbers, begin, end) == {(ids[name], None): counted for name, counted in alone.items()}
        assert many.sums(connection, numbers, begin, end, by_server=True) == {
            (ids[name], server): counted for (name, server), counted in rows.items()}
        for by_server in (False, True):
            for edges in (list(range(begin, end, DAY)) + [end], months_between(begin, end),
                          [*range(begin, min(begin + 30 * HOUR, end), HOUR), end]):
                expected: dict[Any, list[Any]] = {}
                together: dict[Any, list[Any]] = {}
                for step in zip(edges, edges[1:]):
                    of_step = many.sums(connection, numbers, *step, by_server=by_server)
                    for owner, counted in of_step.items():
                        expected.setdefault(owner, []).append((step[0], counted))
                    for server in {server for _, server in of_step}:
                        of_server = [counted for owner, counted in of_step.items() if owner[1] == server]
                        together.setdefault(server, []).append((step[0], tuple(map(sum, zip(*of_server)))))
                assert many.steps(connection, numbers, edges, by_server=by_server) == expected
                assert totals.steps(connection, edges, by_server=by_server) == together
        named = [counted for name, counted in alone.items() if name.startswith(b"AUTH_a")]
        assert totals.steps(connection, (begin, end), prefix=b"AUTH_a") == ({None: [(begin, named[0])]} if named else {})
        order = sorted(alone, key=lambda name: (-(alone[name][3] - alone[name][1]), name))
        top = many.top(connection, begin, end, plus=[CELLS[3]], minus=[CELLS[1]], limit=9)
        assert [each.name for each in top] == order


def months_between(begin: int, end: int) -> list[int]:
    """Return the edges of the months of a range, from and to what is not their start."""
    first = periods.next_month(periods.month(begin // DAY))
    edges = [begin]
    while first * DAY < end:
        edges.append(first * DAY)
        first = periods.next_month(first)
    return [*edges, end]


def examples(engine: Engine) -> settings:
    """Return how many examples are tried: a commit of MariaDB takes longer."""
    number = 30 if engine.dialect.name == "sqlite" else 6
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


def corrected(engine: Engine) -> dict[tuple[bytes, int], tuple[int, ...]]:
    """Return what all corrections of an account and a period add up to."""
    found: dict[tuple[bytes, int], tuple[int, ...]] = {}
    query = select(schema.accounts.c.name, schema.corrections.c.period, *(schema.corrections.c[name] for name in CELLS)).where(
        schema.corrections.c.account_id == schema.accounts.c.id)
    with read(engine) as connection:
        for name, period, *grown in connection.execute(query):
            found[bytes(name), period] = added(found.get((bytes(name), period)), tuple(grown))
    return found


def test_every_sum_is_that_of_the_hours(engine: Engine) -> None:
    """With several writers, late rows, corrections, and rollups cut anywhere, every sum equals that of the hours, exactly; and
    the corrections add up to what grew after the site had completed it."""
    @examples(engine)
    @given(actions=st.lists(st.one_of(MERGES, MERGES, MERGES, ROLLS, ROLLS, READS, MOVES, CLOSES), max_size=16), last=RANGES)
    def holds(actions: list[Any], last: tuple[int, int]) -> None:
        empty(engine)
        with write(engine) as connection:
            registered = [register(connection, server, f"{number:x}") for number, server in enumerate(SERVERS)]
        kept: dict[tuple[int, int, bytes], tuple[int, ...]] = {}
        late: dict[tuple[bytes, int], tuple[int, ...]] = {}
        completed: int | None = None
        for action, *of in actions:
            if action == "merge":
                number, period, name, gets, size = of
                counted = cells(get_count=gets, passed_out=size, passed_in=size, unbilled_bytes_out=gets)
                with write(engine) as connection:
                    usage.merge(connection, writer=registered[number], period=period, now=period, rows=[(name, counted)])
                before = kept.get((number, period, name), (0,) * CELL_COUNT)
                kept[number, period, name] = tuple(map(max, before, counted))
                grown = tuple(new - old for new, old in zip(kept[number, period, name], before))
                if completed is not None and period + HOUR <= completed and any(grown):
                    late[name, period] = added(late.get((name, period)), grown)
            elif action == "close":
                with write(engine) as connection:
                    writers.close(connection, writers=registered, through=of[0], ended=[], now=of[0])
                    completed = connection.execute(select(schema.site.c.complete_through)).scalar()
            elif action == "move":
                number, server = of
                with write(engine) as connection:
                    registered[number] = register(connection, server, f"{number:x}")
            elif action == "roll":
                roll(engine, steps=of[0])
            else:
                check(engine, *of[0])
        check(engine, *last)
        roll(engine)
        check(engine, *last)
        assert corrected(engine) == late

    holds()


LEVELS = st.tuples(st.just("read"), st.sampled_from(NAMES), AT, st.sampled_from(["active", "active", "deleted", "missing"]),
                   st.sampled_from([0, 1, 1000, STORED_MAX]), st.sampled_from(["a/1", "b/1"]))


def test_space_is_that_of_the_readings(engine: Engine) -> None:
    """Readings in any order, gone accounts, and rollups cut anywhere: what a range occupied follows from its details, exactly."""
    @examples(engine)
    @given(actions=st.lists(st.one_of(LEVELS, LEVELS, LEVELS, ROLLS), max_size=14),
           asked=st.lists(RANGES, min_size=1, max_size=4), now=st.sampled_from([FAR, T + 20 * DAY + 5 * HOUR]))
    def holds(actions: list[Any], asked: list[tuple[int, int]], now: int) -> None:
        empty(engine)
        for action, *of in actions:
            if action == "roll":
                roll(engine, steps=of[0])
            elif of[1] <= now:
                name, period, status, size, replica = of
                with write(engine) as connection:
                    space.add_reports(connection, period=period, now=period, reports=[
                        report(account=name, replica=replica, read_at=period + 5, status=status, size=size, objects=size // 7)])
        for _ in range(2):
            with read(engine) as connection:
                for name in NAMES:
                    for begin, end in asked:
                        question = Question("", name, begin, end, HOUR)
                        found = space_query.total(connection, question, now=now).values
                        assert found == from_details(space_query.detail(connection, question, now=now), end - begin)
                ids = [each.id for each in many.named(connection, NAMES)]
                for begin, end in asked:
                    for edges in ([*range(begin, end, DAY), end], [*range(begin, end, 7 * HOUR), end],
                                  months_between(begin, end)):
                        assert space_sums.steps(connection, ids, edges, period_seconds=HOUR, now=now) == [
                            many.space(connection, ids, *step, period_seconds=HOUR, now=now) for step in zip(edges, edges[1:])]
            roll(engine)

    holds()


def from_details(detail: Any, length: int) -> tuple[Any, ...]:
    """Return the values of space_sum, from those of space_detail alone."""
    levels = [values for _, values in detail.rows if values is not None]
    if not levels:
        return (None, None, None, None, None, length // HOUR, 0)
    sizes = [size for _, _, size in levels]
    average = (2 * sum(sizes) + len(sizes)) // (2 * len(sizes))
    return (sum(sizes), max(sizes), sizes[-1], average, max(objects for _, objects, _ in levels), length // HOUR, len(sizes))


def test_flushes_and_rollups_at_once(engine: Engine) -> None:
    """Writers that flush the same days while two processes roll up: no mark is lost, and in the end every sum is right."""
    rounds, deadlocks = 12, []
    with write(engine) as connection:
        registered = [register(connection, f"proxy-{number}", f"{number:x}") for number in range(3)]
    names = [b"AUTH_%03d" % number for number in range(40)]
    done = threading.Event()

    def flush(number: int) -> None:
        for count in range(1, rounds + 1):
            for day in range(2):
                transact(engine, lambda connection, count=count, day=day: usage.merge(  # type: ignore[misc]
                    connection, writer=registered[number], period=T + day * DAY + count % 3 * HOUR, now=T,
                    rows=[(name, cells(get_count=count)) for name in names]))

    def keep_rolling(holder: str) -> None:
        while not done.is_set():
            try:
                roll(engine, holder=holder)
            except NotOurTurn:
                pass
            except StoreError as error:
                deadlocks.append(error)

    with ThreadPoolExecutor(5) as pool:
        flushes = [pool.submit(flush, number) for number in range(3)]
        rollers = [pool.submit(keep_rolling, holder) for holder in ("one", "two")]
        for future in flushes:
            future.result(120)
        done.set()
        for future in rollers:
            future.result(120)
    assert deadlocks == []
    roll(engine)
    assert kinds(engine, T, T + 2 * DAY) == [DAYS]
    with read(engine) as connection:
        ids = [each.id for each in many.named(connection, names)]
        expected = cells(get_count=3 * 2 * (rounds + rounds - 1 + rounds - 2))
        assert set(many.sums(connection, ids, T, T + 2 * DAY).values()) == {expected}
        assert connection.execute(select(func.count()).select_from(schema.rollup_marks)).scalar() == 0
