"""Refuse what hours would have to tell that are kept no longer, and say from when on they are.

Before that moment there are days and months of UTC, over all servers; months by server too. Every question goes through here,
in the snapshot that answers it, so that the service, its pages and the command line refuse the same.
"""

from __future__ import annotations

from datetime import timezone
from typing import Callable, Iterable, Optional

from sqlalchemy import Connection

from swiftstats import periods
from swiftstats.periods import DAY
from swiftstats.query import steps
from swiftstats.query.question import BadQuestion, Fault, Question
from swiftstats.query.table_question import TableQuestion
from swiftstats.store import completeness, kept

Whole = Callable[[int], bool]


def check_sum(connection: Connection, question: Question, since: int) -> None:
    """Raise BadQuestion where a sum over the range needs hours that have left; `since`: the moment from which they are kept."""
    if question.begin < since and _other_periods(connection, question):
        raise BadQuestion([Fault("begin_time", periods.format(question.begin), _later(since))])
    ends = (("begin_time", question.begin), ("end_time", question.end))
    faults = [Fault(name, periods.format(moment), _expected(moment, since, _whole_day, "day"))
              for name, moment in ends if moment < since and not _whole_day(moment)]
    if faults:
        raise BadQuestion(faults)


def check_detail(question: Question, since: int) -> None:
    """Raise BadQuestion where the range, period by period, begins before the moment from which hours are kept."""
    if question.begin < since:
        raise BadQuestion([Fault("begin_time", periods.format(question.begin), _later(since))])


def check_table(connection: Connection, question: TableQuestion) -> None:
    """Raise BadQuestion where a table needs hours that have left."""
    since = kept.hours_from(connection)
    if question.begin >= since:
        return
    begin, zone = steps.iso(question.begin, question.zone), question.zone
    where = f"hours are kept from {steps.iso(since, zone)} on"
    whole, unit = (_whole_month, "month") if question.by_server else (_whole_day, "day")
    amiss = _amiss(question.edges, since, whole)
    if question.granularity in ("period", "hour"):
        fault = Fault("granularity", question.granularity, f"day, month or total; or begin from then on: {where}")
    elif amiss is None and not (question.space and _other_periods(connection, question)):
        return
    elif question.by_server and question.granularity == "day":
        fault = Fault("granularity", "day", f"month or total; or begin from then on: {where}, and before it servers by month")
    elif question.zone is not timezone.utc and _amiss((question.begin, question.end), since, whole) is not None:
        fault = Fault("timezone", question.zone_name, f"UTC; or begin from then on: {where}, and before it {unit}s of UTC")
    elif amiss is not None and amiss == question.end:
        fault = Fault("end", steps.iso(amiss, zone), _expected(amiss, since, whole, unit))
    else:
        fault = Fault("begin", begin, _expected(question.begin, since, whole, unit))
    raise BadQuestion([fault])


def _other_periods(connection: Connection, question: Question | TableQuestion) -> bool:
    """Tell whether the site's periods are of another length: days of space are measured in them, and cannot be told in others."""
    return completeness.period_seconds(connection) not in (None, question.period_seconds)


def _amiss(edges: Iterable[int], since: int, whole: Whole) -> Optional[int]:
    """Return the first edge that only hours which have left could tell; None where there is none."""
    return next((edge for edge in edges if edge < since and not whole(edge)), None)


def _whole_day(moment: int) -> bool:
    return moment % DAY == 0


def _whole_month(moment: int) -> bool:
    return moment % DAY == 0 and periods.month(moment // DAY) == moment // DAY


def _later(since: int) -> str:
    return f"{periods.format(since)} or later: before it no hours are kept, only sums over days of UTC"


def _expected(moment: int, since: int, whole: Whole, unit: str) -> str:
    if whole is _whole_month:
        before = periods.month(moment // DAY) * DAY
        after = periods.next_month(before // DAY) * DAY
    else:
        before = periods.floor(moment, DAY)
        after = before + DAY
    return (f"the start of a {unit} of UTC, nearest: {periods.format(before)} or {periods.format(after)};"
            f" hours are kept from {periods.format(since)} on")
