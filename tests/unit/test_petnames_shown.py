"""Petnames where usage is shown: beside the id, in each format, at once, and null where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Mapping

import pytest
from sqlalchemy import Engine

from swiftstats.store import engine as engines
from swiftstats.store import petnames
from tests.support.service import HOUR, Client, T, close, count, fresh, make, sqlite

ASK = {"begin": "2012-10-22 08:00:00", "end": "2012-10-22 09:00:00"}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = fresh(sqlite(tmp_path))
    writer = count(engine, get_count=3)
    count(engine, account=b"AUTH_b", get_count=4)
    close(engine, writer, through=T + HOUR)
    return engine


@pytest.fixture
def client(engine: Engine, tmp_path: Path) -> Client:
    return Client(make(sqlite(tmp_path)))


def name(engine: Engine, names: Mapping[bytes, str]) -> None:
    with engines.write(engine) as connection:
        petnames.put(connection, names)


def rows(client: Client, **more: str) -> dict[str, str | None]:
    answer = json.loads(client.get("/usage", {**ASK, **more}).body)
    return {row["account"]: row["petname"] for row in answer["rows"]}


def test_in_every_format(engine: Engine, client: Client) -> None:
    """A petname stands beside the id in JSON, CSV, NDJSON and XML, to the letter; who has none has null."""
    name(engine, {b"AUTH_7f6a": 'physics/<b>"R&D", 物理'})
    assert rows(client) == {"AUTH_7f6a": 'physics/<b>"R&D", 物理', "AUTH_b": None}
    assert 'AUTH_7f6a,"physics/<b>""R&D"", 物理",' in client.get("/usage", {**ASK, "format": "csv"}).text
    assert '"physics/<b>' not in client.get("/usage", {**ASK, "format": "xml"}).text
    lines = client.get("/usage", {**ASK, "format": "ndjson"}).text.splitlines()
    assert [json.loads(line)["petname"] for line in lines[:2]] == ['physics/<b>"R&D", 物理', None]
    listed = json.loads(client.get("/accounts").body)["accounts"]
    assert [each["petname"] for each in listed] == ['physics/<b>"R&D", 物理', None]


def test_a_running_service_shows_it_at_once(engine: Engine, client: Client) -> None:
    """A petname that is given, changed or taken away shows in the next answer, also where the range is final and cached."""
    answer = client.get("/usage", {**ASK, "fields": "GET"})
    tag = answer.headers["ETag"]
    assert client.get("/usage", {**ASK, "fields": "GET"}, headers={"If-None-Match": tag}).status_int == 304
    name(engine, {b"AUTH_7f6a": "Alice", b"AUTH_b": "Alice"})
    assert client.get("/usage", {**ASK, "fields": "GET"}, headers={"If-None-Match": tag}).status_int == 200
    assert rows(client) == {"AUTH_7f6a": "Alice", "AUTH_b": "Alice"}
    with engines.write(engine) as connection:
        petnames.remove(connection, [b"AUTH_b"])
    assert rows(client) == {"AUTH_7f6a": "Alice", "AUTH_b": None}
