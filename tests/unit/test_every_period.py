"""Every period of a range: zero, unknown and not begun are told apart, and nothing that was counted is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swiftstats.fields import CELL_COUNT, FIELDS, values
from swiftstats.query.freshness import touched
from swiftstats.query.io import ZEROS, every_period
from swiftstats.query.question import Question

HOUR = 3600
T = 1_350_892_800
ONES = tuple(range(CELL_COUNT, 0, -1))


def question(hours: int, seconds: int = HOUR) -> Question:
    return Question("a", b"AUTH_a", T, T + hours * HOUR, seconds)


def test_states_of_a_period() -> None:
    """Before the first recorded and not yet begun is null; without traffic, or so far, is zero; counted is counted."""
    rows = list(every_period(question(6), [(T + 2 * HOUR, ONES)], first=T + HOUR, now=T + 4 * HOUR))
    assert rows == [(T, None), (T + HOUR, ZEROS), (T + 2 * HOUR, values(ONES)), (T + 3 * HOUR, ZEROS), (T + 4 * HOUR, ZEROS),
                    (T + 5 * HOUR, None)]


def test_nothing_ever_recorded() -> None:
    """Where no server ever recorded anything, nothing is known: null, not zero."""
    assert list(every_period(question(1), [], first=None, now=T + HOUR)) == [(T, None)]


def test_clock_behind() -> None:
    """What a host ahead of the clock has counted in a period not begun is shown: details add up to the sum."""
    assert list(every_period(question(1), [(T, ONES)], first=T, now=T - HOUR)) == [(T, values(ONES))]


@given(st.dictionaries(st.integers(0, 23), st.integers(0, 2**64), max_size=24))
def test_shorter_periods_add_up(counted: dict[int, int]) -> None:
    """Quarters counted by hosts of shorter periods add up within the hour that is asked for."""
    rows = [(T + quarter * 900, (amount,) * CELL_COUNT) for quarter, amount in sorted(counted.items())]
    shown = list(every_period(question(6), rows, first=T, now=T + 6 * HOUR))
    gets = next(index for index, field in enumerate(FIELDS) if field.name == "GET")
    assert [start for start, _ in shown] == [T + hour * HOUR for hour in range(6)]
    assert sum(row[gets] for _, row in shown if row is not None) == sum(counted.values())


def test_touched() -> None:
    """A span touches each period that it reaches into, within the range, once."""
    spans = [(T - 10 * HOUR, T + 1), (T + HOUR + 5, T + HOUR + 6), (T + HOUR, T + 2 * HOUR), (T + 3 * HOUR, T + 99 * HOUR)]
    assert touched(question(4), spans) == (T, T + HOUR, T + 3 * HOUR)
    assert touched(question(4), [(T - HOUR, T), (T + 4 * HOUR, T + 5 * HOUR)]) == ()
