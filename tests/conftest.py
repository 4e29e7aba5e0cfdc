"""Fixtures that every kind of test shares: real servers, databases fresh for each test."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from tests.support.keystone import Keystone
    from tests.support.mariadb import MariaDB


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--galera", action="store_true", help="let the MariaDB of tests be one of three nodes of a Galera cluster")


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, as in a terminal: a shell starts what runs in its background deaf to it, and its children too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """Commands that run in this process set the level of our loggers; the next test finds it as it was."""
    logger = logging.getLogger("swiftstats")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Iterator[MariaDB]:
    """One private MariaDB for the whole run; without mariadbd the test fails, and says what installs it."""
    if request.config.getoption("--galera"):
        from tests.support.galera import Cluster

        with Cluster() as cluster:
            yield cluster.nodes[0]
        return
    from tests.support.mariadb import MariaDB  # its driver is not there where only the journal and the filter are tested

    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def keystone() -> Iterator[Keystone]:
    """One real Keystone for the whole run; whoever needs domains, projects and users makes them, by names of its own."""
    from tests.support.keystone import Keystone

    with Keystone() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database without a schema, once on SQLite and once on MariaDB."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/usage.db"
    server: MariaDB = request.getfixturevalue("mariadb")
    return server.url()
