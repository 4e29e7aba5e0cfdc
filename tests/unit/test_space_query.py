"""What follows from readings of space: which periods are known, what a gap is, and sums in whole numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats.query import space
from swiftstats.query.question import Question
from swiftstats.store.space import Reading
from tests.support.service import HOUR, T


def question(hours: int = 6, seconds: int = HOUR) -> Question:
    return Question("7f6a", b"AUTH_7f6a", T, T + hours * HOUR, seconds)


def reading(period: int, size: int = 5, status: str = "active") -> tuple[Reading, None]:
    return Reading(period, status, 1, 2, size, period + 60), None


def periods_of(found: list[tuple[Reading, None]], *, gone: bool = False, now: float = T + 99 * HOUR, hours: int = 6,
               seconds: int = HOUR) -> list[int | None]:
    """Return the bytes of each period; each span must begin where the one before ended."""
    levels: list[int | None] = []
    at = T
    for start, count, values, _ in space.spans(question(hours, seconds), found, gone=gone, now=now):
        assert start == at and count > 0
        at += count * seconds
        levels += [None if values is None else values[2]] * count
    assert at == T + hours * HOUR
    return levels


def test_unknown_is_not_zero() -> None:
    """A period without a reading is unknown, before, between and after those that have one."""
    assert periods_of([reading(T + HOUR), reading(T + 3 * HOUR)]) == [None, 5, None, 5, None, None]
    assert periods_of([]) == [None] * 6


def test_gone_is_zero() -> None:
    """From its deletion on an account is zero, read or not, until it is active again; also before the range begins."""
    assert periods_of([reading(T), reading(T + HOUR, 0, "deleted"), reading(T + 4 * HOUR, 7)]) == [5, 0, 0, 0, 7, None]
    assert periods_of([reading(T + 2 * HOUR)], gone=True) == [0, 0, 5, None, None, None]
    assert periods_of([reading(T, 0, "missing")]) == [0] * 6


def test_what_has_not_begun_is_unknown() -> None:
    """What is gone is zero up to the running period, and unknown after it, since it may come back."""
    assert periods_of([reading(T, 0, "deleted")], now=T + 2 * HOUR) == [0, 0, 0, None, None, None]
    assert periods_of([], gone=True, now=T - 9 * HOUR) == [None] * 6


def test_shorter_periods_of_readings() -> None:
    """Where readings come more often than the question's periods, the last one in each stands."""
    found = [reading(T + quarter * 900, quarter) for quarter in range(6)]
    assert periods_of(found) == [3, 5, None, None, None, None]
    assert periods_of(found[:4], hours=1, seconds=900) == [0, 1, 2, 3]


@given(st.integers(0, 2**200), st.integers(1, 2**70))
def test_half_up(dividend: int, divisor: int) -> None:
    """A quotient is rounded half up, exactly, however large."""
    rounded = space.half_up(dividend, divisor)
    assert -Fraction(1, 2) < rounded - Fraction(dividend, divisor) <= Fraction(1, 2)


@pytest.mark.parametrize(("dividend", "expected"), [(0, 0), (1, 0), (2, 1), (3, 1), (5, 1), (6, 2)])
def test_half_up_of_quarters(dividend: int, expected: int) -> None:
    """Of quarters: one is down, two and three are up."""
    assert space.half_up(dividend, 4) == expected
