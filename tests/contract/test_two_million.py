"""Two million requests from four workers, flushed while they run: the sum, exactly."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from swiftstats import periods
from swiftstats.collect.filter import filter_factory
from swiftstats.config import Config
from swiftstats.fields import CELL_INDEX
from swiftstats.flush.sweep import sweep
from swiftstats.store import engine as engines
from tests.support import by_name

WORKERS = 4
REQUESTS = 500_000  # of each worker
ACCOUNTS = 50


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer as an object server does to a small GET."""
    start_response("200 OK", [("Content-Length", "5"), ("Content-Type", "text/plain")])
    return [b"hello"]


def serve(spool: Path) -> None:
    """Be one worker: a pipeline of its own, as after a fork."""
    pipeline = filter_factory({}, spool=str(spool), server="proxy-01", flush="external")(application)
    for number in range(REQUESTS):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/v1/AUTH_{number % ACCOUNTS}/c/o"}
        for _ in pipeline(environ, lambda status, headers, exc_info=None: None):
            pass


@pytest.mark.timeout(240)
def test_two_million_requests_add_up(engine: Engine, store_url: str, tmp_path: Path) -> None:
    """Four processes count as fast as they can beside a flusher, and not one request is lost or doubled."""
    config = Config({"database": store_url, "spool": str(tmp_path / "spool"), "server": "proxy-01"})
    begin = periods.floor(time.time(), config.period_seconds)
    workers = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                serve(tmp_path / "spool")
                status = 0
            finally:
                os._exit(status)
        workers.append(pid)
    sweeps = 0
    while workers:
        sweep(config, engine, with_running=True)
        sweeps += 1
        for pid in list(workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                workers.remove(pid)
                assert status == 0, f"worker {pid} failed"
    sweep(config, engine, with_running=True)
    assert sweeps > 2, "nothing was flushed while they ran"
    with engines.read(engine) as connection:
        end = periods.floor(time.time(), config.period_seconds) + config.period_seconds
        totals = [by_name.total(connection, f"AUTH_{number}".encode(), begin, end) for number in range(ACCOUNTS)]
    gets, passed = CELL_INDEX["get_count"], CELL_INDEX["passed_out"]
    each = WORKERS * REQUESTS // ACCOUNTS
    assert {(row[gets], row[passed]) for row in totals} == {(each, 5 * each)}
