"""Lists of accounts and servers in every form, and the table with a column per server that `t=json` is."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from sqlalchemy import Engine

from swiftstats.store import dialects, petnames, usage, writers
from swiftstats.store import engine as engines
from tests.support.service import HOUR, Client, T, close, count, fresh, make

ACCOUNTS = ("(unknown)", 'AUTH_"c", d', "AUTH_<b>&amp;", "AUTH_a", "AUTH_漢")


@pytest.fixture
def engine(store_url: str) -> Engine:
    """Some accounts on two servers, of which one has not closed; a petname; a loss."""
    engine = fresh(store_url)
    for number, name in enumerate(ACCOUNTS):
        for server in ("proxy-01", "proxy-03"):
            count(engine, server, account=name.encode(), get_count=1, passed_in=2**62, passed_out=number)
    writer = count(engine, account=b"AUTH_a", passed_in=2**62)
    close(engine, writer, through=T + 4 * HOUR)
    with engines.write(engine) as connection:
        petnames.put(connection, {name.encode(): "physics/<lab>" for name in ACCOUNTS if name != "AUTH_a"})
        usage.record_loss(connection, server_id=writer.server_id, writer_id=writer.id, begin=T, end=T + HOUR, kind="full", now=T)
    return engine


@pytest.fixture
def client(engine: Engine, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The service on it, four hours later, whatever the database's clock says."""
    monkeypatch.setattr(type(dialects.of(engine)), "clock", lambda dialect, connection: None)
    return Client(make(store_url, now=T + 4 * HOUR))


def in_every_form(client: Client, path: str, item: str) -> list[dict[str, Any]]:
    """Return a list, once it was found the same in JSON, NDJSON, CSV and XML."""
    found: list[dict[str, Any]] = json.loads(client.get(path).body)[path[1:]]
    *lines, last = [json.loads(line) for line in client.get(path, {"format": "ndjson"}).body.splitlines()]
    assert lines == found and last == {"rows": len(found)}
    texts = [{name: "" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
              for name, value in each.items()} for each in found]
    assert list(csv.DictReader(io.StringIO(client.get(path, {"format": "csv"}).body.decode(), newline=""))) == texts
    answer = client.get(path, {"format": "xml"})
    assert answer.content_type == "application/xml"
    root = ElementTree.fromstring(answer.body)
    assert root.tag == path[1:]
    assert [{each.tag: each.text or "" for each in element} for element in root.findall(item)] == texts
    nulls = [[each.tag for each in element if each.get("nil") == "true"] for element in root.findall(item)]
    assert nulls == [[name for name, value in each.items() if value is None] for each in found]
    return found


def test_accounts(client: Client) -> None:
    """The list of accounts has each, by name, with its petname, in every form; XML comes in pages as JSON does."""
    found = in_every_form(client, "/accounts", "account")
    assert found == [{"account": name, "petname": None if name == "AUTH_a" else "physics/<lab>"} for name in ACCOUNTS]
    seen: list[str | None] = []
    marker: dict[str, str] = {}
    while True:
        root = ElementTree.fromstring(client.get("/accounts", {"format": "xml", "limit": "2", **marker}).body)
        seen += [element.text for element in root.findall("account/account")]
        following = root.findtext("next")
        if following is None:
            break
        marker = {"marker": following}
    assert seen == list(ACCOUNTS)


def test_servers(client: Client) -> None:
    """The list of servers says of each how far it has closed, whether it is behind, and how often something was lost."""
    found = {each["server"]: each for each in in_every_form(client, "/servers", "server")}
    assert list(found) == ["proxy-01", "proxy-03"]
    assert (found["proxy-01"]["complete_through"], found["proxy-01"]["stale"]) == ("2012-10-22T12:00:00Z", False)
    assert (found["proxy-03"]["complete_through"], found["proxy-03"]["stale"]) == ("2012-10-22T08:00:00Z", True)
    assert (found["proxy-01"]["losses"], found["proxy-03"]["losses"]) == (1, 0)
    assert [each["as_of"] for each in found.values()] == ["2012-10-22T12:00:00Z", "2012-10-22T08:00:00Z"]


@pytest.mark.parametrize(("path", "item"), [("/servers", "server"), ("/fields", "field"), ("/accounts", "account")])
@pytest.mark.parametrize("limit", ["1", "2"])
def test_every_list_comes_in_pages(client: Client, path: str, item: str, limit: str) -> None:
    """Pages put together are the whole list, in JSON and in XML; the last one says that there is no other."""
    whole = in_every_form(client, path, item)
    assert len(whole) > 1
    for form in ("json", "xml"):
        seen: list[Any] = []
        given = {"format": form, "limit": limit}
        while True:
            body = client.get(path, given).body
            if form == "json":
                page = json.loads(body)
                rows, following = [each[item] for each in page[path[1:]]], page["next"]
            else:
                root = ElementTree.fromstring(body)
                rows, following = [each.text for each in root.findall(f"{item}/{item}")], root.findtext("next")
            assert 0 < len(rows) <= int(limit)
            seen += rows
            if following is None:
                break
            given["marker"] = following
        assert seen == [each[item] for each in whole]


def test_pages_that_cannot_be(client: Client) -> None:
    """A stream has no pages; a page has some rows; and a field that there is not has none after it."""
    for path in ("/servers", "/fields", "/accounts"):
        answer = client.get(path, {"format": "csv", "limit": "2"})
        assert answer.status_int == 400 and "a stream gives all accounts, and takes no limit and no marker" in answer.text
        for given in ({"format": "ndjson", "marker": "a"}, {"limit": "0"}, {"limit": "1001"}, {"order": "-bytes_out"}):
            assert [each["parameter"] for each in client.faults(path, given)] == [[*given][-1]]
    assert [each["expected"] for each in client.faults("/fields", {"marker": "GOT"})] == ["what `next` of the page before was"]


def test_a_column_per_server(engine: Engine, client: Client) -> None:
    """`t=json` has each account's usage by server and in sum, null of a server that was never heard of, and of no petname."""
    with engines.write(engine) as connection:
        writers.announce(connection, server="proxy-09", period=T, now=T)
    asked = {"begin": "2012-10-22T08:00Z", "end": "2012-10-22T10:00Z", "t": "json"}
    whole = json.loads(client.get("/usage", asked).body)
    assert list(whole) == ["servers", "accounts", "next", "unknown"]
    assert whole["servers"] == [
        {"id": "proxy-01", "nickname": "proxy-01", "as_of": "2012-10-22T12:00:00Z", "stale": False},
        {"id": "proxy-03", "nickname": "proxy-03", "as_of": "2012-10-22T08:00:00Z", "stale": True},
        {"id": "proxy-09", "nickname": "proxy-09", "as_of": None, "stale": True}]
    expected = [{"id": name, "petname": None if name == "AUTH_a" else "physics/<lab>",
                 "usage": {"proxy-01": 2**62 + number, "proxy-03": 2**62 + number, "proxy-09": None},
                 "total": 2**63 + 2 * number, "partial": True} for number, name in enumerate(ACCOUNTS)]
    assert whole["accounts"] == expected and whole["next"] is None
    first = json.loads(client.get("/usage", {**asked, "limit": "2"}).body)
    second = json.loads(client.get("/usage", {**asked, "limit": "3", "marker": first["next"]}).body)
    assert [*first["accounts"], *second["accounts"]] == expected
    some = json.loads(client.get("/usage?begin=2012-10-22T08:00Z&end=2012-10-23&t=json&fields=GET&account=a&account=zz").body)
    assert [(each["id"], each["total"]) for each in some["accounts"]] == [("AUTH_a", 2)] and some["unknown"] == ["zz"]
    assert some["accounts"][0]["usage"]["proxy-09"] is None
    named = {"begin": "2012-10-22T08:00Z", "end": "2012-10-22T09:00Z", "by": "account,server", "account": "a", "fields": "GET"}
    found = json.loads(client.get("/usage", named).body)["rows"]
    assert [(row["server"], row["GET"]) for row in found] == [("proxy-01", 1), ("proxy-03", 1), ("proxy-09", None)]
    rows = json.loads(client.get("/usage", {**asked, "t": "json", "fields": "bytes_out"}).body)["accounts"]
    assert [each["total"] for each in rows] == [2 * number for number in range(len(ACCOUNTS))]
