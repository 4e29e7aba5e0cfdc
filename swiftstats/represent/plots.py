"""Plots as SVG, drawn from dataclasses: stacked bars, and lines of levels, with what is not final, unknown or yet to come.

A plot is readable without scripts, styles' colours and eyes: a title and a description stand in it, and the numbers in a table
beside it. It is as wide as its page: the scale stands beside it; bars stand in an inner drawing that is stretched, texts and
patterns in the outer one, by percentages. Nothing is styled in it but by classes and attributes, as the pages'
Content-Security-Policy wants it. Patterns that it fills with (`hatch`, `stripes`) stand once in a page: PATTERNS.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Callable, Iterator, Optional, Sequence

#: The most steps of a plot: more would be narrower than a pixel.
STEPS = 800
#: Heights, in pixels: of the drawing, of the room above it for the topmost label, and below it for the times.
HEIGHT, ABOVE, BELOW = 160, 16, 22
#: The width of the side, where the scale is written.
SIDE = 76

#: How far a step is: all of it counted, counted so far, known not to be known, or not begun.
FINAL, OPEN, UNKNOWN, FUTURE = "final", "open", "unknown", "future"

#: What patterns look like is the stylesheet's.
PATTERNS = (
    '<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="8" height="8" class="hatch-ground"/><rect width="2" height="8" class="hatch-line"/></pattern>'
    '<pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect width="3" height="6" class="stripe"/></pattern></defs></svg>'
)


@dataclass(frozen=True)
class Step:
    """One step of a plot: `values` in the order of the plot's series, None where nothing is known of it."""

    state: str
    values: Optional[tuple[int, ...]]


@dataclass(frozen=True)
class Plot:
    """What is drawn. `series`: names, from the bottom up; `ticks`: (index of a step, text) along the bottom.

    `line`: levels, drawn as a line of steps, instead of stacked bars. `write`: how a value is written at the side; `binary`:
    whether the side's scale is in powers of two.
    """

    name: str
    title: str
    description: str
    series: tuple[str, ...]
    steps: tuple[Step, ...]
    ticks: tuple[tuple[int, str], ...]
    write: Callable[[int], str]
    line: bool = False
    binary: bool = False


def svg(plot: Plot) -> str:
    """Draw a plot: its side, of a fixed width, and what takes the rest."""
    sums = [sum(step.values) for step in plot.steps if step.values is not None]
    marks = scale(max(sums, default=0), binary=plot.binary)
    return "".join((*_side(plot, marks if sums else ()), *_pieces(plot, marks)))


def scale(greatest: int, *, binary: bool = False) -> tuple[int, ...]:
    """Return the values along the side: zero, and up to five more, evenly, the last at or above `greatest`."""
    step, unit = 1, 1
    while greatest > 5 * unit * (512 if binary else 500):
        unit *= 1024 if binary else 1000
    for factor in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if binary else (1, 2, 5, 10, 20, 50, 100, 200, 500):
        step = unit * factor
        if greatest <= 5 * step:
            break
    return tuple(range(0, max(-(-greatest // step), 1) * step + 1, step))


def _side(plot: Plot, marks: Sequence[int]) -> Iterator[str]:
    yield f'<svg class="side" width="{SIDE}" height="{ABOVE + HEIGHT + BELOW}" aria-hidden="true" focusable="false">'
    for mark in marks:
        yield f'<text x="{SIDE - 6}" y="{round(_y(mark, marks[-1]) + ABOVE + 4, 1)}">{escape(plot.write(mark))}</text>'
    yield "</svg>"


def _pieces(plot: Plot, marks: Sequence[int]) -> Iterator[str]:
    number, top = max(len(plot.steps), 1), marks[-1]
    yield (f'<svg class="plot" width="100%" height="{ABOVE + HEIGHT + BELOW}" role="img" '
           f'aria-labelledby="{plot.name}-title {plot.name}-desc"><title id="{plot.name}-title">{escape(plot.title)}</title>'
           f'<desc id="{plot.name}-desc">{escape(plot.description)}</desc>')
    yield from _bands(plot.steps, number)
    for mark in marks:
        y = _y(mark, top) + ABOVE
        yield f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
    yield (f'<svg class="area" y="{ABOVE}" width="100%" height="{HEIGHT}" viewBox="0 0 {number} {HEIGHT}" '
           'preserveAspectRatio="none">')
    yield from _line(plot, top) if plot.line else _bars(plot, top)
    yield "</svg>"
    if not plot.line:
        yield from _not_final(plot.steps, number, top)
    for index, text in plot.ticks:
        x = _percent(index, number)
        yield (f'<line class="tick" x1="{x}" x2="{x}" y1="{ABOVE + HEIGHT}" y2="{ABOVE + HEIGHT + 5}"/>'
               f'<text class="time" x="{x}" dx="3" y="{ABOVE + HEIGHT + 16}">{escape(text)}</text>')
    yield "</svg>"


def _y(value: int, top: int) -> float:
    """Return how far below the drawing's top a value stands; whole numbers until the last step, however great."""
    return round(HEIGHT - value * HEIGHT * 10 // top / 10, 1)


def _percent(steps: float, number: int) -> str:
    return f"{round(100 * steps / number, 3):g}%"


def _bands(steps: Sequence[Step], number: int) -> Iterator[str]:
    """Mark what is unknown and what is yet to come, over the whole height; neighbours as one."""
    for state in (UNKNOWN, FUTURE):
        for first, after in _runs(steps, state):
            fill = ' fill="url(#hatch)"' if state == UNKNOWN else ""
            yield (f'<rect class="{state}"{fill} x="{_percent(first, number)}" y="{ABOVE}" '
                   f'width="{_percent(after - first, number)}" height="{HEIGHT}"/>')


def _runs(steps: Sequence[Step], state: str) -> Iterator[tuple[int, int]]:
    first = None
    for index, step in enumerate(steps):
        if step.state == state and first is None:
            first = index
        elif step.state != state and first is not None:
            yield first, index
            first = None
    if first is not None:
        yield first, len(steps)


def _bars(plot: Plot, top: int) -> Iterator[str]:
    """Draw each series as one path, so that a year of days stays small."""
    gap = 0.1 if len(plot.steps) <= 120 else 0
    width = f"{1 - 2 * gap:g}"
    for number in range(len(plot.series)):
        drawn = []
        for index, step in enumerate(plot.steps):
            if step.values is None or not step.values[number]:
                continue
            value = step.values[number]
            below = sum(step.values[:number])
            bottom, upper = _y(below, top), _y(below + value, top)
            # What is there is seen: nothing but zero has no height.
            upper = min(upper, bottom - 0.5) if not below else upper
            drawn.append(f"M{index + gap:g} {bottom:g}V{upper:g}h{width}V{bottom:g}z")
        if drawn:
            yield f'<path class="s{number}" d="{"".join(drawn)}"/>'


def _not_final(steps: Sequence[Step], number: int, top: int) -> Iterator[str]:
    """Lay stripes and a dashed outline over the bars that may still change."""
    gap = 0.1 if len(steps) <= 120 else 0
    for index, step in enumerate(steps):
        if step.state == OPEN and step.values is not None and sum(step.values) > 0:
            y = min(_y(sum(step.values), top), HEIGHT - 2)
            yield (f'<rect class="open" fill="url(#stripes)" x="{_percent(index + gap, number)}" y="{round(y + ABOVE, 1)}" '
                   f'width="{_percent(1 - 2 * gap, number)}" height="{round(HEIGHT - y, 1)}"/>')


def _line(plot: Plot, top: int) -> Iterator[str]:
    """Draw a level as steps, broken where it is not known, over its own area."""
    line, area = [], []
    for first, after in _known(plot.steps):
        drawn, before = [], None
        for index in range(first, after):
            values = plot.steps[index].values
            assert values is not None
            y = f"{_y(sum(values), top):g}"
            if y != before:
                drawn.append(f"V{y}" if before is not None else f"M{index} {y}")
                before = y
            drawn.append(f"H{index + 1}")
        line.append("".join(drawn))
        area.append(f"M{first} {HEIGHT}" + "".join(drawn).replace("M", "L", 1) + f"V{HEIGHT}z")
    if line:
        yield f'<path class="under s0" d="{"".join(area)}"/><path class="level" d="{"".join(line)}"/>'


def _known(steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    first = None
    for index, step in enumerate(steps):
        if step.values is not None and first is None:
            first = index
        elif step.values is None and first is not None:
            yield first, index
            first = None
    if first is not None:
        yield first, len(steps)
