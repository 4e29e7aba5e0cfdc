"""Databases that were restored from a backup: what they lack is shipped again, and only what no archive has is lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats.errors import UnknownServer
from swiftstats.flush import registration
from swiftstats.flush import sweep as sweeping
from swiftstats.flush.archive import Archive
from swiftstats.journal.control import Control
from tests.support.hosts import (
    Host,
    complete_through,
    dump,
    everything,
    hours,
    losses,
    restore,
    sum_of_store,
)
from tests.support.spools import HOUR, T


def test_restored_in_the_middle_of_a_sweep(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep under which the database is restored closes nothing; the next one replays what the backup lacks."""
    host.count("AUTH_a", 5)
    host.close()
    backup = dump(engine)
    host.count("AUTH_a", 70)
    host.close()
    host.count("AUTH_a", 600)
    host.later()
    replay = registration.replay

    def restored(sweeping: sweeping.Host) -> None:
        replay(sweeping)
        restore(engine, backup)

    with monkeypatch.context() as patch:
        patch.setattr(registration, "replay", restored)
        with pytest.raises(UnknownServer):
            host.sweep()
    assert complete_through(engine) == T + HOUR
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 5, T + HOUR: 70, T + 2 * HOUR: 600} and losses(engine) == []
    assert complete_through(engine) == T + 3 * HOUR


def test_original_of_a_restored_database(host: Host, engine: Engine, tmp_path: Path) -> None:
    """Where the database forgets that a clone's original lives, or knows nothing of either, the next sweeps tell it again."""
    backups = [dump(engine)]
    host.sweep()
    backups.append(dump(engine))
    shutil.copytree(host.path, tmp_path / "copy")
    clone = Host(engine, tmp_path / "copy", server="proxy-clone")
    clone.sweep()
    backups.append(dump(engine))
    for backup in backups:
        restore(engine, backup)
        clone.sweep()
        host.sweep()
        for _ in range(2):
            clone.close()
            host.later()
        assert complete_through(engine) in (None, clone.clock.now // HOUR * HOUR - 2 * HOUR)
        host.sweep()
        assert complete_through(engine) == clone.clock.now // HOUR * HOUR


@pytest.mark.parametrize("rebooted", [False, True])
def test_restored_database_is_made_whole(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch, rebooted: bool) -> None:
    """A database restored from a backup gets every closed period again from the archive, and the running one too."""
    backups = [dump(engine)]
    for hour in range(4):
        host.count("AUTH_a", 10**hour)
        host.count("AUTH_garbage", 1, proven=False)
        host.close()
        backups.append(dump(engine))
        if rebooted and hour == 2:
            host.reboot(monkeypatch)
    host.count("AUTH_a", 7)
    host.sweep()
    wanted = everything(engine)
    for backup in backups:
        restore(engine, backup)
        host.sweep()
        assert everything(engine) == wanted
        if rebooted:
            host.sweep()
        assert complete_through(engine) == T + 4 * HOUR
        assert losses(engine) == []


def test_restored_with_the_archive_pruned(host: Host, engine: Engine) -> None:
    """What neither database nor archive has is recorded as lost, and never closed as empty; the rest is replayed."""
    host.sweep()
    backup = dump(engine)
    host.options["archive_hours"] = 2
    for hour in range(5):
        host.count("AUTH_a", 10**hour)
        host.close()
    restore(engine, backup)
    host.sweep()
    assert hours(engine, "AUTH_a") == {T + 3 * HOUR: 1000, T + 4 * HOUR: 10000}
    [loss] = losses(engine)
    assert (loss.kind, loss.begin, loss.end) == ("restored", T, T + 3 * HOUR)


def test_restored_with_a_damaged_period_file(host: Host, engine: Engine) -> None:
    """A period file that is damaged is recorded as lost; those before and after it are replayed."""
    host.sweep()
    backup = dump(engine)
    for hour in range(3):
        host.count("AUTH_a", 10**hour)
        host.close()
    path = Archive(host.spool, Control(str(host.path / "control"))).find(T + HOUR)
    assert path is not None
    os.truncate(path, 50)
    restore(engine, backup)
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 1, T + 2 * HOUR: 100}
    [loss] = losses(engine)
    assert (loss.kind, loss.begin, loss.end) == ("restored", T + HOUR, T + 2 * HOUR)


def test_archive_bounds(host: Host, engine: Engine) -> None:
    """The archive keeps what is young and fits, oldest first out, and what is not shipped in any case."""
    host.options.update(archive_hours=10**6, archive_max_bytes=0)
    host.count()
    host.close()
    assert Archive(host.spool, Control(str(host.path / "control"))).files() == []
    host.options["archive_max_bytes"] = 10**6
    for _ in range(3):
        host.count()
        host.close()
    assert len(os.listdir(host.spool.periods)) == 3
    assert sum_of_store(engine) == 4
