"""What an account's page shows of each step is what the table of many accounts has, whatever is known, gone or unknown of it."""

from __future__ import annotations

import random
from typing import Any, Mapping

import pytest
from sqlalchemy import Engine

from swiftstats.query import selection, table, table_question
from swiftstats.query.series import FINAL, FUTURE, OPEN, UNKNOWN, Series, series
from swiftstats.query.table_rows import Row
from swiftstats.store import accounts, space
from swiftstats.store import engine as engines
from swiftstats.store.space_report import Report
from tests.support.service import HOUR, T, close, count

DAY = 24 * HOUR
#: 2012-10-22 00:00:00, and three days later.
BEGIN, END = T - 8 * HOUR, T - 8 * HOUR + 3 * DAY
NOW = BEGIN + 2 * DAY + 10 * HOUR + 60
ACCOUNT = b"AUTH_7f6a"


def read(engine: Engine, period: int, size: int, status: str = "active") -> None:
    """Record a reading of the account."""
    report = Report(account=ACCOUNT, replica="proxy", position=0, read_at=period + 5, status=status, containers=2, objects=3,
                    bytes=size)
    with engines.write(engine) as connection:
        space.add_reports(connection, period=period, reports=[report], now=period + 5)


def asked(granularity: str, **given: str) -> table_question.TableQuestion:
    """Return a question about the account."""
    values: Mapping[str, Any] = {"account": ["7f6a"], "begin": ["2012-10-22"], "end": ["2012-10-25"],
                                 "granularity": [granularity], **{name: [value] for name, value in given.items()}}
    return table_question.ask(values, prefixes=("AUTH_",), period_seconds=HOUR, max_periods=8784, now=NOW)


def both(engine: Engine, question: table_question.TableQuestion) -> tuple[Series, list[Row]]:
    """Return the account's series, and its rows of the table."""
    chosen = selection.select(question, everything=True, accounts=(), prefixes=())
    with engines.read(engine) as connection:
        return series(connection, question, now=NOW), list(table.page(connection, question, chosen, now=NOW).rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("granularity", ["period", "hour", "day", "month"])
def test_steps_are_those_of_the_table(engine: Engine, granularity: str, seed: int) -> None:
    """Requests, bytes, levels, byte-hours and what was measured are the table's, step by step, with gaps and deletions."""
    chance = random.Random(seed)
    writer = count(engine, first=BEGIN, period=BEGIN + HOUR, get_count=1)
    for period in range(BEGIN, NOW, HOUR):
        if chance.random() < 0.4:
            count(engine, first=BEGIN, period=period, get_count=chance.randrange(9), passed_in=chance.randrange(2**62))
        if chance.random() < 0.7:
            read(engine, period, chance.randrange(2**50), "deleted" if chance.random() < 0.1 else "active")
    read(engine, BEGIN - 2 * HOUR, 5, "deleted" if seed else "active")
    close(engine, writer, through=BEGIN + DAY)
    for zone in ("UTC", "Europe/Berlin"):
        question = asked(granularity, timezone=zone)
        found, rows = both(engine, question)
        shown = [(step.begin, *(step.io or (None,) * 14), step.space.last, step.space.most, step.space.byte_hours,
                  step.space.objects, step.space.containers, step.space.measured, step.space.periods) for step in found.steps]
        assert [(row.time, *row.values) for row in rows] == shown


def test_states_of_steps(engine: Engine) -> None:
    """A step is final once every server has closed it, open while not, unknown before anybody counted, and else has not begun."""
    writer = count(engine, first=BEGIN + DAY, period=BEGIN + DAY, get_count=1)
    close(engine, writer, through=BEGIN + DAY + 3 * HOUR)
    found, _ = both(engine, asked("hour"))
    states = [step.state for step in found.steps]
    assert states == [UNKNOWN] * 24 + [FINAL] * 3 + [OPEN] * 32 + [FUTURE] * 13
    assert found.steps[0].io is None and found.steps[24].io is not None and found.steps[25].io == (0,) * 14
    assert found.total.state == OPEN and found.known


def test_accounts_are_counted_no_further_than_asked(engine: Engine) -> None:
    """Counting stops where it is told to; what is counted may begin so."""
    for name in (b"AUTH_a", b"AUTH_b", b"other"):
        count(engine, account=name, get_count=1)
    with engines.read(engine) as connection:
        assert [accounts.number(connection, at_most=most) for most in (1, 2, 9)] == [1, 2, 3]
        assert accounts.number(connection, at_most=9, prefixes=(b"AUTH_", b"o")) == 3
        assert accounts.number(connection, at_most=9, prefixes=(b"AUTH_",)) == 2
