"""Every case of the table of what must come out right, through a real Swift, on SQLite and on MariaDB.

All cases are run first, each in an account of its own; then, when the periods are complete, each one's numbers are asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests.functional import cases_refused, cases_s3, cases_swift
from tests.functional.outcome import CLIENT_TIMEOUT, PERIOD, Outcome, name_of, run
from tests.functional.table import CASES, Case
from tests.support.cluster import running_site

pytestmark = [pytest.mark.swift, pytest.mark.timeout(300)]

assert cases_refused and cases_s3 and cases_swift  # they have filled the table


@pytest.fixture(scope="module", params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Run every case against one site; yield when what they counted is complete."""
    database = None if request.param == "sqlite" else request.getfixturevalue("mariadb").url()
    folder: Path = tmp_path_factory.mktemp(f"counting-{request.param}")
    with running_site(
        folder, database=database, names=[name_of(case) for case in CASES], period_seconds=PERIOD, plain_proxy=True,
        client_timeout=CLIENT_TIMEOUT,
    ) as site:
        yield run(site, CASES)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_case(case: Case, outcome: Outcome) -> None:
    """A case of the table comes out as it must, in JSON and in XML, as a sum and in detail."""
    outcome.check(case)


def test_unknown(outcome: Outcome) -> None:
    """Under (unknown) stands what the cases expect there, all together, and nothing else."""
    outcome.check_unknown()


def test_complete_and_without_losses(outcome: Outcome) -> None:
    """The answers over the cases are complete: no server is waited for, no period has a loss or a correction."""
    outcome.check_complete()


def test_the_access_log_agrees(outcome: Outcome) -> None:
    """Swift's own access log of the whole table has, per account, period and figure, what was metered: an independent witness."""
    outcome.check_log()
