"""Small plots beneath `swiftstats usage ACCOUNT`, on a terminal only: a line a figure, a column a step.

They draw what the account's page draws (query/series.py).
"""

from __future__ import annotations

from datetime import timezone
from typing import Callable, Optional, Sequence

from sqlalchemy import Connection

from swiftstats import periods
from swiftstats.config import Config
from swiftstats.fields import FIELD_INDEX, METHODS
from swiftstats.query import steps, table_question
from swiftstats.query.question import Question
from swiftstats.query.series import FUTURE, Step, series
from swiftstats.represent import as_table, bars, people
from swiftstats.store import engine as store

#: Columns of a terminal that are no step's: a figure's name before, and the most of it behind.
BESIDE = 48
Write = Callable[[int], str]
_IO: tuple[tuple[str, tuple[str, ...], Write], ...] = (
    ("Requests", METHODS, people.count), ("Bytes in", ("bytes_in",), people.size), ("Bytes out", ("bytes_out",), people.size))


def drawn(connection: Connection, question: Question, config: Config, *, space: bool, columns: int) -> str:
    """Draw requests and bytes, or space, over the question's range; nothing where it is one step, or has more than fit."""
    granularity = fitting(question, min(columns - BESIDE, config.max_periods))
    if granularity is None:
        return ""
    now = store.now(connection)
    given = {"account": [question.asked], "begin": [periods.format(question.begin)], "end": [periods.format(question.end)],
             "granularity": [granularity]}
    found = series(connection, table_question.ask(given, prefixes=config.reseller_prefix, period_seconds=config.period_seconds,
                                                  max_periods=config.max_periods, now=now), now=now).steps
    figures = [("Space", [step.space.last for step in found], people.size)] if space else [
        (name, [_sum(step, names) for step in found], write) for name, names, write in _IO]
    begun = sum(step.state != FUTURE for step in found)
    lines = [(name, f"{bars.columns(values, begun=begun)}  {_most(found, values, write)}") for name, values, write in figures]
    return f"\n{people.span(question.begin, question.end)}, by {granularity}\n" + as_table.pairs(lines, aligned=True)


def fitting(question: Question, columns: int) -> Optional[str]:
    """Return the finest step of which no more than so many columns are in the range, but two at least; else None."""
    length = question.end - question.begin
    lengths = {"period": question.period_seconds, "hour": periods.HOUR, "day": periods.DAY, "month": 28 * periods.DAY}
    for name, least in lengths.items():
        if name == "period" and least == periods.HOUR or least < question.period_seconds or length > 2 * columns * least:
            continue
        number = len(steps.edges(question.begin, question.end, name, timezone.utc, period_seconds=question.period_seconds)) - 1
        if number <= columns:
            return name if number > 1 else None
    return None


def _sum(step: Step, names: Sequence[str]) -> Optional[int]:
    return None if step.io is None else sum(step.io[FIELD_INDEX[name]] for name in names)


def _most(shown: Sequence[Step], values: Sequence[Optional[int]], write: Write) -> str:
    """Say what the highest column is, and where."""
    most = max((value for value in values if value is not None), default=None)
    if most is None:
        return "unknown"
    begin = shown[list(values).index(most)].begin
    return f"most: {write(most)}, {people.moment(begin)}" if most else "nothing"
