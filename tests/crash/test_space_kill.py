"""Kill -9 of a crawler half-way, and two at once: one reading per account."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from swiftstats import migrations
from swiftstats.demo.processes import wait_for
from swiftstats.store import engine as engines
from tests.support.account_devices import make_accounts, make_ring
from tests.support.crawler import Crawler

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

#: Some transactions' worth.
ACCOUNTS = 4_000


@pytest.fixture
def engine(store_url: str) -> Engine:
    """A fresh database with a schema."""
    made = engines.create(store_url)
    migrations.upgrade(made, ("AUTH_",))
    return made


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device with many accounts, and its ring."""
    folder = tmp_path_factory.mktemp("devices")
    make_ring(folder / "etc", ["sda"])
    make_accounts(folder / "node" / "sda", ACCOUNTS)
    return folder


def crawler(folder: Path, devices: Path, url: str, server: str = "account-01") -> Crawler:
    return Crawler(folder / f"{server}.conf", database=url, server=server, options={
        "devices": str(devices / "node"), "swift_dir": str(devices / "etc"), "mount_check": "no"})


def ask(engine: Engine, query: str) -> list[Any]:
    with engines.read(engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def check(engine: Engine) -> None:
    """See that each account has just one reading a period, and the right one."""
    periods = ask(engine, "SELECT DISTINCT period FROM space_readings")
    # A crawl across the hour has read some in each; none twice in one.
    assert len(periods) <= 2
    query = "SELECT count(*), count(DISTINCT account_id), sum(containers), sum(objects), sum(bytes) FROM space_readings"
    readings, accounts, containers, objects, size = ask(engine, query)[0]
    assert accounts == ACCOUNTS
    if len(periods) == 1:
        assert (readings, objects, size) == (ACCOUNTS, 8 * ACCOUNTS, 4097 * ACCOUNTS)
        assert containers == sum(range(2, ACCOUNTS + 2))


def test_killed_half_way_and_started_again(engine: Engine, store_url: str, devices: Path, tmp_path: Path) -> None:
    """A crawler killed with SIGKILL half-way, and started again, leaves exactly one reading per account."""
    mine = crawler(tmp_path, devices, store_url)
    process = mine.start()
    wait_for(lambda: ask(engine, "SELECT count(*) FROM space_readings")[0][0] > 0, seconds=60, what="the first readings")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert 0 < ask(engine, "SELECT count(*) FROM space_readings")[0][0] < ACCOUNTS
    assert f"{ACCOUNTS} seen, {ACCOUNTS} read, 0 failed" in mine.crawl()
    check(engine)
    *killed, last = [tuple(map(int, row)) for row in ask(
        engine, "SELECT ended_at IS NULL, complete, failed FROM space_runs ORDER BY started_at")]
    # Two that began in the same second are one run.
    assert killed in ([], [(1, 0, 0)]) and last == (0, 1, 0)
    engine.dispose()


def test_two_at_once(engine: Engine, store_url: str, devices: Path, tmp_path: Path) -> None:
    """Two crawlers of the same devices at once do each other no harm, and leave what one would."""
    processes = [crawler(tmp_path, devices, store_url).start() for _ in range(2)]
    for process in processes:
        printed, logged = process.communicate(timeout=240)
        assert process.returncode == 0, printed + logged
    check(engine)
    replicas, reports, readings = (ask(engine, f"SELECT count(*) FROM {table}")[0][0]
                                   for table in ("space_replicas", "space_reports", "space_readings"))
    assert (replicas, reports) == (1, readings)
    engine.dispose()
