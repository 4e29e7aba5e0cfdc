"""A database that is stopped, killed, read-only, locked, of an older schema, restored, or gone altogether."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Any

import pymysql

from swiftstats.demo.processes import wait_for
from swiftstats.errors import DatabaseBusy
from tests.faults import older_schema
from tests.faults.harness import Harness
from tests.faults.load import count, stored
from tests.faults.table import Fault
from tests.support.hosts import dump, restore

#: Accounts that are counted at a time on a full disk: InnoDB may have room for some in the files that it has, so they come until
#: the flusher says that it cannot, so many times at most.
FULL_ROWS, FULL_TIMES = 20_000, 8
CANNOT = "cannot flush"


def stop(harness: Harness, chance: random.Random) -> None:
    harness.mariadb.stop()
    harness.pass_periods(3)
    harness.mariadb.start()


def kill(harness: Harness, chance: random.Random) -> None:
    for _ in range(2):
        harness.mariadb.kill()
        harness.work()
        harness.mariadb.start()
        harness.work()


def read_only(harness: Harness, chance: random.Random) -> None:
    harness.mariadb.options = ("--read-only=1",)
    harness.mariadb.restart()
    try:
        harness.pass_periods(1.5)
    finally:
        harness.mariadb.options = ()
        harness.mariadb.restart()


def deadlocks(harness: Harness, chance: random.Random) -> None:
    """Somebody else takes the same rows in the other order, again and again."""
    ending, lost = threading.Event(), []

    def body() -> None:
        connection = pymysql.connect(host="127.0.0.1", port=harness.mariadb.port, user="root", database="site")
        while not ending.is_set():
            try:
                with connection.cursor() as cursor:
                    cursor.execute("BEGIN")
                    cursor.execute("UPDATE site SET changes = changes + 1")
                    ending.wait(0.02)
                    cursor.execute("UPDATE writers SET changes = changes + 1 ORDER BY id DESC")
                connection.commit()
            except pymysql.MySQLError as error:
                lost.append(error.args[0])
                connection.rollback()
        connection.close()

    rivals = [threading.Thread(target=body) for _ in range(2)]
    before = _deadlocks(harness)
    for rival in rivals:
        rival.start()
    try:
        wait_for(lambda: _deadlocks(harness) >= before + 3, seconds=60, what="deadlocks")
    finally:
        ending.set()
        for rival in rivals:
            rival.join(60)


def _deadlocks(harness: Harness) -> int:
    rows = harness.mariadb.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
    return int(str(rows[0][1]))


def schema_behind(harness: Harness, chance: random.Random) -> None:
    """The packages are upgraded, the schema is not yet: flushers wait for `swiftstats migrate`."""
    older_schema.downgrade(harness.mariadb)
    harness.pass_periods(1.5)
    harness.plain.command("migrate")


def full(harness: Harness, chance: random.Random) -> None:
    """Its disk takes no more, while many new accounts are to be written. InnoDB may end itself, where a page of its own does not
    fit either, and is started again, as an init system does."""
    filler = harness.disk.inside(harness.disk.spool) / "filler"
    host, prefix = harness.plain, f"AUTH_full{time.monotonic_ns()}x"
    before = host.flusher.log.read_text().count(CANNOT)
    rows = 0

    def said() -> bool:
        with contextlib.suppress(OSError), open(filler, "ab", buffering=0) as file:
            while True:  # each time: what a dropped table had may come free only now
                file.write(bytes(2**16))
        return host.flusher.log.read_text().count(CANNOT) > before

    def said_or_written() -> bool:
        with contextlib.suppress(pymysql.MySQLError):  # it may end itself
            return said() or stored(harness, prefix) == rows
        return False

    try:
        while not said():
            assert rows < FULL_ROWS * FULL_TIMES, f"{rows} accounts were written to a disk that is full"
            count(host, FULL_ROWS, f"{prefix}{rows}x", True)
            rows += FULL_ROWS
            wait_for(said_or_written, seconds=60, what="the flusher to say so, or to write them")
        harness.work()
    finally:
        filler.unlink()
    if harness.mariadb.pid is None:
        harness.costs["database-full"] = "MariaDB ended itself"
        harness.mariadb.start()
    wait_for(lambda: stored(harness, prefix) == rows, seconds=90,
             what=lambda: f"{rows} accounts, {stored(harness, prefix)}\n{host.flusher.tail()}")


def restored(harness: Harness, chance: random.Random) -> None:
    """From a backup of periods ago, under the running flushers: they replay what was shipped since."""
    backup = dump(harness.engine)
    harness.work()
    harness.pass_periods(2.5)
    with harness.wire.down():
        wait_for(lambda: _is_restored(harness, backup), seconds=60, what="the backup to be restored")


def _is_restored(harness: Harness, backup: dict[str, list[dict[str, Any]]]) -> bool:
    try:
        restore(harness.engine, backup)
    except DatabaseBusy:
        return False  # what a flusher was doing is not yet rolled back
    return True


def lost(harness: Harness, chance: random.Random) -> None:
    """A database that is lost without a backup, and made anew: the hosts' archives hold all that they ever closed."""
    harness.mariadb.execute("DROP DATABASE site", "CREATE DATABASE site")
    harness.database_has_gone()
    harness.work()
    harness.plain.command("migrate")


FAULTS = (
    Fault("database-stop", stop),
    Fault("database-kill", kill),
    Fault("database-read-only", read_only),
    Fault("database-deadlocks", deadlocks),
    Fault("database-schema-behind", schema_behind),
    Fault("database-full", full, logged=False),
    Fault("database-restored", restored),
    Fault("database-lost", lost, short=False, recovery_seconds=400),  # all that was ever closed is replayed
)
