"""A flusher that is killed before or after any of its steps: the next sweep goes on from what stands, and the totals are exact.

Every step that leaves a trace is a place to die: renames, unlinks, syncs, the control words, seals, and each transaction, before
it begins, before and after its COMMIT. Each sweep of a scenario dies at its first place, then at its second, and so on, until
one comes to its end. Then clean sweeps follow, and the store is held against the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats.errors import DatabaseAway, DatabaseBusy
from swiftstats.fields import UNKNOWN
from swiftstats.flush import shipping
from tests.support.dying import Killed, dying_at
from tests.support.hosts import Host, complete_through, dump, hours, losses, restore
from tests.support.spools import HOUR, T


def stride_of(engine: Engine, stride: int) -> int:
    """Return how many places a test passes over: a transaction of MariaDB takes its time, and the steps are the same."""
    return stride if engine.dialect.name == "sqlite" else 11


def plain(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, an ended period and a running one, proven and other names."""
    name = host.options["server"]
    for worker in (host.worker, host.new_worker()):
        host.count(f"{name}_a", 3, worker=worker)
        host.count(f"{name}_garbage", 2, proven=False, worker=worker)
    host.later()
    host.count(f"{name}_a", 7)


def flushed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same after a running flush, with growth since."""
    host.count(f"{host.options['server']}_a", 1)
    host.sweep()
    plain(host, monkeypatch)


def rebooted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an incarnation before left, beside what the new one counted."""
    host.count(f"{host.options['server']}_a", 1)
    host.sweep()
    host.reboot(monkeypatch)
    plain(host, monkeypatch)


def gap(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ended periods with one without traffic between them."""
    plain(host, monkeypatch)
    host.later(2)


def check(host: Host) -> None:
    name = host.options["server"]
    host.later(2)
    host.sweep()
    wanted = {period: count for (period, account), count in sorted(host.ledger.items()) if account == f"{name}_a"}
    assert hours(host.engine, f"{name}_a") == wanted
    assert host.segments() == [] and os.listdir(host.spool.copies) == [] and os.listdir(host.spool.aside) == []


@pytest.mark.parametrize("scenario", [plain, flushed, rebooted, gap])
def test_killed_at_every_step(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                              scenario: Callable[[Host, pytest.MonkeyPatch], None]) -> None:
    """Wherever the flusher dies, once, the store ends with exactly what was counted, nothing lost, every name decided once."""
    number, unknown, stride = 1, 0, stride_of(engine, 1 if scenario is plain else 3)
    while True:
        host = Host(engine, tmp_path / str(number), server=f"proxy-{number}")
        scenario(host, monkeypatch)
        try:
            with dying_at(number) as passed:
                host.sweep()
        except Killed:
            check(host)
        unknown += sum(count for (_, name), count in host.ledger.items() if name.endswith("garbage"))
        if passed[0] < number:
            check(host)
            break
        number += stride
    assert number > 40
    assert sum(hours(engine, UNKNOWN).values()) == unknown
    assert losses(engine) == []


def test_first_sweep_killed_and_clock_set_back(engine: Engine, tmp_path: Path) -> None:
    """Wherever a first sweep dies, what a worker then counts on a clock that was set back is not taken as closed."""
    number = 1
    while True:
        host = Host(engine, tmp_path / str(number), server=f"proxy-{number}")
        if number % 2:
            host.count(f"proxy-{number}_a")
        try:
            with dying_at(number) as passed:
                host.sweep(running=False)
        except Killed:
            pass
        host.clock.now -= 2 * HOUR
        host.step -= 2 * HOUR
        host.count(f"proxy-{number}_a", 3)
        host.later(4)
        check(host)
        if passed[0] < number:
            break
        number += 1
    assert number > 15
    assert losses(engine) == []


def test_database_away_at_every_step(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes away at any moment, for several sweeps, and during COMMIT, changes nothing in the end."""
    number, stride = 1, stride_of(engine, 2)
    while True:
        host = Host(engine, tmp_path / str(number), server=f"proxy-{number}")
        flushed(host, monkeypatch)
        with dying_at(number, lambda: DatabaseAway("away"), ()) as passed:
            for _ in range(2):
                try:
                    host.sweep()
                except DatabaseAway:
                    pass
        check(host)
        if passed[0] < number:
            break
        number += stride
    assert number > 15
    assert losses(engine) == []


def test_damage_is_recorded_wherever_it_dies(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged segment, found at the close or while running, never goes aside without its loss being in the database."""
    number, stride = 1, stride_of(engine, 2)
    while True:
        ended = True
        for running in (False, True):
            host = Host(engine, tmp_path / f"{number}-{running}", server=f"proxy-{number}-{running}")
            host.count("AUTH_damaged", 100)
            host.damage(host.segments()[0])
            host.worker = host.new_worker()
            plain(host, monkeypatch) if not running else host.count("AUTH_a")
            try:
                with dying_at(number) as passed:
                    host.sweep()
            except Killed:
                pass
            ended = ended and passed[0] < number
            host.later(2)
            host.sweep()
            found = [loss for loss in losses(engine) if loss.server == host.options["server"]]
            assert {loss.kind for loss in found} == {"damaged"} and len(found) == 1, number
            assert len(os.listdir(host.spool.aside)) == 1
        if ended:
            break
        number += stride


def test_loss_of_a_replay_is_recorded_wherever_it_dies(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored database whose periods are not in the archive any more is told so, wherever the replay is killed."""
    number, stride = 1, stride_of(engine, 2)
    while True:
        host = Host(engine, tmp_path / str(number), server=f"proxy-{number}")
        host.sweep()
        backup = dump(engine)
        for _ in range(4):
            host.count(f"AUTH_{number}", 1)
            host.close()
        host.options["archive_hours"] = 2
        host.sweep()
        restore(engine, backup)
        try:
            with dying_at(number) as passed:
                host.sweep()
        except Killed:
            host.sweep()
        assert hours(engine, f"AUTH_{number}") == {T + 2 * HOUR: 1, T + 3 * HOUR: 1}, number
        [loss] = [loss for loss in losses(engine) if loss.server == host.options["server"]]
        assert (loss.kind, loss.begin, loss.end) == ("restored", T, T + 2 * HOUR), number
        if passed[0] < number:
            break
        number += stride


def test_who_we_are_outlives_a_power_cut(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity, content and name, is on disk before the database hears of it: else its successor could not end it."""
    host = Host(engine, tmp_path / "spool")
    synced: list[str] = []
    fsync = os.fsync

    def noted(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noted)
    with pytest.raises(Killed), dying_at(1, steps=()):
        host.sweep()
    assert {str(host.path / "identity"), str(host.path)} <= set(synced)


def test_retried_after_a_deadlock(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that lost a deadlock is tried again at once, and the sweep goes on."""
    monkeypatch.setattr(shipping, "PAUSE_SECONDS", 0)
    host = Host(engine, tmp_path / "spool")
    plain(host, monkeypatch)
    turns = [0]

    def busy() -> BaseException:
        turns[0] += 1
        return DatabaseBusy("deadlock")

    with dying_at(2, busy, ()):
        assert host.sweep().periods == [T]
    assert turns == [1]
    check(host)
    assert complete_through(engine) == T + 3 * HOUR
