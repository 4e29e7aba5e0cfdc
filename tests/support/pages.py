"""The service over a store of its own, served in a thread, and a real browser that looks at its pages."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence
from urllib.parse import quote

import pytest
import waitress
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from swiftstats.api.app import make_app
from swiftstats.api.auth.tokens import TokensFile
from swiftstats.config import Config
from swiftstats.store import engine as engines
from swiftstats.store import space, usage, writers
from swiftstats.store.space_report import Report
from swiftstats.store.writers import Writer
from tests.support.service import HOUR, cells, fresh, sqlite

#: 2026-11-21 14:37:00 UTC.
NOW = 1_795_271_820
#: 2026-11-01 and 2026-12-01 00:00:00 UTC.
NOVEMBER, DECEMBER = 1_793_491_200, 1_796_083_200
AXE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core"


class PagesSite:
    """A site whose usage a test writes, and its service on a free port. The clock stands at `now` until it is moved."""

    def __init__(self, folder: Path, *, now: float = NOW, **options: Any) -> None:
        self.now, self.database = now, folder / "usage.db"
        self.engine = fresh(sqlite(folder))
        self._tokens = TokensFile(str(folder / "tokens"))
        self.operator = self._tokens.create("operator", None, now=now)
        self._writers: dict[str, Writer] = {}
        values = {"database": sqlite(folder), "auth": ("tokens",), "tokens_file": self._tokens.path, **options}
        self.app = make_app(Config(values), clock=lambda: self.now)
        self._server = waitress.create_server(self.app, host="127.0.0.1", port=0, threads=4)
        self.port = self._server.effective_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        """End the service."""
        self._ending.set()
        self._thread.join(10)
        self._server.task_dispatcher.shutdown()
        self._server.close()
        self.engine.dispose()
        self.app.service.engine.dispose()

    def _serve(self) -> None:
        while not self._ending.is_set():
            self._server.asyncore.loop(timeout=0.1, map=self._server._map, count=1)

    def token(self, name: str, *accounts: str) -> str:
        """Make a token that may read these accounts."""
        return self._tokens.create(name, accounts, now=self.now)

    def revoke(self, name: str) -> None:
        """Revoke a token."""
        self._tokens.revoke(name)

    def server(self, name: str, *, first: int = NOVEMBER) -> Writer:
        """Register a server, once."""
        if name not in self._writers:
            incarnation = f"{len(self._writers) + 10:032x}"
            with engines.write(self.engine) as connection:
                self._writers[name] = writers.register(connection, server=name, incarnation=incarnation, predecessor=None,
                                                       first_period=first, period_seconds=HOUR, now=int(self.now))
        return self._writers[name]

    def count(self, server: str, period: int, rows: Mapping[str, Mapping[str, int]], *, first: int = NOVEMBER) -> None:
        """Merge what a server counted in a period: cells by account."""
        merged = sorted((name.encode(), cells(**given)) for name, given in rows.items())
        writer = self.server(server, first=first)
        with engines.write(self.engine) as connection:
            usage.merge(connection, writer=writer, period=period, rows=merged, now=period + HOUR)

    def close(self, through: int, *servers: str, flushed: int | None = None) -> None:
        """Close everything before `through` for these servers, or all; they flush now, or when they are said to."""
        closing = [self._writers[name] for name in servers or self._writers]
        with engines.write(self.engine) as connection:
            writers.close(connection, writers=closing, through=through, ended=[], now=int(self.now))
            for each in closing:
                writers.report(connection, writer=each, now=int(self.now) if flushed is None else flushed, spool_bytes=4096,
                               backlog_periods=0)

    def read(self, period: int, account: str, size: int, *, objects: int = 1) -> None:
        """Record that a crawler read the space of an account in a period."""
        report = Report(account=account.encode(), replica="proxy", position=0, read_at=period + 180, status="active",
                        containers=1, objects=objects, bytes=size)
        with engines.write(self.engine) as connection:
            space.add_reports(connection, period=period, reports=[report], now=period + 180)


def account_url(site: PagesSite, name: str) -> str:
    """Return the page of an account."""
    return f"{site.url}/accounts/{quote(name, safe='')}"


def sign_in(page: Page, site: PagesSite, token: str) -> None:
    """Sign in by the form, as a person does."""
    page.goto(site.url + "/login")
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium; without it the test fails, and says what installs it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail(f"chromium is not here; as root on Debian: {INSTALL}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[Page]:
    """Open a fresh window, of a fresh profile."""
    context: BrowserContext = browser.new_context(**options)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


class Watched:
    """What a window did that it must not: words on the console, errors, requests elsewhere."""

    def __init__(self, page: Page, site: PagesSite) -> None:
        self.said: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((site.url + "/", "data:"))
                else self.elsewhere.append(request.url))


def violations(page: Page) -> Sequence[str]:
    """Return what axe finds wrong with a page, by the rules of WCAG 2.2 AA and axe's own best practices.

    target-size, of WCAG 2.2 alone, is one that axe has off unless it is asked for.
    """
    found = Axe().run(page, options=AXE).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
