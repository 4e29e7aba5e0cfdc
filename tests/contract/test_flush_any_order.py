"""Counting, flushing, dying, booting, losing and restoring the database, in any order: what was counted is in the store."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from swiftstats.errors import DatabaseAway
from tests.support.dying import Killed, dying_at
from tests.support.hosts import Host, complete_through, dump, hours, losses, restore, sum_of_store
from tests.support.spools import HOUR

ACCOUNTS = st.sampled_from(["AUTH_proven", "AUTH_sometimes", "AUTH_never"])


def machine(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> type[RuleBasedStateMachine]:
    """Return the machine's class; every run begins with an empty database and a new spool."""
    empty = dump(engine)
    numbers = itertools.count()

    class AnyOrder(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            restore(engine, empty)
            self.host = Host(engine, folder / str(next(numbers)))
            self.others = [self.host.new_worker()]
            self.backup = empty

        @rule(account=ACCOUNTS, times=st.integers(1, 5), proven=st.booleans(), other=st.booleans())
        def count(self, account: str, times: int, proven: bool, other: bool) -> None:
            proven = account == "AUTH_proven" or proven and account == "AUTH_sometimes"
            self.host.count(account, times, proven=proven, worker=self.others[0] if other else self.host.worker)

        @rule()
        def flush(self) -> None:
            self.host.sweep()
            wanted = {period: number for (period, name), number in self.host.ledger.items() if name == "AUTH_proven"}
            assert hours(engine, "AUTH_proven") == wanted

        @rule(periods=st.sampled_from([0.4, 1, 2]))
        def time_passes(self, periods: float) -> None:
            self.host.later(periods)

        @rule()
        def close(self) -> None:
            self.host.close()

        @rule()
        def clock_is_set_back(self) -> None:
            self.host.clock.now -= HOUR
            self.host.step -= HOUR

        @rule(place=st.integers(1, 60), away=st.booleans(), running=st.booleans())
        def sweep_dies(self, place: int, away: bool, running: bool) -> None:
            with dying_at(place, (lambda: DatabaseAway("away")) if away else Killed):
                try:
                    self.host.sweep(running=running)
                except (Killed, DatabaseAway):
                    pass

        @rule()
        def worker_dies(self) -> None:
            self.host.worker.close()
            self.host.worker = self.host.new_worker()

        @rule()
        def boot(self) -> None:
            self.others.pop().close()
            self.host.reboot(monkeypatch)
            self.others = [self.host.new_worker()]

        @rule()
        def back_up(self) -> None:
            self.backup = dump(engine)

        @rule()
        def restore(self) -> None:
            restore(engine, self.backup)

        @invariant()
        def never_more_than_counted(self) -> None:
            if hasattr(self, "host"):
                assert sum_of_store(engine) <= self.host.total_of_ledger()

        def teardown(self) -> None:
            if not hasattr(self, "host"):
                return
            # Past everything that a clock that was set back left open: as much time passes as it was set back by.
            self.host.later(2 - self.host.step / HOUR)
            for _ in range(2):
                self.host.sweep()
                self.host.later(1)
            assert self.host.segments() == []
            assert sum_of_store(engine) == self.host.total_of_ledger()
            assert losses(engine) == []
            assert complete_through(engine) == (self.host.clock.now - HOUR) // HOUR * HOUR
            for worker in (*self.others, self.host.worker):
                worker.close()

    return AnyOrder


def test_conservation(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens in whatever order, what was counted is in the store once, nothing is lost, and all of it gets final."""
    sqlite = engine.dialect.name == "sqlite"
    run_state_machine_as_test(machine(engine, tmp_path, monkeypatch), settings=settings(
        max_examples=30 if sqlite else 5, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)))
