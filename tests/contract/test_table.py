"""The contract of usage of many accounts, on both databases: every form is the same numbers, to the byte, and nothing twice."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from typing import Any, Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from swiftstats import fields
from swiftstats.fields import STORED_MAX
from swiftstats.store import engine as engines
from swiftstats.store import usage, writers
from tests.support import by_name
from tests.support.levels import add, report
from tests.support.service import HOUR, Client, T, cells, close, count, fresh, make

QUERY = "/usage?begin=2012-10-22T08:00Z&end=2012-10-24T08:00Z"
RANGE = {"begin_time": "2012-10-22 08:00:00", "end_time": "2012-10-24 08:00:00"}
IO = [field.name for field in fields.FIELDS]
SPACE = {"space_last": "Space_Last", "space_max": "Space_Max", "byte_hours": "Byte_Hours"}


@pytest.fixture
def engine(store_url: str) -> Engine:
    """A fresh database with our schema."""
    return fresh(store_url)


@pytest.fixture
def client(engine: Engine, store_url: str) -> Client:
    """The service on it."""
    return Client(make(store_url, now=T + 100 * HOUR))


def pages(client: Client, query: str, form: str = "json", limit: int = 2) -> Iterator[Any]:
    """Yield the pages of a walk by markers."""
    marker = ""
    while True:
        found = client.get(f"{query}&limit={limit}&format={form}{marker}")
        assert found.status_int == 200, found.text
        page = json.loads(found.body) if form == "json" else ElementTree.fromstring(found.body)
        yield page
        following = page["next"] if form == "json" else page.findtext("next")
        if following is None:
            return
        marker = "&marker=" + quote(following, safe="")


def texts(row: dict[str, Any]) -> dict[str, str]:
    """Return a row as CSV has it."""
    return {name: "" if value is None else {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool)
            else str(value) for name, value in row.items()}


def in_every_form(client: Client, query: str, limit: int = 2) -> list[dict[str, Any]]:
    """Return the rows of a table, once they were found the same in pages of JSON and XML, and in both streams."""
    rows = [row for page in pages(client, query, limit=limit) for row in page["rows"]]
    *lines, last = [json.loads(line) for line in client.get(f"{query}&format=ndjson").body.splitlines()]
    assert lines == rows and last["rows"] == len(rows)
    table = list(csv.DictReader(io.StringIO(client.get(f"{query}&format=csv").body.decode(), newline="")))
    assert table == [texts(row) for row in rows]
    elements = [element for page in pages(client, query, "xml", limit) for element in page.findall("row")]
    for element, row in zip(elements, rows, strict=True):
        found = {**element.attrib, **{each.tag: each.text if each.get("nil") is None else None for each in element}}
        expected = {name: None if value is None else str(value) for name, value in row.items()
                    if not (name in ("petname", "group") and value is None)}
        assert {**found, "complete": found["complete"].title()} == expected
    return rows


def test_every_form_is_the_same_numbers(engine: Engine, client: Client) -> None:
    """Pages joined are the streams, and each row is the account's io_sum and space_sum, beyond 2^63."""
    for number in range(5):
        for hour in range(number + 1):
            for server in ("proxy-01", "proxy-03"):
                writer = count(engine, server, period=T + hour * 7 * HOUR, account=b"AUTH_%d" % number, passed_out=STORED_MAX,
                               unbilled_bytes_out=number, get_count=hour)
    add(engine, *(report(account=b"AUTH_%d" % number, size=2**60 + number, read_at=T + number * 9 * HOUR)
                  for number in (0, 3, 7)))
    close(engine, writer, through=T + 10 * HOUR)
    rows = in_every_form(client, QUERY)
    assert [row["account"] for row in rows] == ["AUTH_0", "AUTH_1", "AUTH_2", "AUTH_3", "AUTH_4"]
    for row in rows:
        sums = client.json("/io_sum", account_id=row["account"], **RANGE)[1]
        assert [row[name] for name in IO] == list(sums.values())
        levels = client.json("/space_sum", account_id=row["account"], **RANGE)[1]
        assert {name: row[name] for name in SPACE} == {name: levels[title] for name, title in SPACE.items()}
        assert (row["periods"], row["space_periods"]) == (levels["Periods"], levels["Periods_Measured"])
    assert rows[4]["bytes_out"] == 10 * STORED_MAX - 40


@pytest.mark.parametrize("more", [
    "&granularity=hour", "&granularity=day", "&granularity=month", "&granularity=day&timezone=Asia/Tokyo", "&by=account,server",
    "&by=account,server&granularity=day", "&granularity=day&fields=GET,objects",
])
def test_steps_and_servers_add_up(engine: Engine, client: Client, more: str) -> None:
    """However a table is cut, its parts add up to the whole, in every form."""
    for number in range(3):
        for hour in range(5):
            count(engine, ("proxy-01", "proxy-03")[hour % 2], period=T + hour * 9 * HOUR, account=b"AUTH_%d" % number,
                  passed_in=STORED_MAX - hour, get_count=hour + number)
    whole = {row["account"]: row for row in in_every_form(client, QUERY)}
    parts: dict[str, int] = {}
    for row in in_every_form(client, QUERY + more):
        parts[row["account"]] = parts.get(row["account"], 0) + row["GET"] * 2**80 + row.get("bytes_in", 0)
    with_bytes = "fields" not in more
    assert parts == {name: row["GET"] * 2**80 + (row["bytes_in"] if with_bytes else 0) for name, row in whole.items()}


def test_servers_alone(engine: Engine, client: Client) -> None:
    """By server alone all accounts are added up."""
    for number in range(4):
        count(engine, "proxy-01", account=b"AUTH_%d" % number, get_count=number, passed_out=STORED_MAX)
        count(engine, "proxy-03", account=b"AUTH_%d" % number, get_count=1)
    found = json.loads(client.get(QUERY + "&by=server&fields=GET,bytes_out").body)["rows"]
    assert found == [{"server": "proxy-01", "complete": False, "bytes_out": 4 * STORED_MAX, "GET": 6},
                     {"server": "proxy-03", "complete": False, "bytes_out": 0, "GET": 4}]


def test_a_walk_while_accounts_come(engine: Engine, client: Client) -> None:
    """A walk by markers while accounts are added visits each account that was there exactly once."""
    before = [b"AUTH_%03d" % number for number in range(0, 60, 3)]
    for name in before:
        count(engine, account=name, put_count=1)
    seen: list[str] = []
    for number, page in enumerate(pages(client, QUERY, limit=3)):
        seen += [row["account"] for row in page["rows"]]
        for place in (1, 30, 59 - number):
            count(engine, account=b"AUTH_%03d+%d" % (place, number), put_count=1)
    assert [name for name in seen if "+" not in name] == [name.decode() for name in before]
    assert len(seen) == len(set(seen))
    listed: list[str] = []
    for page in pages(client, "/accounts?account_prefix=AUTH_", limit=7):
        listed += [each["account"] for each in page["accounts"]]
    assert listed == sorted(set(listed)) and set(seen) <= set(listed)


def test_what_is_final_stays(engine: Engine, client: Client) -> None:
    """A final range has the same bytes and tag though accounts and hours are added; a correction changes both, and is named."""
    writer = count(engine, get_count=3)
    assert "ETag" not in client.get(QUERY).headers
    refused = client.get(QUERY + "&final=required&format=csv")
    assert refused.status_int == 409 and "2012-10-24T08:00:00Z" in refused.text and "X-Waiting-For" in refused.headers
    close(engine, writer, through=T + 48 * HOUR)
    first = {form: client.get(f"{QUERY}&final=required&format={form}") for form in ("json", "xml", "csv", "ndjson", "focus")}
    close(engine, count(engine, account=b"AUTH_later", period=T + 48 * HOUR, get_count=1), through=T + 49 * HOUR)
    for form, before in first.items():
        after = client.get(f"{QUERY}&final=required&format={form}")
        assert (after.body, after.headers["ETag"]) == (before.body, before.headers["ETag"])
        unchanged = client.get(f"{QUERY}&final=required&format={form}", headers={"If-None-Match": before.headers["ETag"]})
        assert (unchanged.status_int, unchanged.body) == (304, b"")
    assert len({before.headers["ETag"] for before in first.values()}) == len(first)
    with engines.write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, rows=[(b"AUTH_7f6a", cells(get_count=5))], now=T + 50 * HOUR)
    after = client.get(QUERY, headers={"If-None-Match": first["json"].headers["ETag"]})
    assert after.status_int == 200 and json.loads(after.body)["corrected"] == ["2012-10-22T08:00:00Z"]
    assert json.loads(after.body)["rows"][0]["GET"] == 5


def test_a_tag_follows_the_servers(engine: Engine, client: Client) -> None:
    """By server a server that is announced, or comes, gives a named account another row in what is final: and another tag."""
    close(engine, count(engine, get_count=3), through=T + 48 * HOUR)
    query, seen = QUERY + "&by=account,server&account=7f6a&fields=GET", []

    def look() -> list[tuple[str, int | None]]:
        answer = client.get(query)
        seen.append((answer.headers["ETag"], answer.body))
        return [(row["server"], row["GET"]) for row in json.loads(answer.body)["rows"]]

    assert look() == [("proxy-01", 3)] and look() == [("proxy-01", 3)]
    with engines.write(engine) as connection:
        writers.announce(connection, server="proxy-03", period=T + 48 * HOUR, now=T + 48 * HOUR)
    assert look() == [("proxy-01", 3), ("proxy-03", None)]
    close(engine, count(engine, "proxy-03", period=T + 48 * HOUR, first=T + 48 * HOUR), through=T + 49 * HOUR)
    assert look() == [("proxy-01", 3), ("proxy-03", 0)]
    assert len({tag for tag, _ in seen}) == len(set(seen)) == 3


def test_top_lists(engine: Engine, client: Client) -> None:
    """A top list has the greatest first, then by name, beyond 2^63, and only as many as are asked for."""
    for name, size in ((b"AUTH_c", 2), (b"AUTH_a", 2), (b"AUTH_b", STORED_MAX), (b"AUTH_d", 1)):
        for server in ("proxy-01", "proxy-03"):
            count(engine, server, account=name, passed_out=size)
    found = json.loads(client.get(QUERY + "&order=-bytes_out&limit=3").body)
    assert [row["account"] for row in found["rows"]] == ["AUTH_b", "AUTH_a", "AUTH_c"] and found["next"] is None
    named = json.loads(client.get(QUERY + "&order=-bytes_out&account=c&account=d&account=b").body)
    assert [row["account"] for row in named["rows"]] == ["AUTH_b", "AUTH_c", "AUTH_d"]


def test_names(engine: Engine, client: Client) -> None:
    """Accounts asked for by name are always there, with zeros; whom nobody knows stands under `unknown`."""
    count(engine, account=b"AUTH_a", period=T + 100 * HOUR, get_count=1)
    count(engine, account=b"AUTH_b", get_count=1)
    found = json.loads(client.get(QUERY + "&account=a&account=AUTH_b&account=zz&fields=GET").body)
    assert [(row["account"], row["GET"]) for row in found["rows"]] == [("AUTH_a", 0), ("AUTH_b", 1)]
    assert found["unknown"] == ["zz"]
    begins = json.loads(client.get(QUERY + "&account_prefix=b").body)
    assert [row["account"] for row in begins["rows"]] == ["AUTH_b"]


#: What formats, URLs and collations could stumble over.
names = st.text(st.sampled_from("aAé漢😀 \"<>&',;=+%_\n\t"), min_size=1, max_size=12).map(lambda name: b"AUTH_" + name.encode())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
          phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(rows=st.lists(st.tuples(names, st.integers(0, 47), st.sampled_from(["proxy-01", "proxy-03"]),
                               st.integers(0, STORED_MAX)), min_size=1, max_size=6))
def test_any_accounts(store_url: str, engine: Engine, rows: list[tuple[bytes, int, str, int]]) -> None:
    """Whatever accounts are called and use, every form has the same rows, and each is its io_sum."""
    for name, hour, server, size in rows:
        count(engine, server, period=T + hour * HOUR, account=name, passed_in=size, put_count=1)
    client = Client(make(store_url, now=T + 100 * HOUR))
    found = {row["account"].encode(): row for row in in_every_form(client, QUERY + "&fields=bytes_in,PUT", limit=5)}
    with engines.read(engine) as connection:
        for name, *_ in rows:
            sums = by_name.total(connection, name, T, T + 48 * HOUR)
            assert found[name]["bytes_in"] == sums[fields.CELL_INDEX["passed_in"]]
            assert found[name]["PUT"] == sums[fields.CELL_INDEX["put_count"]]
