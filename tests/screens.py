"""Take the pictures of the pages for the documents, of the demo's real data: `python -m tests.screens`, by `make screens`.

The demo runs, and its two users go on uploading and downloading for some of its periods; then each page is signed in to and
looked at by Chromium. The pictures replace those in docs/images.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Iterator

from playwright.sync_api import Page
from swiftclient import Connection

from tests.support.pages import chromium, window

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SIZE = {"width": 1060, "height": 600}
#: Picture → path of its page; the first is that of who has not signed in.
SIGNED_OUT = {"login": "/login"}
PICTURES = {"usage": "/usage", "by-server": "/usage?by=account,server", "account": "/accounts/AUTH_test?{minutes}",
            "status": "/status", "server": "/servers/demo-proxy", "help": "/help"}
#: The demo's users (shown by its own README example), and for how long they work (s): some periods.
USERS = (("test:tester", "testing"), ("test2:tester2", "testing2"))
WHILE = 150
_UP = re.compile(r"in a browser: (\S+)/ and this token: (\S+)")
_SWIFT = re.compile(r"(http://\S+/auth/v1\.0)")


def main() -> int:
    """Run the demo, take the pictures, end it; return its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(sys.executable).parent / "swiftstats"
        demo = subprocess.Popen([program, "demo", "--dir", folder], stdout=subprocess.PIPE, text=True)
        try:
            url, token, swift = _up(demo)
            subprocess.run([program, "--config", f"{folder}/swiftstats.conf", "petname", "set", "AUTH_test", "physics/lab1"],
                           check=True)
            _work(swift, time.monotonic() + WHILE)
            _take(url, token)
        finally:
            demo.send_signal(signal.SIGINT)
            status = demo.wait(120)
    return status


def _up(demo: subprocess.Popen[str]) -> tuple[str, str, str]:
    """Return the service's address, its token and Swift's address, once the demo has said them; what it says is passed on."""
    assert demo.stdout is not None
    lines, swift = iter(demo.stdout), ""
    for line in lines:
        print(line, end="", flush=True)
        swift = found[1] if (found := _SWIFT.search(line)) else swift
        if found := _UP.search(line):
            threading.Thread(target=_pass_on, args=(lines,), daemon=True).start()
            return found[1], found[2], swift
    raise SystemExit("the demo ended before it was up")


def _pass_on(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, end="", flush=True)


def _work(swift: str, until: float) -> None:
    """Upload and download as both users, more and less by turns."""
    dice = random.Random(1)
    clients = [Connection(swift, user, key, retries=1) for user, key in USERS]
    for client in clients:
        client.put_container("pictures")
    while time.monotonic() < until:
        client, name = dice.choice(clients), f"{dice.randrange(40)}.jpg"
        client.put_object("pictures", name, dice.randbytes(dice.randrange(1 << 18)))
        for _ in range(dice.randrange(4)):
            client.get_object("pictures", name)
        client.head_container("pictures")
        threading.Event().wait(dice.choice((0.02, 0.3)))  # clients that rest now and then


def _take(url: str, token: str) -> None:
    end = int(time.time()) // 60 * 60 + 60
    minutes = "&".join(f"{name}={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(moment))}"
                       for name, moment in (("begin", end - 300), ("end", end))) + "&granularity=period"
    with chromium() as browser, window(browser, viewport=SIZE) as page:
        for name, path in SIGNED_OUT.items():
            _picture(page, name, url + path)
        page.get_by_label("Token", exact=True).fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda address: "/login" not in address)
        for name, path in PICTURES.items():
            _picture(page, name, url + path.format(minutes=minutes))


def _picture(page: Page, name: str, address: str) -> None:
    answer = page.goto(address)
    assert answer is not None and answer.ok, address
    page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
    print(f"docs/images/{name}.png", flush=True)


if __name__ == "__main__":
    sys.exit(main())
