"""What holds when several processes use one database at once."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable

import pytest
from sqlalchemy import Connection, Engine, func, select, text

from swiftstats.errors import DatabaseBusy
from swiftstats.fields import CELL_COUNT
from swiftstats.store import schema, usage, writers
from swiftstats.store.engine import read, write
from tests.contract.test_store_writers import HOUR, T, close, register
from tests.support import by_name
from tests.support.databases import on_mariadb

ONE = (1,) * CELL_COUNT


def again(engine: Engine, work: Callable[[Connection], object]) -> None:
    """Run `work` in a transaction until it is not the victim of a deadlock, as the flusher does."""
    for _ in range(20):
        try:
            with write(engine) as connection:
                work(connection)
                return
        except DatabaseBusy:
            continue
    raise AssertionError("busy twenty times")


def waits_or_done(engine: Engine, future: Future[None]) -> None:
    """Return when the other thread waits for a lock of ours (or is done, which the caller will notice)."""
    if engine.dialect.name == "sqlite":
        return  # its BEGIN IMMEDIATE waits for ours from the first
    for _ in range(100):
        with read(engine) as connection:
            if future.done() or connection.execute(text(
                    "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")).scalar():
                return
        threading.Event().wait(0.15)  # whoever asks more often than each 0.1 s is told what InnoDB said the last time
    raise AssertionError("the other transaction neither waits nor ends")


def test_same_new_accounts(engine: Engine) -> None:
    """Writers that bring the same new accounts at the same time lose no row and add no account twice."""
    names = [b"AUTH_%04d" % number for number in range(300)]
    barrier = threading.Barrier(4, timeout=60)

    def ship(number: int) -> None:
        found = []
        again(engine, lambda connection: found.append(register(connection, f"proxy-{number}", f"{number}")))
        barrier.wait()
        for start in range(0, 300, 100):
            rows = [(name, ONE) for name in names[start:start + 100]]
            again(engine, lambda connection, rows=rows: usage.merge(connection, writer=found[-1], period=T, rows=rows, now=T))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ship, range(4)))
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(schema.accounts)).scalar() == 300
        assert all(by_name.total(connection, name, T, T + HOUR) == (4,) * CELL_COUNT for name in names[::37])


@pytest.mark.parametrize("first", ["merge", "retire"])
def test_retired_while_it_ships(engine: Engine, first: str) -> None:
    """Rows that a server ships while it is retired are either in what was completed, or recorded as a correction."""
    with write(engine) as connection:
        one, two = register(connection, "proxy-1", "a"), register(connection, "proxy-2", "b")
        close(connection, one, through=T + 5 * HOUR)

    def merge(connection: Connection) -> None:
        usage.merge(connection, writer=two, period=T, rows=[(b"AUTH_a", ONE)], now=T)

    def retire(connection: Connection) -> None:
        writers.retire(connection, server="proxy-2", writer=None, now=T)

    earlier, later = (merge, retire) if first == "merge" else (retire, merge)
    with ThreadPoolExecutor(1) as pool:
        with write(engine) as connection:
            earlier(connection)
            future = pool.submit(again, engine, later)
            waits_or_done(engine, future)
            assert not future.done(), "the later one waits for the earlier one's COMMIT"
        future.result(60)
    with read(engine) as connection:
        corrected = usage.corrections_between(connection, b"AUTH_a", T, T + HOUR)
        complete = writers.complete_through(connection).complete_through
        assert (corrected, complete) == (([], T + 5 * HOUR) if first == "merge" else ([T], None))


@pytest.mark.parametrize("first", ["merge", "close"])
def test_late_rows_while_the_period_completes(engine: Engine, first: str) -> None:
    """Rows for a period that their writer had closed are in what the site completes, or recorded as a correction."""
    with write(engine) as connection:
        one, two = register(connection, "proxy-1", "a"), register(connection, "proxy-2", "b")
        close(connection, one, through=T + HOUR)

    def merge(connection: Connection) -> None:
        usage.merge(connection, writer=one, period=T, rows=[(b"AUTH_a", ONE)], now=T)

    def complete(connection: Connection) -> None:
        close(connection, two, through=T + HOUR)

    earlier, later = (merge, complete) if first == "merge" else (complete, merge)
    with ThreadPoolExecutor(1) as pool:
        with write(engine) as connection:
            earlier(connection)
            future = pool.submit(again, engine, later)
            waits_or_done(engine, future)
            assert not future.done()
        future.result(60)
    with read(engine) as connection:
        assert writers.complete_through(connection).complete_through == T + HOUR
        assert usage.corrections_between(connection, b"AUTH_a", T, T + HOUR) == ([] if first == "merge" else [T])


def test_registered_while_a_period_closes(engine: Engine) -> None:
    """A server that registers while another closes is either waited for, or comes after what was completed."""
    with write(engine) as connection:
        one = register(connection, "proxy-1", "a")
    with ThreadPoolExecutor(1) as pool:
        with write(engine) as connection:
            register(connection, "proxy-2", "b")
            future = pool.submit(again, engine, lambda connection: close(connection, one, through=T + HOUR))
            waits_or_done(engine, future)
            assert not future.done()
        future.result(60)
    with read(engine) as connection:
        assert writers.complete_through(connection).complete_through is None
        assert connection.execute(select(schema.site.c.complete_through)).scalar() is None


@on_mariadb
def test_flushers_do_not_wait_for_each_other(engine: Engine) -> None:
    """While one flusher merges a running period another one does too; of SQLite's transactions one writes at a time."""
    with write(engine) as connection:
        one, two = register(connection, "proxy-1", "a"), register(connection, "proxy-2", "b")
        usage.merge(connection, writer=one, period=T, rows=[(b"AUTH_a", ONE), (b"AUTH_b", ONE)], now=T)
    rows = [(b"AUTH_a", (2,) * CELL_COUNT), (b"AUTH_b", (2,) * CELL_COUNT)]
    with write(engine) as first, write(engine) as second:
        second.exec_driver_sql("SET innodb_lock_wait_timeout = 1")
        usage.merge(first, writer=one, period=T, rows=rows, now=T)
        usage.merge(second, writer=two, period=T, rows=rows, now=T)
    with read(engine) as connection:
        assert by_name.total(connection, b"AUTH_b", T, T + HOUR) == (4,) * CELL_COUNT
