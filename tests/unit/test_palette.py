"""The pages' colours are computed: they stand out on their ground, and are told apart with every kind of colour vision."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest

import swiftstats.api

STYLE = (Path(swiftstats.api.__file__).parent / "pages" / "static" / "style.css").read_text()
#: Linear RGB as seen without one kind of cone: Machado, Oliveira and Fernandes 2009, severity 1.0.
VISIONS = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
SERIES = [f"s{number}" for number in range(6)]


def palettes() -> dict[str, dict[str, str]]:
    """Return the colours by name, on a light and on a dark ground."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    return {name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text)) for name, text in (("light", light), ("dark", dark))}


def linear(colour: str) -> list[float]:
    """Return linear RGB."""
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG defines it."""
    weights = (0.2126, 0.7152, 0.0722)
    dark, light = sorted(sum(map(float.__mul__, weights, linear(each))) for each in (one, other))
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb: list[float]) -> tuple[float, ...]:
    """Return Oklab, in which distances are as people see them (Ottosson 2020)."""
    red, green, blue = (min(max(part, 0), 1) for part in rgb)
    l, m, s = ((a * red + b * green + c * blue) ** (1 / 3) for a, b, c in (  # noqa: E741
        (0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005)))
    return (0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s, 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_series_stand_out_on_their_ground(scheme):
    """Each series has a contrast of 3 on the page's ground (WCAG 2.2, 1.4.11), so have lines of focus."""
    colours = palettes()[scheme]
    for name in (*SERIES, "focus"):
        assert contrast(colours[name], colours["ground"]) >= 3, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable(scheme):
    """Each colour of text has a contrast of 4.5 on every ground that it is used on (WCAG 2.2, 1.4.3)."""
    colours = palettes()[scheme]
    for name, ground in itertools.product(("text", "muted", "link"), ("ground", "panel")):
        assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in ("open", "final", "held"):
        for text in (name, "text", "link"):
            assert contrast(colours[text], colours[f"{name}-ground"]) >= 4.5, (text, name)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_series_are_told_apart(scheme, vision):
    """Any two series differ by 0.12 in Oklab, about six times what is just seen, with every kind of colour vision."""
    colours = palettes()[scheme]
    seen = {name: oklab([sum(weight * part for weight, part in zip(row, linear(colours[name]))) for row in VISIONS[vision]])
            for name in SERIES}
    for one, other in itertools.combinations(SERIES, 2):
        assert math.dist(seen[one], seen[other]) >= 0.12, (one, other)
