"""The ranges that a page offers beside the one that it shows: words for months and days, spans up to now, and the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Iterator, Mapping, Optional

from swiftstats import periods
from swiftstats.query import steps
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import people

#: What is offered in words: a link to it means another range when its time has come.
_WORDS = (("This month", "this-month"), ("Last month", "last-month"), ("Today", "today"))
_LENGTHS = (("24 hours", periods.DAY, "hour"), ("7 days", 7 * periods.DAY, "day"), ("30 days", 30 * periods.DAY, "day"))


@dataclass(frozen=True)
class Preset:
    """A range to choose: its name, the parameters that make it, and whether it is the one that is shown."""

    name: str
    begin: str
    end: Optional[str]
    current: bool
    granularity: Optional[str] = None


def presets(question: TableQuestion, *, now: float, complete_through: Optional[int]) -> Iterator[Preset]:
    """Yield the ranges to offer, in the question's zone; spans up to now end with the last period that is over."""
    shown, zone = (question.begin, question.end), question.zone
    for name, word in _WORDS:
        yield Preset(name, word, None, steps.span(word, zone, now) == shown)
    over = periods.floor(now, question.period_seconds)
    if question.period_seconds < periods.HOUR:
        now_on = over + question.period_seconds
        yield Preset("1 hour", written(now_on - periods.HOUR, question), written(now_on, question),
                     (now_on - periods.HOUR, now_on) == shown, "period")
    for name, length, granularity in _LENGTHS:
        yield Preset(name, written(over - length, question), written(over, question), (over - length, over) == shown, granularity)
    year = datetime.fromtimestamp(now, zone).year
    begin, _ = steps.span(f"{year}-01", zone, now)
    end, _ = steps.span(f"{year + 1}-01", zone, now)
    yield Preset("This year", f"{year}-01", f"{year + 1}-01", (begin, end) == shown, "month")
    earlier = before(question)
    if earlier >= 0:
        yield Preset("‹ Earlier", written(earlier, question), written(question.begin, question), False)
    if complete_through is not None and question.begin < complete_through < question.end:
        yield Preset("Only what is final", written(question.begin, question), written(complete_through, question), False)


def before(question: TableQuestion) -> int:
    """Return where the range before begins; below zero where there is none."""
    return steps.before(question.begin, question.end, question.zone)


def written(moment: int, question: TableQuestion) -> str:
    """Write a moment for an address: exact, whatever the zone."""
    return steps.iso(moment, question.zone)


def typed(moment: int, question: TableQuestion) -> str:
    """Write a moment for a field of a form: local time, with the offset only where it would not be the same moment without."""
    local = datetime.fromtimestamp(moment, question.zone)
    text = f"{local:%Y-%m-%d %H:%M}" + (f":{local:%S}" if local.second else "")
    found, _ = steps.span(text, question.zone, moment)
    return text if found == moment else written(moment, question)


def of_form(question: TableQuestion) -> Mapping[str, Any]:
    """Return what a page says of its range: the fields of the form, the range in words, and days that are no 24 hours long."""
    days = steps.edges(question.begin, question.end, "day", question.zone) if question.zone_name != "UTC" else []
    odd = []
    for begin, end in zip(days, days[1:]):
        local = datetime.fromtimestamp(begin, question.zone)
        if (local.hour, local.minute) == (0, 0) and datetime.fromtimestamp(end, question.zone).hour == 0 and (
                end - begin) % periods.DAY:
            odd.append(f"{local.day} {local:%B %Y} has {people.plural((end - begin) // periods.HOUR, 'hour')}.")
    return {"begin": typed(question.begin, question), "end": typed(question.end, question), "odd_days": odd[:4],
            "range": people.span(question.begin, question.end, question.zone, zone_name=question.zone_name)}


def permanent(question: TableQuestion) -> Mapping[str, str]:
    """Return begin and end that mean the same range for ever."""
    return {"begin": written(question.begin, question), "end": written(question.end, question)}


def file_stem(question: TableQuestion, final: bool, name: str = "usage") -> str:
    """Return a file's name without its ending: what, which range in which zone, and whether it is final."""
    ends = "_".join(f"{datetime.fromtimestamp(each, question.zone):%Y-%m-%dT%H%M}" for each in (question.begin, question.end))
    words = (name, ends, question.zone_name, "final" if final else "not-final")
    return "_".join("".join(each if each.isalnum() or each in "-_." else "-" for each in word) for word in words)
