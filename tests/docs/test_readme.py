"""The README's curl examples run as they stand against the demo, and show what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from swiftstats.demo.site import Site, make_folder
from tests.docs.documents import fenced, read

#: What the demo's flusher needs to show a request of the running period, and ten times that.
SHOWN_SECONDS = 60


def examples() -> tuple[str, list[str]]:
    """Return the block that names the ports, and the blocks of curl commands."""
    section = read("README.md").split("## By hand")[1].split("\n## ")[0]
    ports, *commands = fenced(section, "sh")
    return ports, commands


def run(script: str, folder: Path) -> str:
    """Run a script as a person's shell would, ending at the first command that fails; return what it prints."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def site() -> Iterator[Site]:
    """The demo's site, on the ports that the README names if they are free."""
    folder = make_folder()
    try:
        with Site(folder, api_port=8070) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.swift
def test_the_examples_run(site, tmp_path):
    """A reader who pastes the README's commands gets an object up and down, and then the bytes of it from the service."""
    assert subprocess.run(["curl", "--version"], capture_output=True, check=False).returncode == 0, "apt-get install curl"
    ports, (upload, ask) = examples()
    assert re.fullmatch(r"SWIFT=http://127\.0\.0\.1:8080\nMETER=http://127\.0\.0\.1:8070\n", ports)
    # The only thing that may differ from what stands there: the demo takes other ports, and says so, if these are taken.
    here = f"SWIFT={site.swift.url}\nMETER={site.url}\n"
    # Answers as they are, without curl's progress in between and with an HTTP error as a failure.
    quiet = "curl() { command curl -sS --fail-with-body \"$@\"; }\n"
    assert "one kilobyte, more or less" in run(quiet + here + upload, tmp_path)
    token = upload.splitlines()[0] + "\n"
    give_up = time.monotonic() + SHOWN_SECONDS
    while True:
        printed = run(quiet + here + token + ask, tmp_path)
        header, sums = json.loads(printed.splitlines()[0])
        if sums["Bytes_In"] or time.monotonic() > give_up:
            break
    assert header["Account_ID"] == "AUTH_test"
    assert (sums["PUT"], sums["Bytes_In"], sums["Bytes_Out"]) == (2, 26, 26)
    assert re.search(r"^Time,", printed, re.MULTILINE)
    assert "<io_sum>" in printed
