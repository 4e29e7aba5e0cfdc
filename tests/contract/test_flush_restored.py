"""Hosts that boot again, are copied or renamed, and databases that were restored: nothing hides, nothing counts twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from swiftstats.errors import UnknownServer
from swiftstats.flush import registration
from swiftstats.flush import sweep as sweeping
from swiftstats.flush.archive import Archive
from swiftstats.journal.control import Control
from swiftstats.journal.spool import Lock, Spool
from swiftstats.store import schema
from swiftstats.store.engine import read, write
from swiftstats.store.writers import retire
from tests.support.hosts import (
    Host,
    complete_through,
    dump,
    everything,
    hours,
    losses,
    restore,
    status,
    sum_of_store,
)
from tests.support.spools import HOUR, T


@pytest.fixture
def host(engine: Engine, tmp_path: Path) -> Host:
    return Host(engine, tmp_path / "spool")


def server_of(engine: Engine, incarnation: str) -> bytes:
    with read(engine) as connection:
        return bytes(connection.execute(
            select(schema.servers.c.name).join(schema.writers, schema.writers.c.server_id == schema.servers.c.id)
            .where(schema.writers.c.incarnation == incarnation)).scalar_one())


def test_reboot(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an incarnation left is shipped under it; it is waited for until then, and ends a sweep later."""
    host.count("AUTH_a", 5)
    host.sweep()
    [old] = status(engine)
    host.count("AUTH_a", 1)
    host.reboot(monkeypatch)
    host.count("AUTH_a", 2)
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 8}
    writers = status(engine)
    [new] = set(writers) - {old}
    assert writers[new].predecessor == old and writers[old].live and writers[new].live
    assert host.close().to_be_ended == 1 and complete_through(engine) is None
    assert host.sweep().to_be_ended == 0
    writers = status(engine)
    assert hours(engine, "AUTH_a") == {T: 8} and losses(engine) == []
    assert not writers[old].live and writers[new].live
    assert complete_through(engine) == T + HOUR
    with read(engine) as connection:
        rows = connection.execute(select(schema.writers.c.incarnation, schema.io_hours.c.get_count).join(
            schema.io_hours, schema.io_hours.c.writer_id == schema.writers.c.id)).all()
    assert {tuple(row) for row in rows} == {(old, 6), (new, 2)}


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


def test_reboots_without_a_flush(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Incarnations that never reached the database are shipped under their own names by their successor."""
    for boot in range(4):
        host.count("AUTH_a", 10**boot)
        host.reboot(monkeypatch)
    host.close()
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 1111} and losses(engine) == []
    assert sorted(writer.live for writer in status(engine).values()) == [False] * 4 + [True]
    assert complete_through(engine) == T + HOUR


def test_renamed_server(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a new server name the old writer ends once its counts are shipped, and is not waited for."""
    host.count("AUTH_a", 5)
    host.sweep()
    [old] = status(engine)
    host.options["server"] = "proxy-new"
    host.worker = host.new_worker()
    host.count("AUTH_a", 2)
    host.close()
    host.sweep()
    assert hours(engine, "AUTH_a") == {T: 7} and losses(engine) == []
    writers = status(engine)
    [new] = set(writers) - {old}
    assert (server_of(engine, old), server_of(engine, new)) == (b"proxy-1", b"proxy-new")
    assert not writers[old].live and complete_through(engine) == T + HOUR


def test_copied_spool(host: Host, engine: Engine, tmp_path: Path) -> None:
    """A machine cloned with its spool is a writer of its own; what it copied counts once."""
    host.count("AUTH_a", 5)
    host.sweep()
    host.count("AUTH_a", 1)
    shutil.copytree(host.path, tmp_path / "copy")
    clone = Host(engine, tmp_path / "copy", server="proxy-clone")
    clone.count("AUTH_a", 100)
    host.count("AUTH_a", 10)
    for one in (clone, host, clone, host):
        one.sweep()
    assert hours(engine, "AUTH_a") == {T: 116}
    clone.close()
    host.close()
    assert hours(engine, "AUTH_a") == {T: 116} and losses(engine) == []


def test_copied_spool_does_not_end_the_one_it_came_from(host: Host, engine: Engine, tmp_path: Path) -> None:
    """The host that a clone was copied from lives, and flushes: it is waited for, whatever its clone has closed."""
    host.count("AUTH_a", 5)
    host.sweep()
    shutil.copytree(host.path, tmp_path / "copy")
    clone = Host(engine, tmp_path / "copy", server="proxy-clone")
    clone.clock.now = host.clock.now = T + 120
    clone.sweep()
    host.clock.now += 60
    host.sweep()
    for hour in range(2):
        clone.close()
        assert complete_through(engine) == (T + hour * HOUR if hour else None)
        host.close()
        assert complete_through(engine) == T + (hour + 1) * HOUR


def test_copied_spool_that_sweeps_first_after_the_hour(host: Host, engine: Engine, tmp_path: Path) -> None:
    """A clone that comes up when the hour is over, and before its original has closed it, leaves the original its time."""
    host.count("AUTH_a", 5)
    host.sweep()
    shutil.copytree(host.path, tmp_path / "copy")
    clone = Host(engine, tmp_path / "copy", server="proxy-clone")
    clone.clock.now = host.clock.now = T + HOUR + 5
    clone.sweep()
    assert complete_through(engine) is None
    host.count("AUTH_a", 1)
    host.sweep()
    assert complete_through(engine) == T + HOUR
    for _ in range(2):
        clone.close()
        assert complete_through(engine) == T + HOUR


def test_copied_spool_of_the_same_name(host: Host, engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two hosts that are called the same are both waited for; each sweep of the clone names the command that resolves it."""
    host.sweep()
    [original] = status(engine)
    shutil.copytree(host.path, tmp_path / "copy")
    clone = Host(engine, tmp_path / "copy")
    clone.sweep()
    assert not caplog.records
    for _ in range(2):
        host.sweep()
        caplog.clear()
        clone.sweep()
        [line] = caplog.messages
        assert f"swiftstats server retire proxy-1 --writer {original}" in line
    assert [writer.live for writer in status(engine).values()] == [True, True]
    with write(engine) as connection:
        retire(connection, server="proxy-1", writer=original, now=T + 1)
    caplog.clear()
    clone.close()
    clone.close()
    assert not caplog.records and complete_through(engine) == T + 2 * HOUR


def test_copied_spool_that_boots_again(host: Host, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was seen alive by a clone is not taken for gone by the clone's own successors, and these end the clone's writers."""
    host.sweep()
    [original] = status(engine)
    shutil.copytree(host.path, tmp_path / "copy")
    with monkeypatch.context() as patch:
        clone = Host(engine, tmp_path / "copy", server="proxy-clone")
        for _ in range(3):
            clone.count()
            clone.sweep()
            clone.reboot(patch)
    host.sweep()
    with monkeypatch.context() as patch:
        clone.reboot(patch)
        for _ in range(3):
            clone.close()
        assert status(engine)[original].live and complete_through(engine) is None
        assert sorted(writer.live for writer in status(engine).values()) == [False] * (len(status(engine)) - 2) + [True, True]


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


def test_identity_that_changed_while_a_sweep_waited(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that waited for the lock while its writer was succeeded does not bring the old writer to life again."""
    host.sweep()
    [old] = status(engine)
    lock = sweeping._sweep_lock

    def succeeded_meanwhile(spool: Spool, wait: float) -> Lock:
        monkeypatch.undo()
        host.reboot(monkeypatch)
        host.sweep()
        return lock(spool, wait)

    monkeypatch.setattr(sweeping, "_sweep_lock", succeeded_meanwhile)
    host.sweep()
    for _ in range(2):
        host.close()
    assert not status(engine)[old].live and complete_through(engine) == T + 2 * HOUR


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


def test_control_file_lost(host: Host, engine: Engine) -> None:
    """A host whose control file is gone learns from the database how far it had closed, and counts nothing twice."""
    host.count("AUTH_a", 1)
    host.close()
    host.count("AUTH_a", 10)
    os.unlink(host.path / "control")
    host.clock.now += 2
    host.count("AUTH_a", 100)
    assert host.close().periods == [T + HOUR]
    assert hours(engine, "AUTH_a") == {T: 1, T + HOUR: 110} and losses(engine) == []


def test_spool_wiped(host: Host, engine: Engine) -> None:
    """A wiped spool is a new writer; the one before is still waited for, until it is retired by command."""
    host.count("AUTH_a", 5)
    host.sweep()
    shutil.rmtree(host.path)
    host.clock.now += 2
    host.count("AUTH_a", 1)
    host.close()
    assert hours(engine, "AUTH_a") == {T: 6}
    assert complete_through(engine) is None
    assert [loss.kind for loss in losses(engine)] == ["uncounted"]  # by the worker that saw its file gone
