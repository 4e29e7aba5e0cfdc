"""The numbers beneath a plot, as rows of a table: what the plot shows, for ears, hands and paper.

PERF: written here and not by a template, with which a page of 744 hours takes 160 ms instead of 60 (bench/pages.py). Cells are
those of templates/parts.html; what is written are numbers, times and fixed words, nothing of anybody's.
"""

from __future__ import annotations

from typing import Iterator, Optional, Sequence

from markupsafe import Markup

from swiftstats.query.series import Step
from swiftstats.query.steps import iso
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import people, plots

_WORDS = {plots.FINAL: "final", plots.OPEN: "not final", plots.UNKNOWN: "unknown", plots.FUTURE: "not begun"}
_NOT_BEGUN = '<td class="n"><span class="vh">not begun</span></td>'
_UNKNOWN = '<td class="n unknown"><span aria-hidden="true">—</span><span class="vh">unknown</span></td>'
_ZERO = '<td class="n zero"><data value="0">0</data></td>'


def heads(steps: Sequence[Step], question: TableQuestion) -> list[str]:
    """Return the first cell of each row: when the step begins, and for scripts when it ends."""
    zone = question.zone
    return [f'<tr><th scope="row"><time datetime="{iso(step.begin, zone)}" data-end="{iso(step.end, zone)}">'
            f"{people.moment(step.begin, zone)}</time></th>" for step in steps]


def rows(plot: plots.Plot, begun: Sequence[str], *, units: Optional[str], of: str = "", level: bool = False) -> Markup:
    """Return the rows of a plot. begun: `heads`; units: how bytes are written, None for counts; level: it was read."""
    return Markup("\n".join(_rows(plot, begun, units, of, level)))


def _rows(plot: plots.Plot, begun: Sequence[str], units: Optional[str], of: str, level: bool) -> Iterator[str]:
    for head, step in zip(begun, plot.steps):
        if step.values is None:
            cells = (_NOT_BEGUN if step.state == plots.FUTURE else _UNKNOWN) * len(plot.series)
        else:
            cells = "".join(_ZERO if value == 0 else _cell(value, units, of) for value in step.values)
        yield f"{head}{cells}<td>{'read' if level and step.state == plots.FINAL else _WORDS[step.state]}</td></tr>"


def _cell(value: int, units: Optional[str], of: str) -> str:
    if units is None:
        return f'<td class="n"><data value="{value}">{value:,}</data></td>'
    return f'<td class="n"><data value="{value}" title="{value:,} B{of}">{people.size(value, units, of=of)}</data></td>'
