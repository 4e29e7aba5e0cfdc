"""Periods whose length is changed under way: everything is counted once, and both lengths close."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from swiftstats.flush.archive import Archive
from tests.support.hosts import (
    Host,
    complete_through,
    hours,
    losses,
)
from tests.support.spools import HOUR, T


def test_period_length_shortened(host: Host, engine: Engine) -> None:
    """From an hour to half an hour: no half of an open hour closes, everything is counted once, and both lengths close."""
    host.count("AUTH_a", 1)
    host.sweep()
    host.clock.now = T + 1200
    host.options["period_seconds"] = 1800
    host.worker = host.new_worker()
    host.count("AUTH_a", 10)
    host.clock.now = T + 1801
    host.count("AUTH_a", 100)
    assert host.sweep().closed_through == T
    host.clock.now = T + HOUR
    assert host.sweep().periods == [T, T + 1800]
    assert hours(engine, "AUTH_a") == {T: 11, T + 1800: 100} and losses(engine) == []
    host.sweep()
    assert complete_through(engine) == T + HOUR


def test_period_length_shortened_and_killed(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the first half of such an hour was shipped, the second half is not late."""
    host.count("AUTH_a", 1)
    host.options["period_seconds"] = 1800
    host.worker = host.new_worker()
    host.clock.now = T + 1801
    host.count("AUTH_a", 100)
    host.clock.now = T + HOUR
    period_write, written = Archive.find, []

    def find_once(self: Archive, period: int) -> str | None:
        written.append(period)
        if len(written) == 2:
            raise KeyboardInterrupt
        return period_write(self, period)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Archive, "find", find_once)
        host.sweep()
    assert complete_through(engine) in (None, T + 1800)
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 1, T + 1800: 100} and losses(engine) == []


def test_period_length_extended(host: Host, engine: Engine) -> None:
    """From half an hour to an hour, with the first half closed already: what follows counts into the next open period."""
    host.options["period_seconds"] = 1800
    host.worker = host.new_worker()
    host.count("AUTH_a", 1)
    host.clock.now = T + 1860
    host.count("AUTH_a", 10)
    host.sweep()
    host.options["period_seconds"] = HOUR
    host.worker = host.new_worker()
    host.count("AUTH_a", 100)
    host.clock.now = T + HOUR + 60
    host.sweep()
    host.clock.now = T + 2 * HOUR
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 1, T + 1800: 10, T + HOUR: 100} and losses(engine) == []
    assert complete_through(engine) == T + 2 * HOUR
