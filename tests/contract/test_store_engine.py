"""The contract of transactions: snapshots, sessions, schema checks, and the store's own words for what a driver raises."""

from __future__ import annotations

import select as select_module
import socket
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, insert, select, text, update

from swiftstats.errors import ConfigError, DatabaseAway, DatabaseBusy, SchemaError, StoreError
from swiftstats.fields import CELL_COUNT
from swiftstats.store import engine as engines
from swiftstats.store import schema, usage, writers
from swiftstats.store.engine import read, write
from tests.contract.test_store_writers import HOUR, T, close, register
from tests.support import by_name
from tests.support.mariadb import MariaDB

ROWS = [(b"AUTH_a", (7,) * CELL_COUNT)]


def is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


@pytest.mark.parametrize("url", [
    "", "secret", "mysql+pymysql://u:secret@h:port/x", "postgresql://u:secret@h/x", "mysql+mysqldb://u:secret@h/x", "sqlite://",
    "sqlite:///:memory:", "mysql+pymysql://u:secret@h",
])
def test_bad_url(url: str) -> None:
    """A URL that will not do is refused, with what would do, and without its password."""
    with pytest.raises(ConfigError, match="expected mysql.pymysql://") as caught:
        engines.create(url)
    assert "secret" not in str(caught.value)


def test_snapshot(engine: Engine) -> None:
    """What another transaction merges and closes during a read is not seen in it: complete-through fits the counts."""
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
        usage.merge(connection, writer=writer, period=T, rows=ROWS, now=T)
        close(connection, writer, through=T + HOUR)
    with read(engine) as reading:
        before = writers.complete_through(reading)
        with write(engine) as connection:
            usage.merge(connection, writer=writer, period=T, rows=[(b"AUTH_a", (9,) * CELL_COUNT)], now=T)
            close(connection, writer, through=T + 5 * HOUR)
        assert by_name.total(reading, b"AUTH_a", T, T + HOUR) == (7,) * CELL_COUNT
        assert usage.corrections_between(reading, b"AUTH_a", T, T + HOUR) == []
        assert writers.complete_through(reading) == before
    with read(engine) as reading:
        assert by_name.total(reading, b"AUTH_a", T, T + HOUR) == (9,) * CELL_COUNT
        assert writers.complete_through(reading).complete_through == T + 5 * HOUR


def test_snapshot_begins_before_counts(engine: Engine) -> None:
    """What is committed after complete-through was read is not in the counts that the same snapshot reads later."""
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    with read(engine) as reading:
        writers.complete_through(reading)
        with write(engine) as connection:
            usage.merge(connection, writer=writer, period=T, rows=ROWS, now=T)
        assert list(by_name.hours(reading, b"AUTH_a", T, T + HOUR)) == []


def test_read_cannot_write(engine: Engine) -> None:
    """A read transaction refuses to write, and the connection writes again afterwards."""
    with pytest.raises(StoreError), read(engine) as connection:
        connection.execute(insert(schema.accounts).values(name=b"x", first_seen=0))
    with write(engine) as connection:
        connection.execute(insert(schema.accounts).values(name=b"x", first_seen=0))


def test_write_rolls_back(engine: Engine) -> None:
    """Whatever is raised inside a transaction undoes all of it, and leaves as it was raised."""
    with pytest.raises(ZeroDivisionError), write(engine) as connection:
        register(connection, "proxy-1", "a")
        raise ZeroDivisionError
    with read(engine) as connection:
        assert writers.servers(connection) == []


def test_sessions(engine: Engine) -> None:
    """Connections are durable, strict and in UTC, and only a server has a clock."""
    with write(engine) as connection:
        if is_sqlite(engine):
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
            assert engines.clock(connection) is None
            return
        assert abs((engines.clock(connection) or 0) - time.time()) < 5
        assert connection.execute(text("SELECT @@session.time_zone, @@character_set_client")).one() == ("+00:00", "utf8mb4")
    for bad in ({"name": b"x" * 257, "first_seen": 0}, {"name": b"x", "first_seen": 2**63}):
        with pytest.raises(StoreError), write(engine) as connection:
            connection.execute(insert(schema.accounts).values(**bad))  # refused, never cut to fit


def test_schema_missing(bare: Engine) -> None:
    """A database without a schema is said to be so, with the command that makes it, and no use of it leaves half a row."""
    with pytest.raises(SchemaError, match="swiftstats migrate"):
        engines.check_schema(bare)
    with pytest.raises(SchemaError, match="swiftstats migrate"), write(bare) as connection:
        register(connection, "proxy-1", "a")


@pytest.mark.parametrize("found, says", [("0000", "needs .*run `swiftstats migrate`"), ("9999", "newer.*install the newer")])
def test_schema_of_another_version(engine: Engine, found: str, says: str) -> None:
    """An older and a newer schema are refused, each with what helps."""
    assert engines.check_schema(engine) == schema.REVISION
    with write(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
    with pytest.raises(SchemaError, match=says):
        engines.check_schema(engine)


@pytest.mark.parametrize("change", ["DROP TABLE io_hours", "ALTER TABLE io_hours RENAME COLUMN denied TO other",
                                    "ALTER TABLE accounts ADD COLUMN later INTEGER NOT NULL", "DELETE FROM site"])
def test_schema_that_changed_under_us(engine: Engine, change: str) -> None:
    """A table or column that is gone or new while we run is a SchemaError, and the message holds no SQL."""
    if is_sqlite(engine) and "ADD COLUMN" in change:
        change += " DEFAULT 0"  # SQLite adds no other; then our rows still fit
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    with write(engine) as connection:
        connection.execute(text(change))
    if "DEFAULT" in change:
        return
    helps = "backup" if "site" in change else "swiftstats migrate"
    with pytest.raises(SchemaError, match=helps) as caught, write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, rows=ROWS, now=T)
        close(connection, writer, through=T + HOUR)
    assert "INSERT" not in str(caught.value) and "SELECT" not in str(caught.value)


def test_nobody_there(tmp_path: Path, mariadb: MariaDB) -> None:
    """A database that cannot be reached, opened or entered is DatabaseAway; the message names it, not the password."""
    mariadb.execute("CREATE OR REPLACE USER meter@127.0.0.1 IDENTIFIED BY 'right'")
    (tmp_path / "text.db").write_text("no database, but long enough to be taken for one\n" * 100)
    for url, name in (
        ("mysql+pymysql://meter:secret@127.0.0.1:1/usage", "usage at 127.0.0.1:1"),
        (f"mysql+pymysql://meter:secret@127.0.0.1:{mariadb.port}/usage", "Access denied"),
        (f"mysql+pymysql://root@127.0.0.1:{mariadb.port}/nowhere", "nowhere"),
        ("sqlite:////nowhere/usage.db", "/nowhere/usage.db"),
        (f"sqlite:///{tmp_path}/text.db", "not a database"),
    ):
        with pytest.raises(DatabaseAway, match=name) as caught, read(engines.create(url)):
            pass
        assert "secret" not in str(caught.value)


@pytest.mark.mariadb
@pytest.mark.parametrize("when", ["before a statement", "before COMMIT", "between transactions"])
def test_killed(mariadb: MariaDB, when: str) -> None:
    """A server killed in a transaction is DatabaseAway, the transaction is undone, and the engine works once it is back."""
    from swiftstats import migrations

    engine = engines.create(mariadb.url())
    migrations.upgrade(engine, ("AUTH_",))
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    try:
        if when == "between transactions":
            mariadb.kill()
        else:
            with pytest.raises(DatabaseAway), write(engine) as connection:
                usage.merge(connection, writer=writer, period=T, rows=ROWS, now=T)
                mariadb.kill()
                if when == "before a statement":
                    close(connection, writer, through=T + HOUR)
        with pytest.raises(DatabaseAway), write(engine):
            pass
    finally:
        mariadb.start()
    for _ in range(2):
        with write(engine) as connection:
            usage.merge(connection, writer=writer, period=T, rows=ROWS, now=T)
    with read(engine) as connection:
        assert by_name.total(connection, b"AUTH_a", T, T + HOUR) == (7,) * CELL_COUNT
        assert usage.corrections_between(connection, b"AUTH_a", T, T + HOUR) == []
    engine.dispose()


@pytest.mark.mariadb
def test_reply_to_commit_lost(mariadb: MariaDB) -> None:
    """A COMMIT that was done but never answered is DatabaseAway, and sending everything again changes nothing."""
    from swiftstats import migrations

    url = mariadb.url()
    engine = engines.create(url)
    migrations.upgrade(engine, ("AUTH_",))
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    with CommitSwallower(mariadb.port) as relay:
        cut = engines.create(url.replace(f":{mariadb.port}/", f":{relay.port}/"))
        with pytest.raises(DatabaseAway), write(cut) as connection:
            usage.merge(connection, writer=writer, period=T, rows=ROWS, now=T)
            close(connection, writer, through=T + HOUR)
        cut.dispose()
    with write(engine) as connection:
        assert writers.complete_through(connection).complete_through == T + HOUR, "the server had committed"
        assert usage.merge(connection, writer=writer, period=T, rows=ROWS, now=T) == 0
        assert close(connection, writer, through=T + HOUR) == T + HOUR
        assert by_name.total(connection, b"AUTH_a", T, T + HOUR) == (7,) * CELL_COUNT
    engine.dispose()


class CommitSwallower:
    """A relay to the database that passes on one COMMIT, waits until it is answered, and cuts without telling."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._relay, args=(port,))

    def __enter__(self) -> CommitSwallower:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.join(60)
        self._listener.close()

    def _relay(self, port: int) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            while True:
                for ready in select_module.select([client, server], [], [], 60)[0]:
                    data = ready.recv(65536)
                    (server if ready is client else client).sendall(data)
                    if not data or ready is client and data[4:] == b"\x03COMMIT":
                        server.recv(65536)
                        return


@pytest.mark.mariadb
def test_read_only_server(mariadb: MariaDB) -> None:
    """A server that is read-only, as a demoted primary is, is DatabaseAway to writers and still answers readers."""
    from swiftstats import migrations

    url = mariadb.url()
    migrations.upgrade(engines.create(url), ("AUTH_",))
    mariadb.execute("CREATE OR REPLACE USER meter@127.0.0.1 IDENTIFIED BY 'secret'",
                    "GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO meter@127.0.0.1")
    engine = engines.create(url.replace("root@", "meter:secret@"))
    mariadb.execute("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(DatabaseAway, match="read-only"), write(engine) as connection:
            register(connection, "proxy-1", "a")
        with read(engine) as connection:
            assert writers.servers(connection) == []
    finally:
        mariadb.execute("SET GLOBAL read_only = 0")
        engine.dispose()


@pytest.mark.mariadb
def test_deadlock(mariadb: MariaDB) -> None:
    """Of two transactions that lock the same rows crosswise one is DatabaseBusy, and the other goes through."""
    from swiftstats import migrations

    engine = engines.create(mariadb.url())
    migrations.upgrade(engine, ("AUTH_",))
    with write(engine) as connection:
        connection.execute(insert(schema.accounts), [{"name": b"a", "first_seen": 0}, {"name": b"b", "first_seen": 0}])
    barrier, raised = threading.Barrier(2, timeout=30), []

    def lock(names: tuple[bytes, bytes]) -> None:
        try:
            with write(engine) as connection:
                for name in names:
                    connection.execute(update(schema.accounts).where(schema.accounts.c.name == name).values(first_seen=1))
                    if name == names[0]:
                        barrier.wait()
        except StoreError as error:
            raised.append(error)

    threads = [threading.Thread(target=lock, args=(names,)) for names in ((b"a", b"b"), (b"b", b"a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [type(error) for error in raised] == [DatabaseBusy]
    engine.dispose()


def test_locked_by_another(engine: Engine) -> None:
    """A lock that another transaction holds for too long is DatabaseBusy."""

    @event.listens_for(engine, "begin")
    def impatient(connection: object) -> None:
        if not is_sqlite(engine):
            connection.exec_driver_sql("SET innodb_lock_wait_timeout = 1")  # type: ignore[attr-defined]

    if is_sqlite(engine):
        engine = engines.create(engine.url.update_query_dict({"timeout": "0.1"}).render_as_string(False))
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    with write(engine) as holding:
        close(holding, writer, through=T + HOUR)
        with pytest.raises(DatabaseBusy), write(engine) as connection:
            close(connection, writer, through=T + HOUR)


#: What real servers answer when they are in trouble that a test cannot bring about: number, text, ours.
TROUBLE = (
    (1114, "The table 'io_hours' is full", DatabaseAway),
    (1021, "Disk full (/tmp); waiting for someone to free some space", DatabaseAway),
    (1047, "WSREP has not yet prepared node for application use", DatabaseAway),
    (1180, "Got error 149 during COMMIT", DatabaseBusy),
    (1180, "Got error 28 during COMMIT", DatabaseAway),
    (1020, "Record has changed since last read in table 'site'", DatabaseBusy),
    (1969, "Query execution was interrupted (max_statement_time exceeded)", DatabaseAway),
    (1064, "You have an error in your SQL syntax near 'SECRET'", StoreError),
    (1062, "Duplicate entry 'SECRET' for key 'name'", StoreError),
)


@pytest.mark.mariadb
@pytest.mark.parametrize("number, message, kind", TROUBLE)
def test_trouble(mariadb: MariaDB, number: int, message: str, kind: type[StoreError]) -> None:
    """A full disk, a cluster that is not ready or refuses a commit, and a bug, each is the right kind of error."""
    engine = engines.create(mariadb.url())
    with pytest.raises(StoreError) as caught, write(engine) as connection:
        connection.exec_driver_sql(f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = \"{message}\"")
    assert type(caught.value) is kind
    assert "SECRET" not in str(caught.value)
    engine.dispose()


def test_sqlite_trouble(tmp_path: Path) -> None:
    """A full and a read-only SQLite file are DatabaseAway; readers of the latter go on."""
    from swiftstats import migrations

    engine = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(engine, ("AUTH_",))
    with pytest.raises(DatabaseAway, match="full"), write(engine) as connection:
        connection.execute(text("PRAGMA max_page_count = 1"))
        usage.merge(connection, writer=register(connection, "proxy-1", "a"), period=T, now=T,
                    rows=[(b"%0256d" % number, (1,) * CELL_COUNT) for number in range(1000)])
    engine.dispose()
    readonly = engines.create(f"sqlite:///file:{tmp_path}/usage.db?mode=ro&uri=true")
    with read(readonly) as connection:
        assert connection.execute(select(schema.writers)).all() == []
    with pytest.raises(DatabaseAway, match="readonly"), write(readonly) as connection:
        register(connection, "proxy-1", "a")


def test_no_connection_left(engine: Engine) -> None:
    """When every connection of the process is taken for too long, that is DatabaseAway too."""
    small = engines.create(engine.url.render_as_string(False))
    small.pool._timeout = 0.1  # type: ignore[attr-defined]
    held = [small.connect() for _ in range(15)]
    try:
        with pytest.raises(DatabaseAway, match="in use"), read(small):
            pass
    finally:
        for connection in held:
            connection.close()
        small.dispose()
