"""`swiftstats demo`: what it says it does, and nothing left behind however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Iterator

import pytest

from swiftstats.demo.processes import wait_for

pytestmark = [pytest.mark.swift, pytest.mark.browser, pytest.mark.timeout(300)]

PERIOD = "20"


class Demo:
    """A demo that runs; `lines` is what it has printed so far."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "swiftstats", "demo", "--dir", str(folder), "--period", PERIOD, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, what: str) -> None:
        wait_for(lambda: any(what in line for line in self.lines) or self.process.poll() is not None, seconds=120, what=what)
        assert self.process.poll() is None, self.text

    def end(self, number: int | None = None) -> int:
        """Send a signal, or none; return the exit status."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(120)
        self._reader.join()
        return status

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def left(self) -> list[str]:
        """Return the command lines of the processes that name the demo's folder."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (OSError, ValueError):
                continue
            if entry.name.isdigit() and str(self.folder) in line and entry.name != str(os.getpid()):
                found.append(line)
        return found

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a demo."""
    yield tmp_path / "demo"


def test_once(folder: Path) -> None:
    """`--once` compares the service's answers with the clients' ledger, says so in JSON on its last line, and exits 0."""
    demo = Demo(folder, "--once", "--port", "0")
    status = demo.end()
    summary = json.loads(demo.lines[-1])
    assert status == 0 and summary["ok"] is True, demo.text
    assert set(summary["accounts"]) == {"AUTH_test", "AUTH_test2", "(unknown)"}
    assert summary["accounts"]["AUTH_test"]["Bytes_Out"] > 6_000_000
    assert summary["complete_through"] >= summary["end"]
    assert summary["space"]["AUTH_test"]["Container"] == 2 and summary["space"]["AUTH_test"]["Space"] > 8_000_000
    assert "/space_detail?account_id=AUTH_test;" in demo.text
    assert "curl -H 'X-Auth-Token: " in demo.text
    assert not demo.left()


def test_ctrl_c_loses_nothing(folder: Path) -> None:
    """The commands that it shows to paste run; what they sent a moment before Ctrl-C is in the database; no process is left."""
    demo = Demo(folder, "--port", "0")
    demo.wait_for("stay up")
    script = "\n".join(line for line in demo.lines[_line_of(demo, "Go on by hand"):] if line.startswith("  "))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", 'curl() { command curl -sS --fail-with-body "$@"; }\n' + script],
        capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    _look(demo)
    assert demo.end(signal.SIGINT) == 0, demo.text
    assert "everything that was started has ended" in demo.text
    assert not demo.left()
    usage = subprocess.run(
        [sys.executable, "-m", "swiftstats", "--config", str(folder / "swiftstats.conf"), "usage", "AUTH_test",
         "--begin", "2020-01-01", "--end", "2100-01-01", "--format", "json"],
        capture_output=True, text=True, timeout=60, check=True,
    )
    before, after = json.loads(demo.lines[_line_of(demo, "asked by its owner") + 4].strip()[:-1]), json.loads(usage.stdout)[1]
    size = Path("/etc/os-release").stat().st_size
    for title in before:
        more = {"PUT": 1, "GET": 1, "HEAD": None, "Bytes_In": size, "Bytes_Out": size}.get(title, 0)
        # The service asks Swift by a HEAD whether a token is good, on its owner's account.
        assert more is None or after[title] == before[title] + more, title


def _look(demo: Demo) -> None:
    """Open the page that the demo names, with the token that it shows: in two clicks at most, what a new user wants to know."""
    from tests.support.pages import chromium, window

    words = demo.lines[_line_of(demo, "in a browser: ")].split()
    url, token = words[words.index("browser:") + 1], words[-1]
    with chromium() as browser, window(browser) as page:
        page.goto(url)
        page.get_by_label("Token", exact=True).fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(url + "usage")
        assert page.locator("tbody th").all_inner_texts() == ["(unknown)", "AUTH_test", "AUTH_test2"]
        assert "demo-proxy" not in page.locator(".strip").inner_text()  # it holds nothing up
        with page.expect_download() as waiting:
            page.get_by_role("link", name="CSV", exact=True).click()
        assert waiting.value.suggested_filename.endswith("not-final.csv")
        with page.expect_navigation():
            page.get_by_role("link", name="Bytes out").click()
        assert page.locator("tbody th").first.inner_text() == "AUTH_test"
        page.goto(url)
        with page.expect_navigation():
            page.get_by_role("link", name="Last month").click()
        assert "✓ Final." in page.locator(".strip").inner_text()
        with window(browser) as tenants:
            tenants.goto(url)
            tenants.get_by_label("Token", exact=True).fill(_swift_token(demo))
            tenants.get_by_label("Account, with a token of Swift").fill("AUTH_test")
            tenants.get_by_role("button", name="Sign in").click()
            tenants.wait_for_url(url + "accounts/AUTH_test")
            assert "demo-proxy" not in tenants.content() and tenants.locator(".tile data").count() == 6


def _swift_token(demo: Demo) -> str:
    """Return a token that the demo's Swift gives its user test."""
    url = re.search(r"http://\S+/auth/v1.0", demo.text)
    assert url is not None
    asked = urllib.request.Request(url.group(), headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return str(answer.headers["X-Auth-Token"])


def _line_of(demo: Demo, text: str) -> int:
    return next(number for number, line in enumerate(demo.lines) if text in line)


def test_sigterm_while_it_starts_leaves_nothing(folder: Path) -> None:
    """SIGTERM in the middle of starting ends every server that was started until then."""
    demo = Demo(folder, "--port", "0")
    demo.wait_for("object server on port")
    assert demo.end(signal.SIGTERM) == 0, demo.text
    assert not demo.left()


def test_a_failed_start_says_what_failed(folder: Path) -> None:
    """A server that does not start is named, the end of its log is shown, the exit status is 1, and nothing is left."""
    folder.mkdir()
    # The spool's place is taken by a file of another kind, so that our filter's flusher cannot use it.
    (folder / "spool").write_text("no directory")
    demo = Demo(folder, "--once", "--port", "0")
    assert demo.end() == 1, demo.text
    assert "the end of " in demo.text and json.loads(demo.lines[-1])["ok"] is False, demo.text
    assert not demo.left()


def test_taken_port_is_said(folder: Path) -> None:
    """Where the service's port is taken, the demo listens on another one and says so."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = Demo(folder, "--port", str(port))
        demo.wait_for("OpenStack Swift in")
        demo.end(signal.SIGINT)
    assert f"port {port} is taken: the statistics service listens on " in demo.text
