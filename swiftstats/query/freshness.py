"""How final an answer is: complete up to when, waiting for whom, and which periods are known to lack something or were mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from sqlalchemy import Connection

from swiftstats import periods
from swiftstats.query.question import Question
from swiftstats.query.table_question import TableQuestion
from swiftstats.store import losses, usage, writers
from swiftstats.store.glance import Glance


@dataclass(frozen=True)
class Header:
    """What stands above every answer. Moments and starts of periods are seconds, UTC."""

    question: Question
    complete_through: int | None  #: up to which the whole site is complete, never cut to the range; None: nothing is closed
    waiting_for: tuple[str, ...] | None  #: servers that have not closed the range; None: the range is complete
    incomplete: tuple[int, ...]  #: periods of the range with a recorded loss, or given up by retiring a server
    corrected: tuple[int, ...]  #: periods of the range whose figures for this account changed after they were complete


def header(connection: Connection, question: Question, seen: Glance) -> Header:
    """Read what stands above the answer; to be called before the counts are read, in the same snapshot, never after."""
    begin, end, account = question.begin, question.end, question.account
    complete = seen.complete_through
    waiting = None
    if complete is None or complete < end:
        waiting = writers.complete_through(connection).waiting_for(end)
    lost = losses.spans(connection, begin, end, account=account) if seen.has_losses else ()
    corrections = usage.corrections_between(connection, account, begin, end) if seen.has_corrections else ()
    return Header(
        question=question,
        complete_through=complete,
        waiting_for=waiting,
        incomplete=touched(question, lost),
        corrected=touched(question, ((start, start + 1) for start in corrections)),
    )


def touched(question: Question | TableQuestion, spans: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return the starts of the question's periods that any of the half-open `spans` reaches into, in order."""
    found: set[int] = set()
    for begin, end in spans:
        start = max(question.begin, periods.floor(begin, question.period_seconds))
        found.update(range(start, min(question.end, end), question.period_seconds))
    return tuple(sorted(found))
