"""Rows that are sent as a file and rows that stand in statements: the same is stored, and no file is ever read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, select

from swiftstats import migrations
from swiftstats.errors import DatabaseAway, TooLarge
from swiftstats.fields import CELL_COUNT, STORED_MAX
from swiftstats.store import engine as engines
from swiftstats.store import usage
from swiftstats.store.dialects import mysql_sent
from swiftstats.store.schema import accounts, io_hours
from tests.contract.test_store_writers import T, register
from tests.support.mariadb import MariaDB

pytestmark = pytest.mark.mariadb

#: What keeps rows from being sent, beside what does not: made before the engine is, and unmade.
REFUSALS: dict[str, tuple[str, str]] = {
    "nothing": ("SELECT 1", "SELECT 1"),
    "the server": ("SET GLOBAL local_infile = 0", "SET GLOBAL local_infile = 1"),
    "its memory": ("SET GLOBAL max_heap_table_size = 16384", "SET GLOBAL max_heap_table_size = DEFAULT"),
    "no right": ("CREATE OR REPLACE USER flusher@'%'", "DROP USER flusher@'%'"),
    "the operator": ("SELECT 1", "SELECT 1"),
}


@pytest.fixture(params=REFUSALS)
def way(request: pytest.FixtureRequest, mariadb: MariaDB) -> Iterator[tuple[Engine, bool]]:
    """An engine, and whether its rows are sent."""
    url, name = mariadb.url(), request.param
    admin = engines.create(url)
    migrations.upgrade(admin, ("AUTH_",))
    before, after = REFUSALS[name]
    mariadb.execute(before)
    if name == "no right":
        mariadb.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {admin.url.database}.* TO flusher@'%'")
        url = url.replace("root@", "flusher@")
    engine = engines.create(url + ("?local_infile=0" if name == "the operator" else ""))
    yield engine, name == "nothing"
    engine.dispose()
    admin.dispose()
    mariadb.execute(after)


@pytest.fixture(autouse=True)
def every_row_is_sent() -> None:
    """Here FEW rows stand in a statement."""


@pytest.fixture
def engine(mariadb: MariaDB) -> Iterator[Engine]:
    """An engine that sends."""
    found = engines.create(mariadb.url())
    migrations.upgrade(found, ("AUTH_",))
    yield found
    found.dispose()


def name(number: int) -> bytes:
    return f"AUTH_{number:05}".encode()


def rows(numbers: range, figure: Callable[[int, int], int]) -> list[tuple[bytes, tuple[int, ...]]]:
    return [(name(number), tuple(figure(number, cell) for cell in range(CELL_COUNT))) for number in numbers]


def stored(engine: Engine) -> dict[bytes, tuple[int, ...]]:
    query = select(accounts.c.name, io_hours).join_from(io_hours, accounts, accounts.c.id == io_hours.c.account_id)
    with engines.read(engine) as connection:
        found = connection.execute(query.where(io_hours.c.period == T, io_hours.c.day == T // 86400)).all()
    return {bytes(each.name): tuple(each)[5:] for each in found}


def sends(connection: Connection) -> Any:
    return connection.info.get("swiftstats.can_send")


@pytest.mark.parametrize("number", [mysql_sent.FEW - 1, mysql_sent.FEW, mysql_sent.ROWS + mysql_sent.FEW])
def test_the_same_is_stored(way: tuple[Engine, bool], number: int) -> None:
    """Any number of new rows and rows that are there, with the greatest figures, leave the greater of each cell, either way."""
    engine, sent = way
    first = rows(range(0, number), lambda row, cell: (row * 7919 + cell) % 1000 if row else STORED_MAX)
    second = rows(range(number // 2, number + number // 2), lambda row, cell: (row * 104729 + cell * 31) % 1000)
    with engines.write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
        usage.merge(connection, writer=writer, period=T, rows=first, now=T)
    with engines.write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, rows=second, now=T)
        assert sends(connection) in ((sent,) if number >= mysql_sent.FEW else (None,))
    expected = dict(first)
    for account, cells in second:
        expected[account] = tuple(map(max, expected.get(account, (0,) * CELL_COUNT), cells))
    assert stored(engine) == expected


def test_too_large(way: tuple[Engine, bool]) -> None:
    """A figure that no row holds is refused either way, and with it all of its transaction."""
    engine, _ = way
    many = rows(range(mysql_sent.FEW), lambda row, cell: 5)
    with engines.write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    for figure in (STORED_MAX + 1, 2**64 - 1, 2**64, 2**70):
        with pytest.raises(TooLarge), engines.write(engine) as connection:
            usage.merge(connection, writer=writer, period=T, now=T, rows=[*many, (b"AUTH_z", (figure,) * CELL_COUNT)])
    assert stored(engine) == {}
    with engines.write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, rows=many, now=T)
    assert stored(engine) == dict(many)


def test_no_file_is_read(engine: Engine, tmp_path: Path) -> None:
    """A server that asks for a file, with whatever name, gets none of this machine's."""
    secret = tmp_path / "secret"
    secret.write_text("AUTH_secret\n")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE taken (name TEXT)")
        with pytest.raises(RuntimeError, match="local_infile option is false"):
            connection.exec_driver_sql(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE taken")
        connection.invalidate()
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE taken (name TEXT)")
        driver = connection.connection.dbapi_connection
        mysql_sent.send(driver, f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE taken", iter([b"what is given\n"]))
        assert connection.exec_driver_sql("SELECT * FROM taken").all() == [("what is given",)]


def test_cut_while_sending(engine: Engine, mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is lost in the midst of rows is the database away, nothing is stored, and the next one works."""
    with engines.write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    many = rows(range(4000), lambda row, cell: row)
    whole = mysql_sent.send

    def cut(driver: Any, statement: str, packets: Iterator[bytes]) -> Any:
        def killed() -> Iterator[bytes]:
            for number, packet in enumerate(packets):
                if number == 3:
                    mariadb.execute(f"KILL CONNECTION {driver.thread_id()}")
                yield packet
        return whole(driver, statement, killed())

    monkeypatch.setattr(mysql_sent, "send", cut)
    with pytest.raises(DatabaseAway), engines.write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, rows=many, now=T)
    monkeypatch.undo()
    assert stored(engine) == {}
    with engines.write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, rows=many, now=T)
    assert stored(engine) == dict(many)


def test_what_cannot_be_written_down(engine: Engine) -> None:
    """An error of our own while rows are sent is raised as it is, stores nothing, and leaves a connection that works."""
    with engines.write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    good = rows(range(2000), lambda row, cell: 1)
    bad: Any = ("no figure",) * CELL_COUNT
    with engines.write(engine) as connection:
        with pytest.raises(TypeError):
            usage.merge(connection, writer=writer, period=T, rows=[*good, (b"AUTH_z", bad)], now=T)
        usage.merge(connection, writer=writer, period=T, rows=good, now=T)
        assert sends(connection) is True
    assert stored(engine) == dict(good)
