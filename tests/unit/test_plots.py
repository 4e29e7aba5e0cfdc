"""Plots as SVG: what is final, not final, unknown and not begun looks different; nothing in them is styled or breaks out."""

from __future__ import annotations

import re
from xml.dom import minidom

import pytest

from swiftstats.represent import people, plots
from swiftstats.represent.plots import FINAL, FUTURE, OPEN, UNKNOWN, Plot, Step


def plot(*steps: Step, **changes) -> Plot:
    """Make a plot of two series."""
    given = {"name": "requests", "title": "Requests", "description": "By day.", "series": ("GET", "PUT"),
             "ticks": ((0, "1 Nov"),), "write": people.count}
    return Plot(steps=steps, **{**given, **changes})


def parsed(drawn: Plot) -> minidom.Element:
    """Return the drawing, which must be XML."""
    return minidom.parseString(f"<div>{plots.svg(drawn)}</div>").documentElement


def elements(found: minidom.Element, name: str, kind: str) -> list[minidom.Element]:
    """Return elements by name and class."""
    return [each for each in found.getElementsByTagName(name) if kind in each.getAttribute("class").split()]


def test_states_look_different():
    """What may change is outlined and striped, what is unknown hatched, what has not begun shaded; neighbours are one band."""
    found = parsed(plot(Step(FINAL, (3, 1)), Step(OPEN, (2, 2)), Step(UNKNOWN, None), Step(UNKNOWN, None), Step(FUTURE, None)))
    [still_open], [unknown], [future] = (elements(found, "rect", kind) for kind in ("open", "unknown", "future"))
    assert still_open.getAttribute("fill") == "url(#stripes)" and unknown.getAttribute("fill") == "url(#hatch)"
    assert (unknown.getAttribute("x"), unknown.getAttribute("width")) == ("40%", "40%")
    assert (future.getAttribute("x"), future.getAttribute("width")) == ("80%", "20%")


def test_zero_draws_nothing_and_one_is_seen():
    """A step of zeros has no bar, and the smallest count beside the greatest still has one."""
    found = parsed(plot(Step(FINAL, (10**9, 0)), Step(FINAL, (0, 0)), Step(FINAL, (1, 0))))
    [bars] = elements(found, "path", "s0")
    assert bars.getAttribute("d").count("M") == 2
    assert not elements(found, "path", "s1")
    assert re.search(r"M2\.1 160V159\.5", bars.getAttribute("d"))


def test_bars_are_stacked_from_the_bottom():
    """The second series stands on the first, and both together reach up to the sum."""
    found = parsed(plot(Step(FINAL, (1, 1)), Step(FINAL, (2, 2))))
    assert elements(found, "path", "s1")[0].getAttribute("d") == "M0.1 120V80h0.8V120zM1.1 80V0h0.8V80z"


def test_a_level_breaks_where_it_is_unknown():
    """A line of levels is interrupted where no reading is, and drawn as steps elsewhere."""
    drawn = plot(Step(FINAL, (4,)), Step(FINAL, (4,)), Step(UNKNOWN, None), Step(FINAL, (2,)), series=("Space",), line=True)
    [line] = elements(parsed(drawn), "path", "level")
    assert line.getAttribute("d") == "M0 0H1H2M3 80H4"


@pytest.mark.parametrize(("greatest", "binary", "marks"), [
    (0, False, (0, 1)), (5, False, (0, 1, 2, 3, 4, 5)), (99, False, (0, 20, 40, 60, 80, 100)), (2**70, False, None),
    (3000, True, (0, 1024, 2048, 3072)), (0, True, (0, 1)),
])
def test_the_scale_is_round_and_reaches(greatest, binary, marks):
    """The side has round numbers, evenly, in powers of two for bytes, and the last is at or above everything."""
    found = plots.scale(greatest, binary=binary)
    assert found[-1] >= greatest and 2 <= len(found) <= 6
    assert marks is None or found == marks


def test_texts_are_escaped_and_nothing_is_styled():
    """No text becomes markup, and there is no style in it, which the pages' policy would refuse."""
    drawn = plots.svg(plot(Step(FINAL, (1, 1)), title='<b>"&', description="</desc>", ticks=((0, "<x>"),)))
    assert "<b>" not in drawn and "</desc></desc>" not in drawn and "<x>" not in drawn and "style" not in drawn


def test_a_year_of_days_is_small():
    """A plot of 366 days and six series is less than 100 KiB."""
    steps = (Step(FINAL, tuple(day * 7919 % 1000 + each for each in range(6))) for day in range(366))
    drawn = plot(*steps, series=tuple("abcdef"))
    assert len(plots.svg(drawn)) < 100_000
