"""The contract of lines that the database writes itself: to the byte what rows are written as, whatever accounts are called."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from swiftstats.fields import FIELDS, STORED_MAX
from swiftstats.flush.rollup import roll_up
from swiftstats.query import table, table_lines, table_question
from swiftstats.query.selection import Selection
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import table_csv, table_json
from swiftstats.store import dialects, petnames, usage
from swiftstats.store import engine as engines
from tests.support.service import HOUR, T, cells, close, count

NAMES = sorted([b"(unknown)", b"AUTH_a", b"AUTH_b", b"AUTH_called", b"AUTH_comma,", b'AUTH_"', b"AUTH_\xff", "AUTH_ä".encode(),
                b"AUTH_d", b"AUTH_=1", b"AUTH_z", b"X" * 256])
EVERYTHING = Selection((), (b"",))


def question(**given: str) -> TableQuestion:
    """Return a question about October 2012, of all figures of requests and bytes."""
    asked = {"begin": "2012-10", "fields": ",".join(field.name for field in FIELDS), **given}
    return table_question.ask({name: [value] for name, value in asked.items()}, prefixes=("AUTH_",), period_seconds=HOUR,
                              max_periods=9000, now=T, pages=False)


def seed(engine: Engine, *, rolled: bool = True) -> None:
    """Count for NAMES in the month, and not in it; one has no more than a row of zeros, one a petname."""
    writer = count(engine, account=b"AUTH_before", period=T - 31 * 24 * HOUR, first=T - 31 * 24 * HOUR, get_count=1)
    close(engine, writer, through=T + 240 * HOUR)
    with engines.write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, now=T, rows=[
            (name, cells() if name == b"AUTH_b"
             else cells(get_count=number + 1, passed_out=STORED_MAX, unbilled_bytes_out=number))
            for number, name in enumerate(NAMES)])
        petnames.put(connection, {b"AUTH_called": "A name"})
    if rolled:
        for _ in roll_up(engine, holder="test", period_seconds=HOUR):
            pass


@pytest.mark.parametrize("form", [table_csv, table_json])
@pytest.mark.parametrize("batch", [1, 3, 1000])
@pytest.mark.parametrize("fields", [",".join(field.name for field in FIELDS), "GET", "bytes_out,PUT"])
def test_the_same_to_the_byte(engine: Engine, monkeypatch: pytest.MonkeyPatch, form: Any, batch: int, fields: str) -> None:
    """A pull is the same file, whether the database or this process wrote its lines, at any size of batches."""
    seed(engine)
    monkeypatch.setattr(table_lines, "BATCH", batch)
    asked = question(fields=fields)
    with engines.read(engine) as connection:
        rows = b"".join(form.stream(table.stream(connection, asked, EVERYTHING, now=T)))
        with table_lines.stream(engine, connection, asked, EVERYTHING, now=T, line=form.line(asked)) as lines:
            assert (lines.lines is not None) == dialects.of(connection).writes_lines
            assert b"".join(form.stream(lines)) == rows


def test_only_a_month_that_is_rolled_up(engine: Engine) -> None:
    """Rows are read as ever where the rollup of one month does not say it all: before it is made, and of any other table."""
    seed(engine, rolled=False)
    asked = question()
    with engines.read(engine) as connection:
        assert not are_lines(engine, connection, asked)
    for _ in roll_up(engine, holder="test", period_seconds=HOUR):
        pass
    others = [question(end="2012-12"), question(granularity="day"), question(by="account,server"), question(order="-GET"),
              question(fields="GET,byte_hours"), question(begin="2012-10-22")]
    with engines.read(engine) as connection:
        for other in others:
            assert not are_lines(engine, connection, other), other
        for some in (Selection((b"AUTH_a",), ()), Selection((), (b"AUTH_",))):
            assert not are_lines(engine, connection, asked, some)


def are_lines(engine: Engine, connection: Connection, asked: TableQuestion, some: Selection = EVERYTHING) -> bool:
    with table_lines.stream(engine, connection, asked, some, now=T, line=table_csv.line(asked)) as found:
        return found.lines is not None
