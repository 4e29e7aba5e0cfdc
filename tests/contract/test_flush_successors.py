"""Writers that succeed others: hosts that boot again, are copied, renamed, or lose their spool. Nothing hides or counts twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from swiftstats.flush import sweep as sweeping
from swiftstats.journal.spool import Lock, Spool
from swiftstats.store import schema
from swiftstats.store.engine import read, write
from swiftstats.store.writers import retire
from tests.support.hosts import (
    Host,
    complete_through,
    hours,
    losses,
    status,
)
from tests.support.spools import HOUR, T


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


def test_reboot_after_a_clock_leapt_ahead(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a gone incarnation counted under a time still to come waits for it, and does not hold up the periods before."""
    host.count("AUTH_a", 5)
    host.later(3)
    host.count("AUTH_a", 7)
    host.later(-3)
    host.sweep()
    [old] = status(engine)
    host.reboot(monkeypatch)
    host.count("AUTH_a", 2)
    host.sweep()
    host.close()
    assert host.sweep().to_be_ended == 0
    assert complete_through(engine) == T + HOUR and hours(engine, "AUTH_a") == {T: 7, T + 3 * HOUR: 7}
    for hour in (2, 3):
        host.close()
        host.sweep()
        assert complete_through(engine) == T + hour * HOUR and status(engine)[old].live
    host.close()
    host.sweep()
    assert complete_through(engine) == T + 4 * HOUR and not status(engine)[old].live
    assert hours(engine, "AUTH_a") == {T: 7, T + 3 * HOUR: 7} and losses(engine) == []


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
