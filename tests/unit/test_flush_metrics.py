"""The flusher's file for node_exporter: what it says of sweeps and the spool, whoever reads it, and when the database is away."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from pathlib import Path
from typing import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from swiftstats.config import Config
from swiftstats.flush.daemon import Daemon
from swiftstats.flush.metrics import DONE, FAILED, FILE, Metrics
from swiftstats.store import engine as engines
from tests.support.hosts import Host
from tests.support.promtool import promtool
from tests.support.service import HOUR, T, fresh, sqlite

#: How long something may take that takes no time (s).
WAIT = 20


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return fresh(sqlite(tmp_path))


def samples(folder: Path) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families((folder / FILE).read_text()):
        for sample in family.samples:
            found[sample.name + "".join(f"{{{value}}}" for value in sample.labels.values())] = sample.value
    return found


def test_what_was_counted(engine: Engine, tmp_path: Path) -> None:
    """After a period is closed the file has its requests, rows and losses, and the spool as it is; promtool finds no fault."""
    host = Host(engine, tmp_path / "spool")
    metrics = Metrics(Config({**host.options, "metrics_dir": str(tmp_path)}))
    host.count(times=5)
    host.count("AUTH_b", 2)
    metrics.swept(DONE, host.close(), 0.5)
    found = samples(tmp_path)
    for name, value in {
        "swiftstats_flusher_sweeps_total{done}": 1, "swiftstats_flusher_sweeps_total{failed}": 0,
        "swiftstats_flusher_counted_requests_total": 7, "swiftstats_flusher_periods_total": 1, "swiftstats_flusher_rows_total": 2,
        "swiftstats_flusher_sweep_duration_seconds": 0.5, "swiftstats_spool_segments": 0, "swiftstats_spool_period_files": 1,
        "swiftstats_spool_shipped_through_timestamp_seconds": T + HOUR, "swiftstats_spool_workers_live": 1,
        "swiftstats_spool_max_bytes": 4294967296,
    }.items():
        assert found[name] == value, name
    host.count(times=3)
    metrics.swept(DONE, host.close(), 0.5)
    assert samples(tmp_path)["swiftstats_flusher_counted_requests_total"] == 10
    assert promtool("check", "metrics", given=(tmp_path / FILE).read_text()) == ""


def test_losses(engine: Engine, tmp_path: Path) -> None:
    """A loss that is recorded when its period closes is counted by kind."""
    host = Host(engine, tmp_path / "spool")
    metrics = Metrics(Config({**host.options, "metrics_dir": str(tmp_path)}))
    host.count(times=5)
    host.damage(host.segments()[0])
    metrics.swept(DONE, host.close(), 0.5)
    assert samples(tmp_path)["swiftstats_flusher_losses_total{damaged}"] == 1


def test_everybody_may_read_it(engine: Engine, tmp_path: Path) -> None:
    """The collector, another user, reads the file whatever the flusher's umask; nothing half-written is beside it."""
    host = Host(engine, tmp_path / "spool")
    before = os.umask(0o077)
    try:
        folder = tmp_path / "collector"
        folder.mkdir()
        Metrics(Config({**host.options, "metrics_dir": str(folder)})).swept(DONE, host.sweep(), 0.1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o644
    assert os.listdir(folder) == [FILE]


def test_where_it_cannot_be_written(engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A directory that is missing is said once, and no sweep fails for it; without the option nothing is written."""
    host = Host(engine, tmp_path / "spool")
    metrics = Metrics(Config({**host.options, "metrics_dir": str(tmp_path / "gone")}))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            metrics.swept(FAILED, host.sweep(), 0.1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    Metrics(host.config).swept(DONE, host.sweep(), 0.1)
    assert not list(tmp_path.glob("**/*.prom"))


def test_the_database_away(tmp_path: Path) -> None:
    """While the database is away each failed sweep is counted, and the backlog in the spool is seen to grow."""
    engine = engines.create(sqlite(tmp_path))  # without a schema
    host = Host(engine, tmp_path / "spool")
    host.count(times=5)  # in 2012: long over
    daemon = Daemon(Config({**host.options, "metrics_dir": str(tmp_path)}), engine)
    running = threading.Thread(target=daemon.run)
    running.start()
    try:
        wait(lambda: (tmp_path / FILE).exists() and samples(tmp_path)["swiftstats_flusher_sweeps_total{failed}"] >= 1)
    finally:
        daemon.stop()
        running.join(WAIT)
    found = samples(tmp_path)
    assert found["swiftstats_spool_backlog_periods"] == 1 and found["swiftstats_spool_segments"] == 1
    assert found["swiftstats_flusher_counted_requests_total"] == 0


def wait(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < give_up
        threading.Event().wait(0.02)
