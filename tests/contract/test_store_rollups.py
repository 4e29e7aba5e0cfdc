"""The contract of rollups: whatever is rolled up, whenever, by whom, every sum is that of the hours."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import Engine, select

from swiftstats import periods
from swiftstats.fields import STORED_MAX
from swiftstats.flush import rollup
from swiftstats.flush.rollup import roll_up
from swiftstats.flush.turns import NotOurTurn
from swiftstats.periods import DAY, HOUR
from swiftstats.store import many, ranges, schema, usage
from swiftstats.store.engine import read, write
from swiftstats.store.ranges import DAYS, HOURS, MONTHS
from tests.contract.test_store_usage import cells, register
from tests.support import by_name

NUMBERS = itertools.count()
#: 2024-01-30: ranges from here reach over a month of 31 days, one of 29 and into a third.
FIRST = periods.parse("2024-01-30") // DAY
T = FIRST * DAY
FAR = T + 400 * DAY


def roll(engine: Engine, *, holder: str = "test", now: int = FAR, steps: int | None = None) -> int:
    """Roll up, no more than so many transactions; return how many there were."""
    job = roll_up(engine, holder=holder, period_seconds=HOUR, now=lambda: now)
    made = sum(1 for _ in itertools.islice(job, steps))
    job.close()  # type: ignore[attr-defined]
    return made


def add(engine: Engine, name: bytes, period: int, *, writer: str = "a", server: str = "proxy-1", **counted: int) -> None:
    with write(engine) as connection:
        usage.merge(connection, writer=register(connection, server, writer), period=period, now=period,
                    rows=[(name, cells(**counted))])


def kinds(engine: Engine, begin: int, end: int) -> list[str]:
    with read(engine) as connection:
        return [part.kind for part in ranges.cover(connection, begin, end)]


def total(engine: Engine, name: bytes, begin: int, end: int) -> tuple[int, ...]:
    with read(engine) as connection:
        return by_name.total(connection, name, begin, end)


@pytest.fixture
def clock(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is the tests' own, on every database."""
    monkeypatch.setattr(rollup.engines, "clock", lambda connection: None)


pytestmark = pytest.mark.usefixtures("clock")


def test_months_days_and_hours_at_the_edges(engine: Engine) -> None:
    """A range over rolled up days is read from whole months, days, and hours at the edges; what changed since, from hours."""
    for day in range(40):
        add(engine, b"AUTH_a", T + day * DAY + 5 * HOUR, get_count=day + 1)
    everything = (T + 4 * HOUR, T + 40 * DAY - HOUR)
    before = total(engine, b"AUTH_a", *everything)
    assert DAYS not in kinds(engine, T, T + 40 * DAY)
    roll(engine)
    assert kinds(engine, *everything) == [HOURS, DAYS, MONTHS, DAYS, HOURS]
    assert total(engine, b"AUTH_a", *everything) == before == cells(get_count=820)
    add(engine, b"AUTH_a", T + 10 * DAY + 6 * HOUR, get_count=7)
    assert kinds(engine, *everything) == [HOURS, DAYS, HOURS, DAYS, HOURS]
    assert total(engine, b"AUTH_a", *everything) == cells(get_count=827)
    roll(engine)
    assert kinds(engine, *everything) == [HOURS, DAYS, MONTHS, DAYS, HOURS]
    assert total(engine, b"AUTH_a", *everything) == cells(get_count=827)


def test_a_day_that_is_not_over_is_left(engine: Engine) -> None:
    """Only days that are over, and a while, are rolled up; with nothing to do, nothing is written."""
    add(engine, b"AUTH_a", T, get_count=1)
    assert roll(engine, now=T + DAY + rollup.SETTLE_SECONDS - 1) == 0
    assert roll(engine, now=T + DAY + rollup.SETTLE_SECONDS) > 0
    with read(engine) as connection:
        changes = connection.execute(select(schema.rollup_turn.c.changes)).scalar()
    assert roll(engine) > 0, "the month"
    assert roll(engine) == 0
    with read(engine) as connection:
        assert connection.execute(select(schema.rollup_turn.c.changes)).scalar() > (changes or 0)


def test_changed_while_it_is_rolled_up(engine: Engine) -> None:
    """Rows that come between any two transactions of a rollup leave their day marked, and every sum right."""
    count = 0
    for stop in itertools.count(1):
        job = roll_up(engine, holder="test", period_seconds=HOUR, now=lambda: FAR)
        count += 1
        add(engine, b"AUTH_a", T + HOUR, get_count=count)
        done = sum(1 for _ in itertools.islice(job, stop))
        count += 1
        add(engine, b"AUTH_a", T + HOUR, get_count=count)
        assert total(engine, b"AUTH_a", T, T + DAY) == cells(get_count=count)
        list(job)
        assert total(engine, b"AUTH_a", T, T + DAY) == cells(get_count=count)
        assert kinds(engine, T, T + DAY) == [HOURS]
        if done < stop:
            break
    roll(engine)
    assert kinds(engine, T, T + DAY) == [DAYS] and total(engine, b"AUTH_a", T, T + DAY) == cells(get_count=count)


def test_sums_beyond_63_bits(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A day or month whose sum no 64-bit integer holds is answered from finer rows, said once, and tried again after a change."""
    add(engine, b"AUTH_a", T, passed_in=STORED_MAX)
    add(engine, b"AUTH_a", T + DAY, passed_in=STORED_MAX)
    add(engine, b"AUTH_a", T + DAY, passed_in=1, writer="b")
    for _ in range(3):
        roll(engine)
    assert [message.split(" has ")[0] for message in caplog.messages] == ["usage of 2024-01-31"]
    assert kinds(engine, T, T + 2 * DAY) == [DAYS, HOURS]
    assert total(engine, b"AUTH_a", T, T + 2 * DAY) == cells(passed_in=2 * STORED_MAX + 1)
    caplog.clear()
    for hour in range(2):
        add(engine, b"AUTH_m", T + (3 + hour) * DAY, passed_in=STORED_MAX)
    for _ in range(3):
        roll(engine)
    assert [message.split(" has ")[0] for message in caplog.messages] == ["usage of 2024-02"]
    assert total(engine, b"AUTH_m", T + 2 * DAY, T + 31 * DAY) == cells(passed_in=2 * STORED_MAX)
    with read(engine) as connection:
        assert many.top(connection, T, T + 31 * DAY, plus=["passed_in"], limit=2)[0].name == b"AUTH_a"


def test_one_at_a_time(engine: Engine) -> None:
    """While one process rolls up, another is told whose turn it is; one that was killed is waited for no longer than a minute."""
    add(engine, b"AUTH_a", T, get_count=1)
    clock = [FAR]
    one = roll_up(engine, holder="proxy-1/7", period_seconds=HOUR, now=lambda: clock[0])
    next(one)
    with pytest.raises(NotOurTurn, match="proxy-1/7"):
        roll(engine, holder="proxy-2/8")
    assert roll(engine, holder="proxy-2/8", now=FAR + 61) > 0
    add(engine, b"AUTH_a", T, get_count=2)
    clock[0] += 61
    other = roll_up(engine, holder="proxy-2/8", period_seconds=HOUR, now=lambda: FAR + 61)
    next(other)
    with pytest.raises(NotOurTurn, match="proxy-2/8"):
        list(one)
    list(other)
    assert kinds(engine, T, T + DAY) == [DAYS] and total(engine, b"AUTH_a", T, T + DAY) == cells(get_count=2)


def test_a_writer_that_moves_takes_its_months_along(engine: Engine) -> None:
    """Sums by server are those of the hours when a writer is found under another server name after its month was rolled up."""
    month = periods.parse("2024-02-01")
    for server, writer in (("proxy-1", "a"), ("proxy-1", "b"), ("proxy-2", "c")):
        add(engine, b"AUTH_a", month, server=server, writer=writer, get_count=1)
    roll(engine)
    end = periods.parse("2024-03-01")
    for renamed in (False, True):
        if renamed:
            with write(engine) as connection:
                register(connection, "proxy-3", "b")
        with read(engine) as connection:
            assert ranges.cover(connection, month, end)[0].kind == MONTHS
            ids = [each.id for each in many.named(connection, [b"AUTH_a"])]
            hourly = many.hours(connection, ids, month, end, by_server=True)
            sums = many.sums(connection, ids, month, end, by_server=True)
            assert {owner: [(month, counted)] for owner, counted in sums.items()} == hourly
            assert len(sums) == 2 + renamed
