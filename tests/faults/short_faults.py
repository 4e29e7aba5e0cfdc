"""Each fault once, on one site under load: whatever breaks, clients' ledger = store = the service's answer."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.faults.harness import Harness, running
from tests.faults.table import all_faults

pytestmark = [pytest.mark.faults, pytest.mark.swift, pytest.mark.mariadb, pytest.mark.timeout(200)]

#: pytest shows it where a test fails; SWIFTSTATS_SEED replays it.
SEED = int(os.environ.get("SWIFTSTATS_SEED", str(random.SystemRandom().randrange(10**6))))
FAULTS = all_faults()


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with running(tmp_path_factory.mktemp("faults"), seed=SEED) as started:
        yield started


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.short])
def test_fault(harness: Harness, name: str) -> None:
    """What clients saw finished is answered to the byte, once each, after this fault; what it cost is recorded and shown."""
    took = harness.run(FAULTS[name], random.Random(f"{SEED} {name}"))
    print(f"{name}: right again {took:.1f} s after its end; SWIFTSTATS_SEED={SEED}")


def test_everything_in_the_end(harness: Harness) -> None:
    """After all of them every account of every fault is as its ledger has it, and the answers are final."""
    harness.finish()
