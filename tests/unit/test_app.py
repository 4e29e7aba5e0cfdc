"""The service's application: routes, methods, formats, errors, and who may ask."""

from __future__ import annotations

import json
import logging
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Iterator

import pytest
from sqlalchemy import text

from swiftstats.api import routes
from swiftstats.api.app import app_factory
from swiftstats.api.auth.tokens import TokensFile
from swiftstats.errors import ConfigError, DatabaseAway, DatabaseBusy, SchemaError
from swiftstats.query import io
from swiftstats.store import engine as engines
from swiftstats.store import schema
from tests.support.service import HOUR, RANGE, Client, T, close, count, fresh, make, sqlite

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An SQLite database with one hour of one account, closed."""
    url = sqlite(tmp_path)
    engine = fresh(url)
    close(engine, count(engine, get_count=3, passed_out=2**62), through=T + 2 * HOUR)
    return url


@pytest.fixture
def client(url: str) -> Client:
    return Client(make(url))


def test_ways_to_ask(client: Client) -> None:
    """URL with either separator, headers, X-Query-Method, a form, and a mixture of them give the same answer."""
    asked = client.get("/io_sum", RANGE).body
    assert json.loads(asked)[1]["GET"] == 3
    query = "account_id=7f6a;begin_time=2012-10-22%2008:00:00;end_time=2012-10-22+10:00:00;format=json"
    headers = {"X-Account-Id": "7f6a", "X-Begin-Time": "2012-10-22 08:00:00", "X-End-Time": "2012-10-22T10:00:00Z"}
    by_name = {"X-Query-Method": "io_sum"}
    for answer in (
        client.get("/io_sum?" + query), client.get("/io_sum?" + query.replace(";", "&")), client.get("/io_sum", headers=headers),
        client.get("/", headers={**headers, **by_name}), client.get("", headers={**headers, **by_name}),
        client.get("/io_sum", method="POST", body=query.encode(), content_type=FORM),
        client.get("/", method="POST", body=query.encode(), content_type=FORM, headers=by_name),
        client.get("/io_sum", method="POST", headers=headers),
        client.get("/io_sum?account_id=7f6a", headers={**headers, "X-Account-Id": "other"}),
    ):
        assert (answer.status_int, answer.body) == (200, asked)


def test_content_types(client: Client) -> None:
    """Each format has its own type, in answers as in errors, and completeness in CSV's headers."""
    for form, content_type in (("json", "application/json"), ("xml", "application/xml"), ("csv", "text/csv")):
        for path in ("/io_sum", "/io_detail"):
            answer = client.get(path, {**RANGE, "format": form})
            assert (answer.status_int, answer.headers["Content-Type"]) == (200, content_type)
            refused = client.get(path, {"format": form})
            assert (refused.status_int, refused.headers["Content-Type"]) == (400, content_type)
            assert ("X-Complete-Through" in answer.headers) is (form == "csv")


def test_accept(client: Client) -> None:
    """Accept chooses the format; one that nothing satisfies is 406, said in JSON, unless a format is named."""
    browser = "text/html, application/xml;q=0.9, */*;q=0.8"
    assert client.get("/io_sum", RANGE, headers={"Accept": browser}).content_type == "application/xml"
    refused = client.get("/io_sum", RANGE, headers={"Accept": "image/png"})
    assert (refused.status_int, refused.content_type) == (406, "application/json")
    assert client.get("/io_sum", {**RANGE, "format": "csv"}, headers={"Accept": "image/png"}).status_int == 200


def test_every_fault(client: Client) -> None:
    """A request with several faults hears of all of them."""
    found = client.faults("/io_detail?account_id=a;account_id=b;end_time=2012-10-22+08:30:00;format=yaml")
    assert {each["parameter"] for each in found} == {"account_id", "begin_time", "end_time", "format"}
    assert set(found[0]) == {"parameter", "value", "expected"}


def test_detail_is_bounded(client: Client) -> None:
    """A detail spans at most max_periods, a sum whatever is asked."""
    assert client.faults("/io_detail", {**RANGE, "end_time": "2022-10-22 08:00:00"})[0]["parameter"] == "end_time"
    assert client.json("/io_sum", end_time="9999-12-31 23:00:00", begin_time="1970-01-01 00:00:00")[1]["GET"] == 3


@pytest.mark.parametrize(("method", "path", "allow"), [
    ("DELETE", "/io_sum", "GET, HEAD, POST"), ("OPTIONS", "/io_detail", "GET, HEAD, POST"), ("PUT", "/", "GET, HEAD, POST"),
    ("POST", "/version", "GET, HEAD"), ("get", "/io_sum", "GET, HEAD, POST"),
])
def test_methods(client: Client, method: str, path: str, allow: str) -> None:
    """Any other method is 405, and Allow says which would do."""
    answer = client.get(path, method=method)
    assert (answer.status_int, answer.headers["Allow"]) == (405, allow)


def test_paths(client: Client) -> None:
    """An unknown path is 404, in the format that was asked for."""
    for path in ("/nope", "/io_sum/", "/io_sum/x", "//io_sum", "/%ff"):
        assert client.get(path).status_int == 404
    root = ElementTree.fromstring(client.get("/nope", {"format": "xml"}).body)
    assert [root.tag, root[0].text, root[2].get("value")] == ["error", "404", "/nope"]


def test_root(client: Client) -> None:
    """The root lists versions and routes, and sends browsers to the first page; an unknown query, or a POST without one: 400."""
    listed = json.loads(client.get("/").body)
    assert listed["queries"] == ["io_sum", "io_detail", "space_sum", "space_detail"]
    assert listed["versions"][0]["status"] == "current"
    assert [route["path"] for route in listed["routes"]] == [route.path for route in routes.ROUTES]
    page = client.get("/", headers={"Accept": "text/html"})
    assert (page.status_int, page.headers["Location"]) == (303, "/usage")
    for request in ({"headers": {"X-Query-Method": "io_everything"}}, {"method": "POST"}):
        assert client.faults("/", None, **request)[0]["parameter"] == "X-Query-Method"


def test_bodies(client: Client) -> None:
    """A body that is no form is 415, one that is too long 413."""
    assert client.get("/io_sum", method="POST", body=b"{}", content_type="application/json").status_int == 415
    assert client.get("/io_sum", method="POST", body=b"a" * 65537, content_type=FORM).status_int == 413


@pytest.mark.parametrize("path", ["/io_sum", "/io_detail", "/space_sum", "/space_detail", "/", "/version", "/healthcheck", "/no"])
def test_head(client: Client, path: str) -> None:
    """HEAD answers with GET's status, type and length, and no body."""
    head, got = client.get(path, {**RANGE, "format": "csv"}, method="HEAD"), client.get(path, {**RANGE, "format": "csv"})
    assert head.body == b"" and head.status == got.status and int(head.headers["Content-Length"]) == len(got.body)
    assert set(got.headers.items()) <= set(head.headers.items())


def test_without_a_token(url: str, tmp_path: Path) -> None:
    """Health and version need no token; every query does, and says how to bring one."""
    token = TokensFile(str(tmp_path / "tokens")).create("tenant", ["AUTH_7f6a"], now=T)
    client = Client(make(url, auth=("tokens",), tokens_file=str(tmp_path / "tokens")))
    assert client.get("/healthcheck").text == "OK"
    assert json.loads(client.get("/version").body)["schema"] == schema.REVISION
    for query in ("/io_sum", "/io_detail", "/space_sum", "/space_detail"):
        refused = client.get(query, RANGE)
        assert refused.status_int == 401 and refused.headers["WWW-Authenticate"]
        assert client.get(query, RANGE, headers={"X-Auth-Token": token}).status_int == 200
        other = client.get(query, {**RANGE, "account_id": "other"}, headers={"X-Auth-Token": token})
        assert other.status_int == 403 and json.loads(other.body)["error"]["faults"][0]["value"] == "other"


def test_answers_are_private(client: Client) -> None:
    """No shared cache may keep an answer, for it belongs to a token."""
    for path in ("/io_sum", "/io_detail", "/nope"):
        assert client.get(path, RANGE).headers["Cache-Control"] == "private, no-cache"


def test_tokens_are_never_shown(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an answer nor the log has a token in it, good, bad or where it does not belong."""
    caplog.set_level(logging.DEBUG)
    token = TokensFile(str(tmp_path / "tokens")).create("tenant", ["AUTH_a"], now=T)
    client = Client(make(url, auth=("tokens", "swift"), tokens_file=str(tmp_path / "tokens"), swift_url="http://127.0.0.1:9"))
    said = ""
    for sent in (token, "bad-" + token):
        for form in ("json", "xml", "csv"):
            for path in ("/io_sum", "/io_detail", "/nope"):
                answer = client.get(path, {**RANGE, "format": form}, headers={"X-Auth-Token": sent})
                said += answer.text + repr(answer.headers)
    assert token not in said + caplog.text and "503" in said


@pytest.mark.parametrize(("error", "retry"), [(DatabaseAway("db"), "10"), (DatabaseBusy("db"), "1"), (SchemaError("db"), "60")])
def test_database_errors(client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, retry: str) -> None:
    """With the database away, busy or of another version the answer is 503, and says when to come again."""
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(io.usage, "total", fail)
    monkeypatch.setattr(io.usage, "hours", fail)
    for path in ("/io_sum", "/io_detail"):
        answer = client.get(path, RANGE)
        assert (answer.status_int, answer.headers["Retry-After"]) == (503, retry)
        assert "db" not in answer.text


def test_bugs(client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is 500 in the format that was asked for, with the traceback in the log alone."""
    def fail(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM accounts")

    monkeypatch.setattr(io.usage, "total", fail)
    answer = client.get("/io_sum", {**RANGE, "format": "xml"})
    assert (answer.status_int, answer.content_type) == (500, "application/xml")
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert "Traceback" in caplog.text


def test_cut_half_way(client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """When the database goes away in the middle of a detail, the body raises instead of ending."""
    def rows(*_: object) -> Iterator[Any]:
        for hour in range(500):
            yield T + hour * HOUR, (1,) * 14
        raise DatabaseAway("gone")

    monkeypatch.setattr(io.usage, "hours", rows)
    answer = client.get("/io_detail", {**RANGE, "end_time": "2012-12-22 08:00:00"})
    assert answer.status_int == 200
    with pytest.raises(DatabaseAway):
        list(answer.app_iter)
    assert "cut off half-way" in caplog.text


def test_unread_answers_end_their_snapshot(url: str) -> None:
    """A client that goes away in the middle leaves no connection behind."""
    app = make(url)
    for _ in range(100):
        answer = Client(app).get("/io_detail", {**RANGE, "end_time": "2013-10-22 08:00:00"})
        next(iter(answer.app_iter))
        answer.app_iter.close()
    assert app.service.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_schema(tmp_path: Path) -> None:
    """A database without our schema, or with a newer one, refuses to start."""
    url = sqlite(tmp_path)
    with pytest.raises(SchemaError, match="swiftstats migrate"):
        make(url)
    engine = fresh(url)
    with engines.write(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="newer"):
        make(url)


def test_starts_without_the_database(caplog: pytest.LogCaptureFixture) -> None:
    """With the database away the service starts, answers 503, and is healthy itself."""
    client = Client(make("mysql+pymysql://u:secret@127.0.0.1:9/x"))
    assert "answering 503" in caplog.text and "secret" not in caplog.text
    answer = client.get("/io_sum", RANGE)
    assert (answer.status_int, answer.headers["Retry-After"]) == (503, "10")
    assert client.get("/healthcheck").text == "OK"
    assert json.loads(client.get("/version").body)["schema"] is None


def test_factory(url: str, tmp_path: Path) -> None:
    """PasteDeploy's factory takes a file, options inline, or both; without auth it refuses."""
    file = tmp_path / "swiftstats.conf"
    file.write_text(f"[DEFAULT]\ndatabase = {url}\n[api]\nauth = none\n")
    for app in (
        app_factory({}, config=str(file), allow_anonymous="yes"), app_factory({"config": str(file)}, allow_anonymous="yes"),
        app_factory({}, database=url, auth="none", allow_anonymous="yes"),
    ):
        assert Client(app).get("/io_sum", RANGE).status_int == 200
    for options in ({"config": str(file)}, {"database": url}, {"database": url, "auth": "none"}, {"nonsense": "1"}):
        with pytest.raises(ConfigError):
            app_factory({}, **options)
