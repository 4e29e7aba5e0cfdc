"""Requests and bytes of one account over a range: the sum, or period by period.

The caller opens one read snapshot for an answer; the header is read first in it, then the counts.
"""

from __future__ import annotations

from itertools import groupby
from typing import Iterable, Iterator

from sqlalchemy import Connection

from swiftstats import fields, periods
from swiftstats.query import answer, freshness, kept
from swiftstats.query.question import Question
from swiftstats.store import glance, usage

TITLES = tuple(field.title for field in fields.FIELDS)
ZEROS = fields.values((0,) * fields.CELL_COUNT)


class Sum(answer.Sum):
    """The whole range in one; `values` in the order of fields.FIELDS."""

    query, titles = "io_sum", TITLES


class Detail(answer.Detail):
    """The range period by period; None where a period has not begun or nothing was recorded."""

    query, titles = "io_detail", TITLES


def total(connection: Connection, question: Question) -> Sum:
    """Return the sum over the range. An account that was never seen has zeros. Raises BadQuestion; see kept.py."""
    seen = glance.at(connection, question.account, question.begin, question.end)
    kept.check_sum(connection, question, seen.hours_from)
    header = freshness.header(connection, question, seen)
    return Sum(header, fields.values(usage.total(connection, seen.account_id, question.begin, question.end)))


def detail(connection: Connection, question: Question, *, now: float) -> Detail:
    """Return the range period by period; `now` tells which periods have begun. Raises BadQuestion; see kept.py."""
    seen = glance.at(connection, question.account, question.begin, question.end)
    kept.check_detail(question, seen.hours_from)
    header = freshness.header(connection, question, seen)
    first = usage.first_recorded(connection)
    counted = usage.hours(connection, seen.account_id, question.begin, question.end)
    return Detail(header, every_period(question, counted, first=first, now=now))


def every_period(question: Question, counted: Iterable[tuple[int, tuple[int, ...]]], *, first: int | None,
                 now: float) -> Iterator[tuple[int, tuple[int, ...] | None]]:
    """Yield each period of the question with its values; what was counted is always shown, so details add up to the sum.

    `counted` is (start, cells) ascending, and may come in shorter periods than the question's. `first` is the start of the
    first period that any server recorded.
    """
    seconds = question.period_seconds
    groups = groupby(counted, key=lambda row: periods.floor(row[0], seconds))
    group = next(groups, None)
    for start in range(question.begin, question.end, seconds):
        if group is not None and group[0] == start:
            cells = [sum(column) for column in zip(*(row[1] for row in group[1]))]
            yield start, fields.values(cells)
            group = next(groups, None)
        elif first is None or start < periods.floor(first, seconds) or start > now:
            yield start, None
        else:
            yield start, ZEROS
