"""Prometheus' own checks of what is written for it: promtool, which must be there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def promtool(*words: str, given: str | None = None, folder: Path | None = None) -> str:
    """Run promtool; return what it says. A fault fails the test, and so does a missing promtool, with what installs it."""
    program = shutil.which("promtool", path=os.environ.get("PATH", "") + ":/usr/local/bin")
    assert program, "promtool is missing; as root, on Debian: .ci/promtool"
    done = subprocess.run([program, *words], input=given, cwd=folder, text=True, capture_output=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
