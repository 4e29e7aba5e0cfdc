"""Swift's own access log as a witness: what `swiftstats verify` finds different between it and what was metered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from swiftstats.demo.site import Site


def verify(configuration: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Run `verify` with these arguments; return its exit status, 0 or 1, and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "swiftstats", "--config", str(configuration), "verify", "--format", "json", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1) and not done.stderr, f"exit {done.returncode}: {done.stderr}"
    said = json.loads(done.stdout)
    assert done.returncode == bool(said["differences"])
    return done.returncode, said


def examine(site: Site, *words: str) -> dict[str, Any]:
    """Return what `verify` says of a site's first proxy, whose log can be read to the last line."""
    _, said = verify(site.configuration, "--access-log", str(site.swift.proxy.access_log), *words)
    assert said["unreadable"] == 0, said["first_unreadable"]
    return said


def shown(differences: list[dict[str, Any]]) -> str:
    """Write differences a line each, for the message of a failed test."""
    return "\n".join(f"{each['account']} {each['period']} {each['figure']}: {each['metered']} metered, "
                     f"{each['logged_least']} to {each['logged_most']} logged: {each['likely']}" for each in differences)
