"""Every case of the table again, through a Swift behind Keystone, and those that only Keystone has."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests.functional import cases_keystone, cases_refused, cases_s3, cases_swift
from tests.functional.outcome import CLIENT_TIMEOUT, PERIOD, Outcome, name_of, run
from tests.functional.table import CASES, Case
from tests.support.cluster import running_site
from tests.support.keystone import Keystone
from tests.support.keystone_pipeline import sample
from tests.support.users import OfKeystone

# Each case has a project of its own made in Keystone, which takes its time on a machine that has much to do.
pytestmark = [pytest.mark.swift, pytest.mark.keystone, pytest.mark.timeout(900)]

assert cases_refused and cases_s3 and cases_swift  # they have filled the table
EVERY = [*CASES, *cases_keystone.CASES]


@pytest.fixture(scope="module")
def outcome(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Run every case against one site; yield when what they counted is complete."""
    folder: Path = tmp_path_factory.mktemp("counting-keystone")
    with running_site(folder, period_seconds=PERIOD, plain_proxy=True, client_timeout=CLIENT_TIMEOUT, keystone=keystone) as site:
        yield run(site, EVERY, OfKeystone(keystone))


@pytest.mark.parametrize("case", EVERY, ids=name_of)
def test_case(case: Case, outcome: Outcome) -> None:
    """A case comes out as it must, in JSON and in XML, as a sum and in detail."""
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


def test_the_sample_is_the_pipeline_that_was_run(outcome: Outcome) -> None:
    """The filters stand in etc/proxy-server-keystone.conf-snippet in the order in which these cases went through them."""
    folder = outcome.asker.site.swift.folder
    (line,) = (line for line in (folder / "proxy-server.conf").read_text().splitlines() if line.startswith("pipeline = "))
    # What tests and demo have besides: names of hosts, a filter that fails on request, the inner log under a name of its own.
    run_through = [name.removesuffix("-inner") for name in line.split()[2:] if name not in ("domain_remap", "faulty")]
    assert sample()["pipeline:main"]["pipeline"].split() == run_through
