"""The page of one account: how final it is, sums beside those of the range before, plots, and the numbers beneath each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional

from markupsafe import Markup
from sqlalchemy import Connection

from swiftstats import fields, periods
from swiftstats.api.pages import beneath, drawing, spans, strip
from swiftstats.api.pages.asked import Asked
from swiftstats.fields import FIELD_INDEX, METHODS
from swiftstats.query import steps
from swiftstats.query.question import BadQuestion, Fault
from swiftstats.query.series import Series, Step, series
from swiftstats.query.standing import Standing
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import people, plots
from swiftstats.store import many, petnames, usage

#: Parameters that this page takes.
PARAMETERS = ("begin", "end", "timezone", "granularity")
#: The step where none is asked for, by the length of the range; and the longest range of each step, in seconds.
_STEPS = ((2 * periods.HOUR, "period"), (3 * periods.DAY, "hour"), (100 * periods.DAY, "day"))
_LONGEST = {"hour": 33 * periods.DAY, "day": 2 * 366 * periods.DAY}
#: What is no bill's: these, of requests.
NOT_BILLED = ("denied", "server_errors")


@dataclass(frozen=True)
class Tile:
    """One sum: `prefix` is `least` or `about` while it may grow; `beside`: what it is compared with, in words."""

    name: str
    value: Optional[int]
    kind: str
    prefix: str = ""
    of: str = ""
    beside: str = ""


def stepped(question: TableQuestion) -> TableQuestion:
    """Return the question with steps that a plot can show; raise BadQuestion."""
    length = question.end - question.begin
    granularity = question.granularity
    longest = {"period": plots.STEPS * question.period_seconds, **_LONGEST}
    if granularity == "total":
        granularity = next((step for bound, step in _STEPS if length <= min(bound, longest[step])), "month")
    if length > longest.get(granularity, length):
        longer = [step for step in steps.GRANULARITIES[1:] if length <= longest.get(step, length)]
        raise BadQuestion([Fault("granularity", granularity, f"{' or '.join(longer)}: a plot shows {plots.STEPS} steps at most")])
    return replace(question, granularity=granularity, edges=tuple(steps.edges(
        question.begin, question.end, granularity, question.zone, period_seconds=question.period_seconds)))


def shown(connection: Connection, question: TableQuestion, given: Asked, standing: Standing, *, name: str, operator: bool,
          origin: str, now: float) -> Mapping[str, Any]:
    """Return what the page shows."""
    found = series(connection, question, now=now)
    _, raw = question.asked[0]
    stem = spans.file_stem(question, found.header.final, name)
    table = {"account": name, "granularity": question.granularity, **spans.permanent(question)}
    return {
        "name": name, "found": found, "units": given.units, "zone": question.zone, "question": question,
        "strip": strip.of_range(standing, question.begin, question.end, zone=question.zone, names=operator,
                                lost_periods=len(found.header.incomplete)),
        "tiles": _tiles(connection, found, given.units),
        "figures": _figures(found, given.units),
        "files": [(form.upper(), "/usage" + given.file(**table, format=form), f"{stem}.{form}")
                  for form in ("csv", "ndjson", "json", "xml")],
        "curl": f"{origin}/usage{given.file(**table, format='csv')}", "petname": petnames.of(connection, [raw]).get(raw),
        **spans.of_form(question),
        "presets": [(each, given.query(begin=each.begin, end=each.end, granularity=each.granularity)) for each in spans.presets(
            question, now=now, complete_through=standing.complete_through)],
        "permalink": given.query(**spans.permanent(question), granularity=question.granularity),
    }


def _tiles(connection: Connection, found: Series, units: str) -> list[Tile]:
    total, header = found.total, found.header
    least, about = ("", "") if header.final else ("least", "about")
    before = _Before(connection, found)

    def io(*names: str) -> Optional[int]:
        return None if total.io is None else sum(total.io[FIELD_INDEX[name]] for name in names)

    space = total.space
    read = "no reading in this range" if found.read_at is None else f"read {people.moment(found.read_at, header.question.zone)}"
    return [
        Tile("Requests", io(*METHODS), "count", least, beside=before.beside(*METHODS)),
        Tile("Bytes in", io("bytes_in"), "B", about, beside=before.beside("bytes_in")),
        Tile("Bytes out", io("bytes_out"), "B", about, beside=before.beside("bytes_out")),
        Tile("Space", space.last, "B", beside=read),
        Tile("Byte-hours", space.byte_hours, "B", of="·h", beside=f"{space.measured:,} of {space.periods:,} periods measured"),
        Tile("Not billed", io(*NOT_BILLED), "count", least, beside="requests denied or failed"),
    ]


class _Before:
    """The same part of the range before, for comparison: only what is complete of this one, and counted of that one."""

    def __init__(self, connection: Connection, found: Series) -> None:
        header, question = found.header, found.header.question
        through = header.complete_through
        self._now: Optional[tuple[int, ...]] = None
        if through is None or through <= question.begin or not found.known:
            return
        begin = spans.before(question)
        # Months and days are compared whole, however long each is; of one that goes on, as much as is complete.
        end = question.begin if through >= question.end else min(begin + through - question.begin, question.begin)
        first = usage.first_recorded(connection)
        if first is None or begin < first:
            return
        _, account = question.asked[0]
        ids = [each.id for each in many.named(connection, [account])]
        nothing = (0,) * fields.CELL_COUNT
        self._now = fields.values(many.sums(connection, ids, question.begin, through).get((ids[0], None), nothing))
        self._then = fields.values(many.sums(connection, ids, begin, end).get((ids[0], None), nothing))
        self._words = people.span(begin, end, question.zone, zone_name=question.zone_name)

    def beside(self, *names: str) -> str:
        """Say by how much the sum of some fields is more or less; nothing where either side is not known, or was zero."""
        if self._now is None:
            return ""
        now, then = (sum(values[FIELD_INDEX[name]] for name in names) for values in (self._now, self._then))
        if not then:
            return ""
        percent = (200 * abs(now - then) + then) // (2 * then)
        sign = "▲ more by" if now > then else "▼ less by"
        return f"{sign} {percent:,} % than {self._words}" if percent else f"as much as {self._words}"


def _figures(found: Series, units: str) -> list[Mapping[str, Any]]:
    """Return each plot with the table of its numbers."""
    begun = beneath.heads(found.steps, found.header.question)
    made: list[Mapping[str, Any]] = []
    for plot in drawing.drawn(found, units):
        of, level = "·h" if plot.name == "byte-hours" else "", plot.name in ("space", "byte-hours")
        counts = plot.name == "requests"
        made.append({"plot": plot, "svg": Markup(plots.svg(plot)), "counts": counts, "of": of, "level": level,
                     "rows": beneath.rows(plot, begun, units=None if counts else units, of=of, level=level),
                     "number": len(plot.steps), "sum": _sum(plot, found.total)})
    return made


def _sum(plot: plots.Plot, total: Step) -> Optional[tuple[int, ...]]:
    """Return what the steps of a plot add up to; None for levels, which do not, and where nothing is known."""
    if plot.name == "byte-hours":
        return None if total.space.byte_hours is None else (total.space.byte_hours,)
    if plot.line or total.io is None:
        return None
    names = METHODS if plot.name == "requests" else ("bytes_in", "bytes_out")
    return tuple(total.io[FIELD_INDEX[name]] for name in names)
