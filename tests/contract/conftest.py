"""Fixtures of the contract: an engine on a fresh database whose schema is made, and a host that flushes into it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Iterator

import pytest
from sqlalchemy import Engine

from swiftstats import migrations
from swiftstats.store import engine as engines
from swiftstats.store.dialects import mysql_sent
from tests.support.hosts import Host


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of syncs to a disk would show nothing that a process can see."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def every_row_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows go to MariaDB as many do; test_store_sent.py has both ways, and faults and Swift's cases have few."""
    monkeypatch.setattr(mysql_sent, "FEW", 1)


@pytest.fixture
def bare(store_url: str) -> Iterator[Engine]:
    """An engine on a fresh database without a schema."""
    engine = engines.create(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(bare: Engine) -> Engine:
    """An engine on a fresh database with the schema of this version."""
    migrations.upgrade(bare, ("AUTH_",))
    return bare


@pytest.fixture
def host(engine: Engine, tmp_path: Path) -> Host:
    """A host with a spool of its own, a worker, and a flusher that sweeps when it is told to."""
    return Host(engine, tmp_path / "spool")
