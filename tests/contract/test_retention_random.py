"""Retention at random: whatever is merged, corrected, rolled up and let go of in between, no sum over days changes by it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update

from swiftstats.fields import CELL_COUNT, added
from swiftstats.periods import DAY, HOUR
from swiftstats.store import kept, many, schema, usage, writers
from swiftstats.store.engine import read, write
from tests.contract.test_retention import LATER, NAMES, NEXT, NOW, OLD, clock, leave, rolled
from tests.contract.test_store_usage import cells
from tests.contract.test_store_writers import register
from tests.support import by_name

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("clock")

Cells = tuple[int, ...]
NOTHING: Cells = (0,) * CELL_COUNT
DAYS = st.sampled_from([OLD - 1, OLD, OLD + 1, NEXT - 1, NEXT, NEXT + 1, LATER - 1, LATER, LATER + 1])
MERGES = st.tuples(st.just("merge"), st.integers(0, 1), DAYS, st.integers(0, 2), st.sampled_from(NAMES), st.integers(1, 9))
ROLLS = st.tuples(st.just("roll"))
LEAVES = st.tuples(st.just("leave"), st.sampled_from([1, 2]))


def empty(engine: Engine) -> None:
    with write(engine) as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table.name not in ("site", "rollup_turn", "reseller_prefixes", "kept"):
                connection.execute(delete(table))
        connection.execute(update(schema.site).values(complete_through=None))
        connection.execute(update(schema.rollup_turn).values(until=0))
        connection.execute(update(schema.kept).values(hours_from=0))


def check(engine: Engine, ledger: dict[tuple[int, int, bytes], Cells]) -> None:
    """Hold sums by day and by account, and the hours that are kept, against the ledger."""
    with read(engine) as connection:
        since = kept.hours_from(connection)
        ids = {each.name: each.id for each in many.named(connection, NAMES)}
        edges = range((OLD - 2) * DAY, (LATER + 3) * DAY + 1, DAY)
        by_day = many.steps(connection, list(ids.values()), edges)
        for name in NAMES:
            days: dict[int, Cells] = {}
            hours: dict[int, Cells] = {}
            for (_, period, of), counted in ledger.items():
                if of == name and any(counted):
                    days[period // DAY * DAY] = added(days.get(period // DAY * DAY), counted)
                    if period >= since:
                        hours[period] = added(hours.get(period), counted)
            whole = tuple(map(sum, zip(*days.values()))) if days else NOTHING
            assert by_name.total(connection, name, edges[0], edges[-1]) == whole
            found = by_day.get((ids[name], None), []) if name in ids else []
            assert [each for each in found if any(each[1])] == sorted(days.items())
            assert list(by_name.hours(connection, name, since or edges[0], edges[-1])) == sorted(hours.items())


def test_no_sum_changes(engine: Engine) -> None:
    """Rows of days that are kept count, late ones too; those of days that have left are refused, recorded, and change nothing."""
    number = 20 if engine.dialect.name == "sqlite" else 5

    @settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))
    @given(actions=st.lists(st.one_of(MERGES, MERGES, MERGES, MERGES, ROLLS, LEAVES), max_size=18))
    def holds(actions: list[Any]) -> None:
        empty(engine)
        with write(engine) as connection:
            both = [register(connection, f"proxy-{name}", name, first=(OLD - 2) * DAY) for name in "ab"]
            writers.close(connection, writers=both, through=NOW // HOUR * HOUR, ended=[], now=NOW)
        ledger: dict[tuple[int, int, bytes], Cells] = {}
        refused: set[tuple[int, bytes]] = set()
        for action, *of in actions:
            if action == "merge":
                number, day, hour, name, gets = of
                period, counted = day * DAY + hour * HOUR, cells(get_count=gets, passed_out=7 * gets)
                with write(engine) as connection:
                    has_left = period < kept.hours_from(connection)
                    usage.merge(connection, writer=both[number], period=period, rows=[(name, counted)], now=NOW)
                if not has_left:
                    ledger[number, period, name] = tuple(map(max, ledger.get((number, period, name), NOTHING), counted))
                else:
                    refused.add((period, name))
            elif action == "roll":
                rolled(engine)
            else:
                leave(engine, keep_months=of[0])
            check(engine, ledger)
        rolled(engine)
        leave(engine)
        rolled(engine)
        check(engine, ledger)
        with read(engine) as connection:
            found = connection.execute(select(schema.losses.c.subject, schema.losses.c.begin).where(
                schema.losses.c.kind == "refused")).all()
        assert {(each.begin, bytes(each.subject)) for each in found} == refused

    holds()
