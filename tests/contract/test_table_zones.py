"""Tables in hours, days and months of a time zone: days on which clocks change, and zones that do not fit the site's periods."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import Engine

from swiftstats.periods import DAY, parse
from swiftstats.store import engine as engines
from swiftstats.store import usage, writers
from tests.support.levels import add, report
from tests.support.service import HOUR, Client, cells, close, fresh, make

#: Each day on which clocks change in Berlin, how many hours it has, and when the day before begins, in UTC.
CHANGES = (("2012-03-25", 23, "2012-03-23T23:00Z"), ("2012-10-28", 25, "2012-10-26T22:00Z"))


@pytest.fixture
def engine(store_url: str) -> Engine:
    """A fresh database with our schema."""
    return fresh(store_url)


@pytest.fixture
def client(engine: Engine, store_url: str) -> Client:
    """The service on it, long after."""
    return Client(make(store_url, now=parse("2012-12-24")))


def fill(engine: Engine, begin: int, hours: int, period_seconds: int = HOUR) -> None:
    """Count a GET and read 10 bytes in each hour, and close all of it."""
    with engines.write(engine) as connection:
        writer = writers.register(connection, server="proxy-01", incarnation="a" * 32, predecessor=None, first_period=begin,
                                  period_seconds=period_seconds, now=begin)
        for at in range(begin, begin + hours * HOUR, HOUR):
            usage.merge(connection, writer=writer, period=at, rows=[(b"AUTH_a", cells(get_count=1))], now=at)
    add(engine, *(report(account=b"AUTH_a", size=10, read_at=at) for at in range(begin, begin + hours * HOUR, HOUR)))
    close(engine, writer, through=begin + hours * HOUR)


def rows(client: Client, **given: str) -> list[dict[str, Any]]:
    """Return the rows of a table, once they were found the same in CSV."""
    answer = client.get("/usage", given)
    assert answer.status_int == 200, answer.text
    found: list[dict[str, Any]] = json.loads(answer.body)["rows"]
    table = list(csv.DictReader(io.StringIO(client.get("/usage", {**given, "format": "csv"}).text, newline="")))
    assert [(row.get("time"), row["GET"]) for row in table] == [(row.get("time"), str(row["GET"])) for row in found]
    return found


@pytest.mark.parametrize(("day", "hours", "before"), CHANGES)
def test_days_of_23_and_25_hours(engine: Engine, client: Client, day: str, hours: int, before: str) -> None:
    """The day on which clocks change has all its hours, each once, by day, by hour, by month and alone."""
    begin = parse(before)
    fill(engine, begin, 24 + hours + 24)
    zone = {"timezone": "Europe/Berlin", "fields": "GET,byte_hours"}
    (whole,) = rows(client, begin=day, **zone)
    assert (whole["GET"], whole["byte_hours"], whole["space_periods"], whole["periods"]) == (hours, 10 * hours, hours, hours)
    three = rows(client, begin=before, end=f"{day[:8]}{int(day[8:]) + 2}", granularity="day", **zone)
    assert [(row["GET"], row["periods"]) for row in three] == [(24, 24), (hours, hours), (24, 24)]
    offsets = {23: ("+01:00", "+01:00", "+02:00"), 25: ("+02:00", "+02:00", "+01:00")}[hours]
    assert [row["time"][10:] for row in three] == ["T00:00:00" + offset for offset in offsets]
    by_hour = rows(client, begin=day, granularity="hour", **zone)
    assert [parse(row["time"]) for row in by_hour] == [begin + DAY + number * HOUR for number in range(hours)]
    assert {row["GET"] for row in by_hour} == {1}
    (month,) = rows(client, begin=day[:7], granularity="month", **zone)
    assert month["GET"] == 24 + hours + 24
    assert month["periods"] == 31 * 24 + hours - 24


def test_a_zone_that_periods_do_not_fit(engine: Engine, client: Client) -> None:
    """Where days of a zone cut periods of the site, the answer is a fault that says what would do."""
    fill(engine, parse("2012-10-21"), 48)
    asked = {"begin": "2012-10-22", "timezone": "Asia/Kathmandu", "granularity": "day"}
    (fault,) = client.faults("/usage", asked)
    assert (fault["parameter"], fault["value"]) == ("timezone", "Asia/Kathmandu")
    assert "+05:45" in fault["expected"] and "UTC would do" in fault["expected"] and "period_seconds = 900" in fault["expected"]
    assert [row["GET"] for row in rows(client, **{**asked, "timezone": "UTC"})] == [24]
    page = client.get("/usage", asked, headers={"Accept": "text/html"})
    assert page.status_int == 400 and "UTC would do" in page.text


def test_what_would_do_does(engine: Engine, store_url: str) -> None:
    """With the period that the fault names, the zone has its days."""
    begin = parse("2012-10-21T18:00Z")
    fill(engine, begin, 48, period_seconds=900)
    client = Client(make(store_url, now=begin + 9 * DAY, period_seconds=900))
    found = rows(client, begin="2012-10-22", end="2012-10-24", timezone="Asia/Kathmandu", granularity="day", fields="GET")
    assert [(row["time"], row["GET"]) for row in found] == [
        ("2012-10-22T00:00:00+05:45", 24), ("2012-10-23T00:00:00+05:45", 23)]
