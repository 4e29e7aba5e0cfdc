"""Who reads what of many accounts: a tenant its own rows and no other, whatever it asks for, and its own tag of an answer."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any, Mapping

import pytest
from sqlalchemy import Engine

from swiftstats.api.auth.tokens import TokensFile
from tests.support.levels import add, report
from tests.support.service import HOUR, Client, T, close, count, fresh, make

ASK = {"begin": "2012-10-22T08:00Z", "end": "2012-10-22T09:00Z"}


@pytest.fixture
def engine(store_url: str) -> Engine:
    """A complete hour of four accounts on two servers, with their space."""
    engine = fresh(store_url)
    for number, name in enumerate((b"AUTH_a", b"AUTH_b", b"AUTH_b-2", b"(unknown)")):
        for server in ("proxy-01", "proxy-03"):
            close(engine, count(engine, server, account=name, get_count=10**number), through=T + HOUR)
        add(engine, report(account=name, size=number))
    return engine


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    """Tokens by who has them."""
    file = TokensFile(str(tmp_path / "tokens"))
    return {"operator": file.create("operator", None, now=T), "a": file.create("a", ["AUTH_a"], now=T),
            "b": file.create("b", [], prefixes=["AUTH_b"], now=T), "nobody": file.create("nobody", ["AUTH_none"], now=T)}


@pytest.fixture
def client(engine: Engine, store_url: str, tokens: dict[str, str], tmp_path: Path) -> Client:
    """The service on it."""
    return Client(make(store_url, now=T + 3 * HOUR, auth=("tokens",), tokens_file=str(tmp_path / "tokens")))


def get(client: Client, token: str, path: str, asked: Mapping[str, str] | None, headers: Mapping[str, str] = {}) -> Any:
    return client.get(path, asked, headers={"X-Auth-Token": token, **headers})


def test_own_rows_in_every_form(client: Client, tokens: dict[str, str]) -> None:
    """Whatever is asked, a caller gets its own accounts, in every form, and names no other anywhere."""
    own = {"a": ["AUTH_a"], "b": ["AUTH_b", "AUTH_b-2"], "nobody": [], "operator": ["(unknown)", "AUTH_a", "AUTH_b", "AUTH_b-2"]}
    for who, names in own.items():
        begin_so = [name for name in names if name != "(unknown)"]
        for more in ({}, {"order": "-GET"}, {"granularity": "hour"}, {"account_prefix": "AUTH_"}):
            expected = begin_so if "account_prefix" in more else names
            for form in ("json", "xml", "csv", "ndjson", "focus"):
                answer = get(client, tokens[who], "/usage", {**ASK, **more, "format": form})
                assert answer.status_int == 200, answer.text
                assert set(re.findall(r"AUTH_[\w-]+|\(unknown\)", answer.text)) == set(expected), (who, more, form)
                if form == "csv":
                    rows = csv.DictReader(io.StringIO(answer.text, newline=""))
                    assert sorted(row["account"] for row in rows) == expected
        listed = json.loads(get(client, tokens[who], "/accounts", {"account_prefix": "AUTH_"}).body)["accounts"]
        assert [each["account"] for each in listed] == begin_so


def test_servers_of_own_accounts(client: Client, tokens: dict[str, str]) -> None:
    """By server a tenant's accounts are added up, and no others; the list of servers is an operator's."""
    for who, gets in (("a", 1), ("b", 110), ("operator", 1111)):
        found = json.loads(get(client, tokens[who], "/usage", {**ASK, "by": "server", "fields": "GET"}).body)["rows"]
        assert [(row["server"], row["GET"]) for row in found] == [("proxy-01", gets), ("proxy-03", gets)]
        assert get(client, tokens[who], "/servers", {}).status_int == (200 if who == "operator" else 403)
    assert json.loads(get(client, tokens["nobody"], "/usage", {**ASK, "by": "server"}).body)["rows"] == []
    twice = "/usage?begin=2012-10-22T08:00Z&end=2012-10-22T09:00Z&by=server&account=AUTH_b&account=AUTH_a&account_prefix=AUTH_b"
    assert [row["GET"] for row in json.loads(get(client, tokens["operator"], twice, None).body)["rows"]] == [111, 111]


def test_a_column_per_server_of_own_accounts(client: Client, tokens: dict[str, str]) -> None:
    """`t=json`, and by account and server in JSON, have a tenant's own accounts alone; the page of it is an operator's."""
    own = {"a": {"AUTH_a": 1}, "b": {"AUTH_b": 10, "AUTH_b-2": 100}, "nobody": {},
           "operator": {"(unknown)": 1000, "AUTH_a": 1, "AUTH_b": 10, "AUTH_b-2": 100}}
    for who, gets in own.items():
        found = json.loads(get(client, tokens[who], "/usage", {**ASK, "t": "json", "fields": "GET"}).body)
        assert [each["id"] for each in found["servers"]] == ["proxy-01", "proxy-03"]
        assert [(each["id"], each["usage"], each["total"]) for each in found["accounts"]] == [
            (name, {"proxy-01": number, "proxy-03": number}, 2 * number) for name, number in gets.items()]
        asked = {**ASK, "by": "account,server", "fields": "GET"}
        rows = json.loads(get(client, tokens[who], "/usage", asked).body)["rows"]
        assert [(row["account"], row["server"], row["GET"]) for row in rows] == [
            (name, server, number) for name, number in gets.items() for server in ("proxy-01", "proxy-03")]
        page = get(client, tokens[who], "/usage", asked, {"Accept": "text/html"})
        assert page.status_int == (200 if who == "operator" else 403)
        if who != "operator":
            assert set(re.findall(r"AUTH_[\w-]+", page.text)) <= {*gets, "AUTH_none"} and "proxy-" not in page.text
    refused = get(client, tokens["a"], "/usage", {**ASK, "t": "json", "account": "AUTH_b"})
    assert refused.status_int == 403 and "accounts" not in refused.text


def test_others_are_refused(client: Client, tokens: dict[str, str]) -> None:
    """An account by name that a caller may not read is 403, whether or not there is one, and nothing of it is said."""
    for name in ("AUTH_b", "b", "AUTH_never", "(unknown)"):
        for form in ("json", "csv", "xml", "ndjson", "focus"):
            answer = get(client, tokens["a"], "/usage", {**ASK, "account": name, "format": form})
            assert answer.status_int == 403
    both = client.get("/usage?begin=2012-10&account=AUTH_a&account=AUTH_b", headers={"X-Auth-Token": tokens["a"]})
    assert both.status_int == 403
    assert client.get("/usage", ASK).status_int == get(client, "0" * 64, "/usage", ASK).status_int == 401


def test_a_tag_is_of_who_may_read_what(client: Client, tokens: dict[str, str]) -> None:
    """What one caller has been answered does not stand for what another may read, with the same words."""
    for form in ("json", "csv"):
        tags = {who: get(client, token, "/usage", {**ASK, "format": form}).headers["ETag"] for who, token in tokens.items()}
        assert len(set(tags.values())) == len(tags)
        for who, token in tokens.items():
            for other, tag in tags.items():
                answer = get(client, token, "/usage", {**ASK, "format": form}, {"If-None-Match": tag})
                assert answer.status_int == (304 if who == other else 200)
