"""The space that one account occupies over a range: a level per period, or what follows of it for the whole range.

A level is not a total: each period has the last reading in it, or is unknown, and over the measured periods it becomes
byte-hours. An account that was found deleted, or not there, occupies nothing until it is read as active again, also where no
crawler finds it any more. The sum is made in the store by the same rule, where a test holds it against the details.
"""

from __future__ import annotations

from itertools import groupby
from typing import Iterable, Iterator, Optional, Sequence

from sqlalchemy import Connection

from swiftstats import fields, periods
from swiftstats.names import text_of
from swiftstats.query import answer, kept
from swiftstats.query.answer import Values
from swiftstats.query.freshness import Header
from swiftstats.query.question import Question
from swiftstats.store import space
from swiftstats.store.kept import hours_from
from swiftstats.store.space import Reading

TITLES = tuple(figure.title for figure in fields.SPACE_FIELDS)
#: What `by` may name.
PARTS = ("policy", "container")
ZEROS = (0,) * len(TITLES)

#: Of a reading, by name: ((name, values), …), None where that is not known.
Named = Optional[Sequence[tuple[str, Values]]]
#: Some periods in a row that are alike: start of the first, how many, their figures, and these by name.
Span = tuple[int, int, Optional[tuple[int, ...]], Named]


class Sum(answer.Sum):
    """What follows for the whole range; `values` in the order of fields.SPACE_SUM_FIELDS."""

    query, titles = "space_sum", tuple(figure.title for figure in fields.SPACE_SUM_FIELDS)


class Detail(answer.Detail):
    """The range period by period; None where no reading succeeded."""

    query, titles = "space_detail", TITLES


class Breakdown(answer.Breakdown):
    """The range period by period, by storage policy or container; None where that is not known."""

    query, titles = "space_detail", TITLES


def total(connection: Connection, question: Question, *, now: float) -> Sum:
    """Return the sum over the range; `now` tells which periods have begun. Raises BadQuestion; see kept.py."""
    kept.check_sum(connection, question, hours_from(connection))
    above = header(connection, question)
    found = space.total(connection, question.account, question.begin, question.end,
                        period_seconds=question.period_seconds, now=now)
    asked = (question.end - question.begin) // question.period_seconds
    if found is None:
        return Sum(above, (None, None, None, None, None, asked, 0))
    average = half_up(found.byte_seconds, found.measured * question.period_seconds)
    return Sum(above, (half_up(found.byte_seconds, periods.HOUR), found.max_bytes, found.last_bytes, average, found.max_objects,
                       asked, found.measured))


def detail(connection: Connection, question: Question, *, now: float) -> Detail:
    """Return the range period by period. Raises BadQuestion; see kept.py."""
    kept.check_detail(question, hours_from(connection))
    above = header(connection, question)
    return Detail(above, ((start, values) for start, values, _ in _periods(connection, question, now=now)))


def breakdown(connection: Connection, question: Question, *, by: str, now: float) -> Breakdown:
    """Return the range period by period, each by `by`, one of PARTS. Raises BadQuestion; see kept.py."""
    kept.check_detail(question, hours_from(connection))
    above = header(connection, question)
    return Breakdown(above, ((start, named) for start, _, named in _periods(connection, question, by=by, now=now)))


def header(connection: Connection, question: Question) -> Header:
    """Read what stands above the answer: up to when every account was read, and whose crawlers have not been through."""
    complete = space.complete_through(connection)
    waiting = None
    if complete is None or complete < question.end:
        waiting = space.waiting_for(connection, question.end - question.period_seconds)
    return Header(question, complete, waiting, (), ())


def half_up(dividend: int, divisor: int) -> int:
    """Divide whole numbers, rounding a half up."""
    return (2 * dividend + divisor) // (2 * divisor)


def spans(question: Question, found: Iterable[tuple[Reading, Named]], *, gone: bool, now: float) -> Iterator[Span]:
    """Yield the whole range as spans; `found` is ascending, and may come in shorter periods than the question's.

    `gone`: the last reading before the range found the account deleted, or not there. No span reaches over what has not begun.
    """
    seconds, at = question.period_seconds, question.begin
    for start, group in groupby(found, key=lambda each: periods.floor(each[0].period, seconds)):
        *_, (reading, named) = group
        yield from _gap(at, start, seconds, gone=gone, now=now)
        gone = reading.status != "active"
        yield start, 1, (reading.containers, reading.objects, reading.bytes), named
        at = start + seconds
    yield from _gap(at, question.end, seconds, gone=gone, now=now)


def _gap(begin: int, end: int, seconds: int, *, gone: bool, now: float) -> Iterator[Span]:
    """Yield what is known of periods without a reading: nothing, or of an account that is gone, that it occupied nothing."""
    if gone:
        begun = min(end, periods.floor(now, seconds) + seconds)
        if begin < begun:
            yield begin, (begun - begin) // seconds, ZEROS, ()
            begin = begun
    if begin < end:
        yield begin, (end - begin) // seconds, None, None


def _spans(connection: Connection, question: Question, *, by: str | None = None, now: float) -> Iterator[Span]:
    status = space.last_status(connection, question.account, question.begin)
    return spans(question, _found(connection, question, by), gone=status not in (None, "active"), now=now)


def _periods(connection: Connection, question: Question, *, by: str | None = None, now: float,
             ) -> Iterator[tuple[int, Optional[tuple[int, ...]], Named]]:
    for start, count, values, named in _spans(connection, question, by=by, now=now):
        for number in range(count):
            yield start + number * question.period_seconds, values, named


def _found(connection: Connection, question: Question, by: str | None) -> Iterator[tuple[Reading, Named]]:
    of = connection, question.account, question.begin, question.end
    if by == "policy":
        for reading, policies in space.policies(*of):
            yield reading, None if policies is None else [
                (text_of(each.name.encode("utf-8", "surrogateescape")), (each.containers, each.objects, each.bytes))
                for each in policies]
    elif by == "container":
        for reading, containers in space.containers(*of):
            yield reading, None if containers is None else [
                (text_of(name), (1, objects, size)) for name, objects, size in containers]
    else:
        for reading in space.readings(*of):
            yield reading, None
