"""The contract of the service, on both databases: what it answers of what is stored, and how final that is."""

from __future__ import annotations

import csv
import gc
import io
import json
import tracemalloc
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text

from swiftstats import fields, periods
from swiftstats.errors import DatabaseAway
from swiftstats.store import engine as engines
from swiftstats.store import marks, usage, writers
from swiftstats.store.schema import accounts, io_hours
from swiftstats.store.writers import Writer
from tests.support.mariadb import MariaDB
from tests.support.service import HOUR, RANGE, Client, T, cells, close, count, fresh, make

TITLES = [field.title for field in fields.FIELDS]
ZEROS = dict.fromkeys(TITLES, 0)
NULLS = dict.fromkeys(TITLES)


@pytest.fixture
def engine(store_url: str) -> Engine:
    """A fresh database with our schema."""
    return fresh(store_url)


@pytest.fixture
def client(engine: Engine, store_url: str) -> Client:
    """The service on it. (MariaDB's own clock is used where the service's clock is not, on SQLite.)"""
    return Client(make(store_url))


def test_sum_is_details_in_every_format(engine: Engine, client: Client) -> None:
    """Two servers' hours add up to the same numbers, beyond 2^63, in sum and details, in JSON, XML and CSV."""
    for hour in range(3):
        for server in ("proxy-01", "proxy-03"):
            count(engine, server, period=T + hour * HOUR, passed_out=2**63 - 1, unbilled_bytes_out=7, get_count=hour, denied=1)
    expected = {**ZEROS, "Bytes_Out": 6 * (2**63 - 1) - 42, "GET": 6, "Denied": 6, "Unbilled_Bytes_Out": 42}
    end = {"end_time": periods.format(T + 3 * HOUR)}
    assert client.json("/io_sum", **end)[1] == expected
    details = client.json("/io_detail", **end)[1]
    assert {title: sum(row[title] for row in details.values()) for title in TITLES} == expected
    for query in ("/io_sum", "/io_detail"):
        root = ElementTree.fromstring(client.get(query, {**RANGE, **end, "format": "xml"}).body)
        read: list[dict[str, Any]] = [{each.tag: int(each.text or "") for each in row} for row in root[1:]]
        assert {title: sum(row[title] for row in read) for title in TITLES} == expected
        table = csv.DictReader(io.StringIO(client.get(query, {**RANGE, **end, "format": "csv"}).text, newline=""))
        rows = list(table)
        assert {title: sum(int(row[title]) for row in rows) for title in TITLES} == expected


def test_never_seen(engine: Engine, client: Client) -> None:
    """An account that nobody ever saw has zeros where the period is complete; it is no error."""
    close(engine, count(engine), through=T + 2 * HOUR)
    header, values = client.json("/io_sum", account_id="nobody")
    assert header == {"Account_ID": "nobody", "Begin Time": "2012-10-22 08:00:00", "End Time": "2012-10-22 10:00:00",
                      "Complete Through": "2012-10-22 10:00:00"}
    assert values == ZEROS
    assert client.json("/io_detail", account_id="nobody")[1] == {"2012-10-22 08:00:00": ZEROS, "2012-10-22 09:00:00": ZEROS}


def test_empty_site(client: Client) -> None:
    """Before any server has registered nothing is complete, details are null, and nobody is waited for."""
    header, values = client.json("/io_detail")
    assert (header["Complete Through"], header["Waiting For"]) == (None, [])
    assert values == {"2012-10-22 08:00:00": NULLS, "2012-10-22 09:00:00": NULLS}
    assert client.json("/io_sum")[1] == ZEROS


def test_names(engine: Engine, client: Client) -> None:
    """Names are told apart to the byte: case, trailing spaces, any UTF-8, and (unknown), which has no prefix."""
    names = ["7f6a", "7F6A", "7f6a ", "ü", "u\u0308", "<&>\x01", "x" * 251]
    for number, name in enumerate(names, 1):
        count(engine, account=b"AUTH_" + name.encode(), get_count=number)
    count(engine, account=b"(unknown)", get_count=99)
    for number, name in enumerate(names, 1):
        for asked in (name, "AUTH_" + name):
            header, values = client.json("/io_sum", account_id=asked)
            assert (header["Account_ID"], values["GET"]) == (asked, number)
    assert client.json("/io_sum", account_id="(unknown)")[1]["GET"] == 99
    by_header = client.get("/io_sum", {key: RANGE[key] for key in ("begin_time", "end_time")},
                           headers={"X-Account-Id": "ü".encode().decode("latin-1")})
    assert json.loads(by_header.body)[1]["GET"] == names.index("ü") + 1


def test_waiting_for(engine: Engine, client: Client) -> None:
    """Complete Through is the site's, never cut to the range; Waiting For names who has not closed the range, and only then."""
    one, three = (count(engine, server) for server in ("proxy-01", "proxy-03"))
    header = client.json("/io_sum")[0]
    assert (header["Complete Through"], header["Waiting For"]) == (None, ["proxy-01", "proxy-03"])
    close(engine, one, through=T + 5 * HOUR)
    close(engine, three, through=T + HOUR)
    header = client.json("/io_sum")[0]
    assert (header["Complete Through"], header["Waiting For"]) == ("2012-10-22 09:00:00", ["proxy-03"])
    close(engine, three, through=T + 4 * HOUR)
    header = client.json("/io_sum")[0]
    assert header["Complete Through"] == "2012-10-22 12:00:00" and "Waiting For" not in header
    header = client.json("/io_sum", end_time="2999-01-01 00:00:00")[0]
    assert (header["Complete Through"], header["Waiting For"]) == ("2012-10-22 12:00:00", ["proxy-01", "proxy-03"])
    answer = client.get("/io_sum", {**RANGE, "format": "csv", "end_time": "2012-10-22 13:00:00"})
    assert (answer.headers["X-Complete-Through"], answer.headers["X-Waiting-For"]) == ("2012-10-22 12:00:00", "proxy-03")


def test_null_and_zero(engine: Engine, client: Client) -> None:
    """Before the first recorded period, and before a period begins, is null; a running or quiet period is zero."""
    count(engine, get_count=1, period=T + HOUR, first=T)
    future = periods.parse("2999-01-01 00:00:00")
    details = client.json("/io_detail", begin_time="2012-10-22 07:00:00", end_time="2012-10-22 11:00:00")[1]
    assert [values["GET"] for values in details.values()] == [None, 0, 1, 0]
    details = client.json("/io_detail", begin_time=periods.format(future), end_time=periods.format(future + HOUR))[1]
    assert list(details.values()) == [NULLS]


def test_losses(engine: Engine, client: Client) -> None:
    """Periods with a recorded loss, or given up by retiring, are named; another account's overflow is not."""
    one, three = count(engine), count(engine, "proxy-03")
    close(engine, one, three, through=T + 3 * HOUR)
    with engines.write(engine) as connection:
        for begin, kind, subject in (
            (T, "uncounted", b""), (T + HOUR, "overflow", b"AUTH_7f6a"), (T + 2 * HOUR, "overflow", b"AUTH_b"),
        ):
            usage.record_loss(connection, server_id=one.server_id, writer_id=one.id, begin=begin, end=begin + HOUR, kind=kind,
                              subject=subject, requests=1, now=T)
        writers.retire(connection, server="proxy-03", writer=None, now=T + 4 * HOUR)
    end = {"end_time": "2012-10-22 14:00:00"}
    header = client.json("/io_sum", **end)[0]
    assert header["Incomplete"] == [periods.format(T + hour * HOUR) for hour in (0, 1, 3, 4)]
    assert (header["Complete Through"], header["Waiting For"]) == ("2012-10-22 11:00:00", ["proxy-01"])
    by_csv = client.get("/io_detail", {**RANGE, "format": "csv"}).headers
    assert by_csv["X-Incomplete"] == "2012-10-22 08:00:00, 2012-10-22 09:00:00"
    assert "Incomplete" not in client.json("/io_sum", begin_time="2012-10-22 13:00:00", **end)[0]


def test_corrections(engine: Engine, client: Client) -> None:
    """What changed after it was complete is named, for the account that it changed."""
    one = count(engine, get_count=1)
    close(engine, one, through=T + 3 * HOUR)
    count(engine, period=T + HOUR, get_count=5)
    header, values = client.json("/io_sum")
    assert header["Corrected"] == ["2012-10-22 09:00:00"] and values["GET"] == 6
    assert "Corrected" not in client.json("/io_sum", account_id="other")[0]


def test_one_snapshot(engine: Engine, client: Client) -> None:
    """A detail that is being read shows one moment, whatever is counted and closed meanwhile."""
    writer = many_hours(engine, 8000)
    close(engine, writer, through=T + HOUR)
    answer = client.get("/io_detail", {**RANGE, "end_time": periods.format(T + 8000 * HOUR)})
    body = iter(answer.app_iter)
    read = next(body)
    with engines.write(engine) as connection:
        for hour in range(7900, 8000):
            usage.merge(connection, writer=writer, period=T + hour * HOUR, rows=[(b"AUTH_7f6a", cells(get_count=100))], now=T)
    close(engine, writer, through=T + 8000 * HOUR)
    header, details = json.loads(read + b"".join(body))
    assert header["Complete Through"] == "2012-10-22 09:00:00"
    assert sum(values["GET"] for values in details.values()) == 8000
    assert client.json("/io_sum", end_time=periods.format(T + 8000 * HOUR))[1]["GET"] == 7900 + 10_000


def test_memory_does_not_grow(engine: Engine, store_url: str) -> None:
    """A year and a half of hours takes no more memory than half a year."""
    many_hours(engine, 12_000)
    client = Client(make(store_url, max_periods=10**6))

    def held(hours: int) -> int:
        """Return the most bytes that are in use while the answer is read."""
        tracemalloc.start()
        answer = client.get("/io_detail", {**RANGE, "end_time": periods.format(T + hours * HOUR)})
        most = 0
        for number, _ in enumerate(answer.app_iter):
            if number % 30 == 15:
                gc.collect()  # what is only waiting to be collected is not held
                most = max(most, tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        return most

    held(2000)
    assert 0 < held(12_000) < 1.5 * held(4000)


def many_hours(engine: Engine, hours: int) -> Writer:
    """Count a GET in each of so many hours."""
    writer = count(engine, get_count=1)
    with engines.write(engine) as connection:
        account = connection.execute(select(accounts.c.id)).scalar_one()
        row = dict.fromkeys(fields.CELLS, 0) | {"get_count": 1, "account_id": account, "writer_id": writer.id}
        connection.execute(insert(io_hours), [
            row | {"period": period, "day": period // periods.DAY} for period in range(T + HOUR, T + hours * HOUR, HOUR)])
        for day in range(T // periods.DAY, (T + hours * HOUR) // periods.DAY + 1):
            marks.mark(connection, marks.IO, day, writer.id)
    return writer


@pytest.mark.mariadb
def test_killed_half_way(mariadb: MariaDB) -> None:
    """When the database cuts the connection in the middle of a detail, what came is no whole answer."""
    url = mariadb.url()
    engine = fresh(url)
    many_hours(engine, 8000)
    answer = Client(make(url)).get("/io_detail", {**RANGE, "end_time": periods.format(T + 8000 * HOUR)})
    chunks = iter(answer.app_iter)
    read = next(chunks)
    with engine.connect() as connection:
        ours = connection.execute(text("SELECT CONNECTION_ID()")).scalar()
        for number, database in connection.execute(text("SELECT id, db FROM information_schema.processlist")).all():
            if database == engine.url.database and number != ours:
                connection.execute(text(f"KILL {int(number)}"))
    with pytest.raises(DatabaseAway):
        for chunk in chunks:
            read += chunk
    with pytest.raises(ValueError):
        json.loads(read)
    assert Client(make(url)).json("/io_sum")[1]["GET"] == 2


@pytest.mark.mariadb
def test_table_gone(mariadb: MariaDB) -> None:
    """With a table gone under a running service the answer is 503, and no SQL; it answers again when it is back."""
    url = mariadb.url()
    engine = fresh(url)
    count(engine, get_count=1)
    client = Client(make(url))
    with engine.begin() as connection:
        connection.execute(text(f"RENAME TABLE {io_hours.name} TO gone"))
    answer = client.get("/io_sum", RANGE)
    assert answer.status_int == 503 and "Retry-After" in answer.headers and "gone" not in answer.text
    with engine.begin() as connection:
        connection.execute(text(f"RENAME TABLE gone TO {io_hours.name}"))
    assert client.json("/io_sum")[1]["GET"] == 1
