"""Contenders side by side in one run: in turn, round after round; then their medians, spread, ratios and targets.

A machine is noisy, by a factor of two and for minutes: only what ran in the same rounds is compared, and the ratio that counts is
the median of the rounds' own ratios. Figures go to standard output as a table, and as JSON where `--json` names a file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Target:
    """What a ratio or a figure was to be: `value` is what it is; `most` says that less is better."""

    what: str
    value: float
    bound: float
    most: bool = True

    @property
    def reached(self) -> bool:
        return self.value <= self.bound if self.most else self.value >= self.bound


@dataclass(frozen=True)
class Case:
    """One thing that all contenders did: `rounds` of each, in `unit`; ratios are to `base`."""

    name: str
    unit: str
    base: str
    rounds: Mapping[str, Sequence[float]]
    targets: tuple[Target, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    def ratio(self, contender: str, base: str | None = None) -> float:
        """Return the median of the rounds' ratios of a contender to another, which is the base where none is named."""
        pairs = zip(self.rounds[contender], self.rounds[base or self.base])
        return statistics.median(one / other if other else float("inf") for one, other in pairs)

    def median(self, contender: str) -> float:
        return statistics.median(self.rounds[contender])


def interleaved(ways: Mapping[str, Callable[[], float]], rounds: int, *, warm: int = 1) -> dict[str, list[float]]:
    """Return what each way measured in each round. Each round begins with another way; the first `warm` rounds do not count."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds + warm):
        for name in names[number % len(names):] + names[:number % len(names)]:
            figure = ways[name]()
            if number >= warm:
                found[name].append(figure)
    return found


def parser(doc: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with what all benchmarks take."""
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--rounds", type=int, default=rounds)
    found.add_argument("--json", type=Path, help="write the figures there")
    return found


def report(name: str, cases: Sequence[Case], to: Path | None, **more: Any) -> int:
    """Print tables, write JSON; return 0, whatever was reached: a benchmark is no test."""
    for case in cases:
        print(table(case), flush=True)
    if to is not None:
        to.parent.mkdir(parents=True, exist_ok=True)
        shown = {"bench": name, "cases": [_shown(case) for case in cases], **more, "machine": machine()}
        to.write_text(json.dumps(shown, indent=1) + "\n")
    return 0


def table(case: Case) -> str:
    """Write a case as a table for people."""
    wide = max(len(name) for name in case.rounds)
    lines = [f"{case.name} ({case.unit})", f"  {'':{wide}}  {'median':>12} {'least':>12} {'most':>12}  to {case.base}"]
    for name, rounds in case.rounds.items():
        lines.append(f"  {name:{wide}}  {_number(case.median(name)):>12} {_number(min(rounds)):>12} {_number(max(rounds)):>12}"
                     f"  {case.ratio(name):.3g}")
    lines += [f"  {each.what}: {each.value:.3g}, target {'<=' if each.most else '>='} {each.bound:g}"
              f" {'reached' if each.reached else 'NOT reached'}" for each in case.targets]
    lines += [f"  {what}: {value}" for what, value in case.notes.items()]
    return "\n".join(lines) + "\n"


def machine() -> dict[str, Any]:
    """Say in general words where this ran."""
    return {"processors": os.cpu_count(), "python": platform.python_version(), "system": platform.system(),
            "load": [round(each, 1) for each in os.getloadavg()]}


def say(line: str) -> None:
    """Tell who waits how far it is."""
    print(line, file=sys.stderr, flush=True)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _shown(case: Case) -> dict[str, Any]:
    return {
        "case": case.name, "unit": case.unit, "base": case.base,
        "contenders": {name: {"median": _rounded(case.median(name)), "least": _rounded(min(found)), "most": _rounded(max(found)),
                              "ratio": _rounded(case.ratio(name))} for name, found in case.rounds.items()},
        "targets": [{"what": each.what, "value": _rounded(each.value), "bound": each.bound, "most": each.most,
                     "reached": each.reached} for each in case.targets],
        **({"notes": dict(case.notes)} if case.notes else {}),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
