"""Put the figures of docs/performance/*.json into docs/performance.md, between its two marks; what stands around them stays."""

from __future__ import annotations

import json
from typing import Any, Iterator

from bench.rounds import ROOT

FIGURES = ROOT / "docs" / "performance"
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: written by `make bench` -->\n", "<!-- end of the figures -->\n"
ORDER = ("filter", "proxy", "memory", "flush", "stall", "sums", "detail", "billing", "pages", "space", "heads", "growth",
         "gnocchi")


def write() -> None:
    """Write the figures that there are."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text[:text.index(BEGIN) + len(BEGIN)], text[text.index(END):]
    found = [json.loads((FIGURES / f"{name}.json").read_text()) for name in ORDER if (FIGURES / f"{name}.json").exists()]
    DOCUMENT.write_text(before + "".join(line + "\n" for bench in found for line in _bench(bench)) + after, encoding="utf-8")


def _bench(found: dict[str, Any]) -> Iterator[str]:
    machine = found["machine"]
    more = "".join(f", {value:,} {name}" for name, value in found.items() if isinstance(value, int))
    yield from ("", f"### bench/{found['bench']}.py", "",
                f"{machine['processors']} processors, Python {machine['python']}, load {machine['load'][0]:g} at the end{more}.")
    for case in found["cases"]:
        yield from ("", f"**{case['case']}** ({case['unit']})", "", f"| | median | least | most | to {case['base']} |",
                    "|---|---:|---:|---:|---:|")
        for name, of in case["contenders"].items():
            yield f"| {name} | {_shown(of['median'])} | {_shown(of['least'])} | {_shown(of['most'])} | {of['ratio']:.3g} |"
        yield ""
        for each in case["targets"]:
            yield (f"- {each['what']}: **{each['value']:.3g}**, target {'≤' if each['most'] else '≥'} {each['bound']:g}:"
                   f" {'reached' if each['reached'] else 'not reached'}")
        for what, value in case.get("notes", {}).items():
            yield f"- {what}: {value}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


if __name__ == "__main__":
    write()
