"""Nights in which local clocks are set: periods are UTC's, whatever the time zone of the processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from swiftstats import migrations
from swiftstats.store import engine as engines
from tests.faults.host import command
from tests.faults.load import COUNT
from tests.faults.machine import Clock
from tests.support.hosts import complete_through, hours, losses

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

HOUR = 3600
#: Steps of the clock from one look to the next, and how many.
STEP, STEPS = 1800, 7
CONFIGURATION = """\
[DEFAULT]
database = {database}
spool = {folder}/spool
server = proxy-01
[flusher]
flush = external
"""


@pytest.mark.parametrize(("zone", "night"), [
    pytest.param("Europe/Berlin", datetime(2026, 10, 24, 23, tzinfo=timezone.utc), id="Berlin-autumn"),
    pytest.param("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=timezone.utc), id="Berlin-spring"),
    pytest.param("Asia/Kathmandu", datetime(2026, 10, 24, 17, 15, tzinfo=timezone.utc), id="Kathmandu"),
])
def test_night(tmp_path: Path, zone: str, night: datetime) -> None:
    """Every hour of a night has what was counted in it: none is there twice, none is missing, and all of them close."""
    database = f"sqlite:///{tmp_path}/usage.db"
    engine = engines.create(database)
    migrations.upgrade(engine, ("AUTH_",))
    configuration = tmp_path / "swiftstats.conf"
    configuration.write_text(CONFIGURATION.format(database=database, folder=tmp_path))
    clock = Clock(tmp_path, "night")
    environment = {**os.environ, **clock.environment, "TZ": zone}
    first, expected = int(night.timestamp()) + 60, {}
    for number in range(STEPS):
        moment = first + number * STEP
        clock.move(moment - int(time.time()))
        for argv in ([sys.executable, "-c", COUNT, str(configuration), "1", "AUTH_night", "proven"],
                     command(configuration, "flush", "--once")):
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
        start = moment - moment % HOUR
        expected[start] = expected.get(start, 0) + 1
    assert hours(engine, "AUTH_night0") == expected and losses(engine) == []
    assert complete_through(engine) == max(expected)
    words = ("usage", "AUTH_night0", "--begin", _text(min(expected)), "--end", _text(max(expected) + HOUR), "--format", "csv")
    done = subprocess.run(command(configuration, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=environment, timeout=60)
    assert done.returncode == 0 and f",{STEPS}," in done.stdout, done.stdout + done.stderr


def _text(moment: int) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
