"""Each fault once, on one site under load: whatever breaks, clients' ledger = store = the service's answer = the access log."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.faults.harness import Harness
from tests.faults.site import running
from tests.faults.table import Fault, all_faults

pytestmark = [pytest.mark.faults, pytest.mark.swift, pytest.mark.mariadb, pytest.mark.timeout(600)]

#: pytest shows it where a test fails; SWIFTSTATS_SEED replays it.
SEED = int(os.environ.get("SWIFTSTATS_SEED", str(random.SystemRandom().randrange(10**6))))
FAULTS = {name: fault for name, fault in all_faults().items() if fault.short}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with running(tmp_path_factory.mktemp("faults"), seed=SEED) as started:
        yield started


@pytest.fixture(scope="module")
def began(harness: Harness) -> float:
    """When the first fault began, and the access log was whole."""
    return time.time()


def _run(harness: Harness, fault: Fault) -> None:
    took = harness.run(fault, random.Random(f"{SEED} {fault.name}"))
    print(f"{fault.name}: right again {took:.1f} s after its end. {harness.costs.get(fault.name, '')} SWIFTSTATS_SEED={SEED}")


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.is_whole])
def test_fault(harness: Harness, began: float, name: str) -> None:
    """Clients notice nothing, and what they saw finished is answered to the byte, once each, after this fault."""
    _run(harness, FAULTS[name])


def test_the_access_log_has_the_same(harness: Harness, began: float) -> None:
    """Swift's own log, which knows nothing of the ledger, agrees with every figure of every account through all of these."""
    print(f"{harness.verify(began)} requests in the access logs, no difference")


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if not fault.is_whole])
def test_fault_that_clients_notice(harness: Harness, name: str) -> None:
    """What clients saw finished is answered to the byte, once each, after this fault; what it cost is recorded and shown."""
    _run(harness, FAULTS[name])


def test_everything_in_the_end(harness: Harness) -> None:
    """After all of them, and a replay of every archive, each account is as its ledger has it, and the answers are final."""
    harness.finish()
