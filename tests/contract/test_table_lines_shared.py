"""A month of all accounts by two connections: what one would have read, from the answer's one snapshot, and nothing is left."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import chain
from typing import Any, Callable, Iterator, Optional

import pytest
from sqlalchemy import Connection, Engine

from swiftstats import migrations
from swiftstats.errors import StoreError
from swiftstats.flush.rollup import roll_up
from swiftstats.query import table, table_lines
from swiftstats.represent import table_csv
from swiftstats.store import engine as engines
from swiftstats.store import many, petnames, usage, writers
from tests.contract.test_table_lines import EVERYTHING, question, seed
from tests.support.mariadb import MariaDB
from tests.support.service import HOUR, INCARNATIONS, T, cells

pytestmark = pytest.mark.mariadb


@pytest.fixture
def engine(mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine of two connections, a month that is rolled up, and batches of two accounts."""
    monkeypatch.setattr(table_lines, "BATCH", 2)
    url = mariadb.url()
    other = engines.create(url)
    migrations.upgrade(other, ("AUTH_",))
    seed(other)
    other.dispose()
    found = engines.create(url, connections=2)
    yield found
    found.dispose()


def count_late(engine: Engine) -> None:
    with engines.write(engine) as connection:
        writer = writers.register(connection, server="proxy-01", incarnation=INCARNATIONS["proxy-01"], predecessor=None,
                                  first_period=T, period_seconds=HOUR, now=T)
        usage.merge(connection, writer=writer, period=T, rows=[(b"AUTH_late", cells(get_count=7))], now=T)


def roll(engine: Engine) -> None:
    for _ in roll_up(engine, holder="test", period_seconds=HOUR):
        pass


def count_and_roll(engine: Engine) -> None:
    count_late(engine)
    roll(engine)


def call(engine: Engine) -> None:
    with engines.write(engine) as connection:
        petnames.put(connection, {b"AUTH_z": "Called so"})


def nothing(engine: Engine) -> None:
    pass


def threads() -> int:
    return sum(each.name.startswith("swiftstats-read") for each in threading.enumerate())


@pytest.mark.parametrize(("meanwhile", "by"), [(nothing, 2), (count_late, 1), (count_and_roll, 1), (call, 1)])
def test_from_one_snapshot(engine: Engine, meanwhile: Callable[[Engine], None], by: int) -> None:
    """Whatever is written between the two snapshots, the answer is of the first; the second reads where it is the same."""
    asked = question()
    with engines.read(engine) as connection:
        before = b"".join(table_csv.stream(table.stream(connection, asked, EVERYTHING, now=T)))
        other = engines.create(str(engine.url))
        meanwhile(other)
        other.dispose()
        readers, read = set(), many.lines
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(many, "lines", lambda reader, *args, **named: readers.add(reader) or read(reader, *args, **named))
            with table_lines.stream(engine, connection, asked, EVERYTHING, now=T, line=table_csv.line(asked)) as found:
                assert found.lines is not None
                first = next(found.lines)
                assert engine.pool.checkedout() == by  # type: ignore[attr-defined]
                rest = replace(found, lines=chain([first], found.lines))
                assert b"".join(table_csv.stream(rest)) == before
    assert len(readers) <= by and threads() == 0 and engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_by_one_where_there_is_no_other(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every connection is in use the one reads all."""
    asked, readers, read = question(), [], many.lines
    monkeypatch.setattr(engine.pool, "_timeout", 0.01)
    monkeypatch.setattr(many, "lines", lambda reader, *args, **named: readers.append(reader) or read(reader, *args, **named))
    with engines.read(engine) as connection, engines.read(engine):
        before = b"".join(table_csv.stream(table.stream(connection, asked, EVERYTHING, now=T)))
        with table_lines.stream(engine, connection, asked, EVERYTHING, now=T, line=table_csv.line(asked)) as found:
            assert b"".join(table_csv.stream(found)) == before
    assert set(readers) == {connection} and len(readers) > 3


def test_left_early(engine: Engine) -> None:
    """A client that leaves leaves no thread and no connection in use, and both can be used again."""
    asked = question()
    for taken in (0, 1, 2):
        with engines.read(engine) as connection:
            with table_lines.stream(engine, connection, asked, EVERYTHING, now=T, line=table_csv.line(asked)) as found:
                assert found.lines is not None
                for _ in range(taken):
                    next(found.lines)
            assert threads() == 0
            assert len(many.accounts_after(connection, after=b"", limit=3)) == 3
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [1, 2, 4])
def test_cut_off(engine: Engine, mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Whichever connection the database cuts, the answer breaks off and says so, with nothing left in use."""
    asked, calls, read = question(), [], many.lines

    def cut(reader: Connection, *args: Any, **named: Any) -> Optional[str]:
        calls.append(reader)
        if len(calls) == number:
            driver: Any = reader.connection.dbapi_connection
            mariadb.execute(f"KILL CONNECTION {driver.thread_id()}")
        return read(reader, *args, **named)

    monkeypatch.setattr(many, "lines", cut)
    with pytest.raises(StoreError), engines.read(engine) as connection:
        with table_lines.stream(engine, connection, asked, EVERYTHING, now=T, line=table_csv.line(asked)) as found:
            for _ in table_csv.stream(found):
                pass
    assert threads() == 0 and engine.pool.checkedout() == 0  # type: ignore[attr-defined]
