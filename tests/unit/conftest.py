"""A meter that counts into a recorder, for the tests of the filter."""

from __future__ import annotations

import pytest

from swiftstats.collect.meter import Meter
from tests.support.recorder import Recorder


@pytest.fixture
def journal() -> Recorder:
    return Recorder()


@pytest.fixture
def meter(journal: Recorder) -> Meter:
    return Meter(spool="unused", counters=journal)
