"""One browser for all tests of pages."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.support.pages import PagesSite


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, once for the whole run."""
    from tests.support.pages import chromium

    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site() -> Iterator[PagesSite]:
    """A service over an empty store, once for each module; in memory where there is one, since nothing here is about disks."""
    from tests.support.pages import PagesSite

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        made = PagesSite(Path(folder))
        yield made
        made.stop()


@pytest.fixture
def page(browser: Browser, site: PagesSite) -> Iterator[Page]:
    """A fresh window, signed in as the operator."""
    from tests.support.pages import sign_in, window

    with window(browser) as opened:
        sign_in(opened, site, site.operator)
        yield opened
