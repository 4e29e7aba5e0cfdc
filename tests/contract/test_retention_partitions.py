"""Retention where months are partitions: they are dropped whole, made ahead, and not under an answer that is being sent."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine

from swiftstats.flush.shipping import transact
from swiftstats.periods import DAY, HOUR
from swiftstats.query import io
from swiftstats.store import dialects, retention, schema, usage
from swiftstats.store.engine import read, write
from tests.contract.test_retention import LATER, NAMES, NEXT, NOW, OLD, clock, fill, hours_left, leave, question, rolled
from tests.contract.test_store_usage import cells
from tests.contract.test_store_writers import register
from tests.support import by_name
from tests.support.databases import on_mariadb

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("clock")


@on_mariadb
def test_partitions(engine: Engine) -> None:
    """Months are partitions where the database has them: dropped whole, made ahead, and a day without one has a place."""
    dialect = dialects.of(engine)
    with read(engine) as connection:
        assert [each.before for each in dialect.partitions(connection, schema.io_hours)][-1] is None
    far = (LATER + 400) * DAY
    with write(engine) as connection:
        writer = register(connection, "proxy-a", "a", first=OLD * DAY)
        for period in (0, OLD * DAY, far):
            usage.merge(connection, writer=writer, period=period, rows=[(NAMES[0], cells(get_count=1))], now=NOW)
    with write(engine) as connection:
        assert retention.make_ahead(connection, schema.io_hours, NOW) > 0
    with read(engine) as connection:
        bounds = [each.before for each in dialect.partitions(connection, schema.io_hours)]
        assert bounds == sorted(bounds[:-1]) + [None]
        assert by_name.total(connection, NAMES[0], 0, far + HOUR) == cells(get_count=3)
    with write(engine) as connection:
        assert retention.make_ahead(connection, schema.io_hours, NOW) == 0


@on_mariadb
def test_partitions_of_accounts(engine: Engine) -> None:
    """Where somebody made partitions of accounts instead, they stay, and hours leave by the row."""
    fill(engine, range(OLD, OLD + 3))
    rolled(engine)
    with write(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE io_hours PARTITION BY KEY (account_id) PARTITIONS 3")
    leave(engine)
    assert hours_left(engine) == 0
    with read(engine) as connection:
        assert dialects.of(engine).partitions(connection, schema.io_hours) == []
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM information_schema.partitions WHERE table_schema = DATABASE()"
                                          " AND table_name = 'io_hours'").scalar() == 3


@on_mariadb
def test_a_long_answer_is_not_cut_off(engine: Engine) -> None:
    """While an answer is sent nothing under it is dropped; flushers wait a moment at most, and later it leaves."""
    one, _ = fill(engine, range(OLD, OLD + 3))
    rolled(engine)
    with read(engine) as answering:
        expected = list(by_name.hours(answering, NAMES[0], OLD * DAY, NEXT * DAY))
        done = threading.Event()
        failed: list[BaseException] = []

        def flush() -> None:
            try:
                while not done.is_set():
                    transact(engine, lambda connection: usage.merge(connection, writer=one, period=LATER * DAY, now=NOW,
                                                                    rows=[(b"AUTH_x", cells(get_count=1))]))
                    with read(engine) as connection:
                        io.total(connection, question(OLD * DAY, NEXT * DAY))
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=flush) for _ in range(2)]
        for thread in threads:
            thread.start()
        steps = leave(engine)
        assert any(step.busy for step in steps)
        assert list(by_name.hours(answering, NAMES[0], OLD * DAY, NEXT * DAY)) == expected
    try:
        for _ in range(50):
            if hours_left(engine) == 0:
                break
            leave(engine)
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    assert failed == []
    assert hours_left(engine) == 0
