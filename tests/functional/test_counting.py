"""Every case of the table of what must come out right, through a real Swift, on SQLite and on MariaDB.

All cases are run first, each in an account of its own; then, when the periods are complete, each one's numbers are asked for.
"""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Iterator

import pytest

from swiftstats import periods
from swiftstats.demo.check import wait_complete
from swiftstats.demo.site import Site
from tests.functional import cases_refused, cases_s3, cases_swift
from tests.functional.table import CASES, UNKNOWN, Case, numbers_of
from tests.support.caller import Caller, Numbers
from tests.support.cluster import Asker, mismatches, running_site
from tests.support.witness import examine, shown

pytestmark = [pytest.mark.swift, pytest.mark.timeout(300)]

assert cases_refused and cases_s3 and cases_swift  # they have filled the table
#: Short enough that (unknown), which is shipped when a period closes, is soon there.
PERIOD = 10
#: Swift's own minute is too long to wait for in a test; shorter, a machine with much to do would look like a stalled client.
CLIENT_TIMEOUT = 10


class Outcome:
    """What the cases said must come out, and what went wrong while they ran."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.expected: dict[str, Numbers] = {}
        self.failed: dict[str, str] = {}


def name_of(case: Case) -> str:
    return case.__name__.replace("_", "-")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Run every case against one site; yield when what they counted is complete."""
    database = None if request.param == "sqlite" else request.getfixturevalue("mariadb").url()
    folder: Path = tmp_path_factory.mktemp(f"counting-{request.param}")
    names = [name_of(case) for case in CASES]
    with running_site(
        folder, database=database, names=names, period_seconds=PERIOD, plain_proxy=True, client_timeout=CLIENT_TIMEOUT
    ) as site:
        yield _run(site)


def _run(site: Site) -> Outcome:
    outcome = Outcome(Asker(site, site.token, periods.floor(time.time(), PERIOD), 0))
    for case in CASES:
        name = name_of(case)
        caller = Caller(site.swift, site.swift.user(name), site.swift.user(name + "-other"))
        try:
            expected = numbers_of(case(caller), caller.account)
        except Exception:  # said in that case's own test
            outcome.failed[name] = traceback.format_exc()
        else:
            outcome.expected[name] = _add(caller.prepared, expected)
    asker = outcome.asker
    asker.end = periods.floor(time.time(), PERIOD) + PERIOD
    wait_complete(site, asker.begin, asker.end, seconds=PERIOD + 60)
    return outcome


def _add(prepared: Numbers, expected: Numbers) -> Numbers:
    """Return the sums of what was prepared and what the case is about, for each account."""
    result: Numbers = {}
    for account in {*prepared, *expected}:
        row = dict(expected.get(account, {}))
        for title, amount in prepared.get(account, {}).items():
            row[title] = _plus(row.get(title, 0), amount)
        result[account] = row
    return result


def _plus(one: int | tuple[int, int], other: int | tuple[int, int]) -> int | tuple[int, int]:
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    low, high = (value if isinstance(value, tuple) else (value, value) for value in (one, other))
    return low[0] + high[0], low[1] + high[1]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_case(case: Case, outcome: Outcome) -> None:
    """A case of the table comes out as it must, in JSON and in XML, as a sum and in detail."""
    name = name_of(case)
    assert name not in outcome.failed, f"{case.__doc__}\n{outcome.failed[name]}"
    wrong = []
    for account, expected in outcome.expected[name].items():
        if account == UNKNOWN:
            continue  # one row of many cases; its own test adds them up
        for form, found in outcome.asker.every_form(account).items():
            wrong += [f"{account}, {form}: {line}" for line in mismatches(found, expected)]
    assert not wrong, "\n".join([case.__doc__ or name, *wrong])


def test_unknown(outcome: Outcome) -> None:
    """Under (unknown) stands what the cases expect there, all together, and nothing else."""
    assert not outcome.failed, f"its cases did not all run: {', '.join(outcome.failed)}"
    expected: Numbers = {}
    for numbers in outcome.expected.values():
        expected = _add(expected, {UNKNOWN: numbers[UNKNOWN]} if UNKNOWN in numbers else {})
    for form, found in outcome.asker.every_form(UNKNOWN).items():
        assert not mismatches(found, expected[UNKNOWN]), form


def test_complete_and_without_losses(outcome: Outcome) -> None:
    """The answers over the cases are complete: no server is waited for, no period has a loss or a correction."""
    header, _figures = outcome.asker.json("AUTH_small-object")
    assert not {"Waiting For", "Incomplete", "Corrected"} & set(header), header


def test_the_access_log_agrees(outcome: Outcome) -> None:
    """Swift's own access log of the whole table has, per account, period and figure, what was metered: an independent witness."""
    said = examine(outcome.asker.site)
    assert not said["differences"], shown(said["differences"])
    assert said["requests"] > 250 and said["own_requests"] > 250, "the log is not of these cases"
