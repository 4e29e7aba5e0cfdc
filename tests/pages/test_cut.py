"""A file whose database dies while it is read: whoever downloads it sees that it is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from playwright.sync_api import Browser

from swiftstats.fields import CELL_COUNT
from swiftstats.periods import DAY
from swiftstats.store import engine as engines
from swiftstats.store import marks
from tests.support.api_server import ApiServer
from tests.support.mariadb import MariaDB
from tests.support.pages import window
from tests.support.service import T, close, count, fresh

pytestmark = [pytest.mark.browser, pytest.mark.mariadb, pytest.mark.timeout(300)]

#: Some seconds of reading, and more than fits into what lies between the database and the browser.
ACCOUNTS = 100_000


@pytest.fixture
def database() -> Iterator[MariaDB]:
    """A server of its own, since it is killed."""
    with MariaDB() as server:
        yield server


def test_a_download_that_the_database_cuts(browser: Browser, database: MariaDB, tmp_path: Path) -> None:
    """The database is killed when a CSV of everything has begun: the browser says that the download failed."""
    url = database.url()
    engine = fresh(url)
    writer = count(engine, put_count=1)
    with engines.write(engine) as connection:
        connection.exec_driver_sql(f"INSERT INTO accounts (name, first_seen) SELECT CONCAT('AUTH_', 'x', seq), {T} "
                                   f"FROM seq_1_to_{ACCOUNTS}")
        cells = ", ".join(["1"] * CELL_COUNT)
        connection.exec_driver_sql(f"INSERT INTO io_hours SELECT {T // DAY}, id, {T}, {writer.id}, {cells} FROM accounts "
                                   "WHERE name LIKE 'AUTH_x%%'")
        marks.mark(connection, marks.IO, T // DAY, writer.id)
    close(engine, writer, through=T + 30 * DAY)
    engine.dispose()
    configuration = f"[DEFAULT]\ndatabase = {url}\n[api]\nauth = none\nallow_anonymous = yes\n"
    with ApiServer(tmp_path, configuration) as service, window(browser) as page:
        page.goto(f"http://127.0.0.1:{service.port}/usage?begin=2012-10-22")
        with page.expect_download() as waiting:
            page.get_by_role("link", name="CSV", exact=True).click(no_wait_after=True)
        database.kill()
        assert waiting.value.failure(), "the browser takes half of a file for all of it"
        assert "2012-10-22" in waiting.value.suggested_filename
    assert "cannot be used: error 20" in service.logged()
