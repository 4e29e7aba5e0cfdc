"""The plots of an account's page: what is drawn of its steps, and the times along the bottom."""

from __future__ import annotations

from datetime import datetime
from typing import Callable, Iterator, Optional, Sequence

from swiftstats.fields import FIELD_INDEX, METHODS
from swiftstats.query.series import FINAL, FUTURE, OPEN, UNKNOWN, Series, Step
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import people, plots

#: About how many times stand along the bottom.
_TICKS = 7
Values = Optional[tuple[int, ...]]


def drawn(found: Series, units: str) -> tuple[plots.Plot, ...]:
    """Return the plots of an account."""
    question = found.header.question
    ticks = tuple(_ticks(question))
    of = f"{people.span(question.begin, question.end, question.zone, zone_name=question.zone_name)}, by {question.granularity}"

    def plot(name: str, title: str, series: tuple[str, ...], values: Callable[[Step], Values], *, level: bool = False,
             write: Callable[[int], str] = people.count) -> plots.Plot:
        steps = tuple(_step(step, values(step), level=level) for step in found.steps)
        return plots.Plot(name, title, f"{of}. {_said(steps)}", series, steps, ticks, write, line=name == "space",
                          binary=write is not people.count and units != people.SI)

    def size(value: int) -> str:
        return people.size(value, units)

    def size_hours(value: int) -> str:
        return people.size(value, units, of="·h")

    return (
        plot("requests", "Requests per method", METHODS, lambda step: _of(step, METHODS)),
        plot("bytes", "Bytes in and out", ("Bytes in", "Bytes out"), lambda step: _of(step, ("bytes_in", "bytes_out")),
             write=size),
        plot("space", "Space", ("Space",), lambda step: _one(step.space.last), level=True, write=size),
        plot("byte-hours", "Byte-hours", ("Byte-hours",), lambda step: _one(step.space.byte_hours), level=True, write=size_hours),
    )


def _of(step: Step, names: Sequence[str]) -> Values:
    return None if step.io is None else tuple(step.io[FIELD_INDEX[name]] for name in names)


def _one(value: Optional[int]) -> Values:
    return None if value is None else (value,)


def _step(step: Step, values: Values, *, level: bool) -> plots.Step:
    """A level is what was read: it does not grow until it is final, but is known or not."""
    if level and values is None:
        return plots.Step(FUTURE if step.state == FUTURE else UNKNOWN, None)
    return plots.Step(FINAL if level else step.state, values)


def _said(steps: Sequence[plots.Step]) -> str:
    """Say how many steps are not as the others."""
    told = [(sum(step.state == state for step in steps), words) for state, words in (
        (OPEN, "not final"), (UNKNOWN, "unknown"), (FUTURE, "not begun"))]
    return "; ".join(f"{number:,} {words}" for number, words in told if number) + "." if any(n for n, _ in told) else "All final."


def _ticks(question: TableQuestion) -> Iterator[tuple[int, str]]:
    """Yield (index of a step, text) of some steps: hours at round hours or midnight, others evenly."""
    starts = [datetime.fromtimestamp(begin, question.zone) for begin in question.edges[:-1]]
    number = len(starts)
    if question.granularity == "period":
        for index in range(0, number, -(-number // _TICKS)):
            yield index, f"{starts[index]:%H:%M}" + (f":{starts[index]:%S}" if question.period_seconds % 60 else "")
        return
    if question.granularity == "hour":
        if number <= 48:
            every = next(each for each in (1, 2, 3, 6, 12) if number <= each * _TICKS or each == 12)
            for index, local in enumerate(starts):
                if local.hour % every == 0 and (local.hour or number <= 24):
                    yield index, f"{local:%H:%M}"
                elif local.hour == 0:
                    yield index, f"{local.day} {local:%b}"
            return
        midnights = [index for index, local in enumerate(starts) if local.hour == 0]
        for index in midnights[::-(-len(midnights) // _TICKS)]:
            yield index, f"{starts[index].day} {starts[index]:%b}"
        return
    for index in range(0, number, -(-number // _TICKS)):
        local = starts[index]
        yield index, f"{local:%b %Y}" if question.granularity == "month" else f"{local.day} {local:%b}"
