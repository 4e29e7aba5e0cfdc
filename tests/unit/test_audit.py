"""The audit log: who was refused what, who read everything, and nothing that anybody else wrote."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple
from urllib.parse import urlencode

import pytest
from webob import Request, Response

from swiftstats.api import audit
from swiftstats.api.auth.tokens import TokensFile
from tests.support.service import HOUR, RANGE, Client, T, close, count, fresh, make, sqlite


class Operator(NamedTuple):
    """A client of a service; `token` may read every account, `own` AUTH_a."""

    client: Client
    token: str
    own: str

    def request(self, path: str, given: Mapping[str, str], **more: Any) -> Request:
        return Request.blank(f"{path}?{urlencode(given)}", headers={"X-Auth-Token": self.token},
                             environ={"REMOTE_ADDR": "192.0.2.1"}, **more)

    def get(self, path: str, given: Mapping[str, str], *, token: str | None = "", headers: Mapping[str, str] | None = None,
            **more: Any) -> Response:
        """Send a request, with the operator's token where no other is given."""
        sent = {} if token is None else {"X-Auth-Token": token or self.token}
        answer = self.client.get(path, given, headers={**sent, **(headers or {})}, environ={"REMOTE_ADDR": "192.0.2.1"}, **more)
        assert answer.body or more.get("method") == "HEAD" or answer.status_int in (303, 304)  # read to its end, and closed
        return answer

    def page(self, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
        """Send what a browser does."""
        return self.get(path, {}, headers={"Accept": "text/html", **(headers or {})}, **more)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "swiftstats.audit"]


def test_refusals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each refusal is one line: status, who, from where, what; a read of one's own is none, and no line holds a token."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    fresh(sqlite(tmp_path))
    token = TokensFile(str(tmp_path / "tokens")).create("alice", ["AUTH_7f6a"], now=T)
    client = Client(make(sqlite(tmp_path), auth=("tokens",), tokens_file=str(tmp_path / "tokens")))
    client.get("/io_sum", RANGE, headers={"X-Auth-Token": token})
    client.get("/io_sum", RANGE, headers={"X-Auth-Token": "secret-garbage"}, environ={"REMOTE_ADDR": "192.0.2.1"})
    client.get("/space_sum", {**RANGE, "account_id": "b\nread who=root"}, headers={"X-Auth-Token": token},
               environ={"REMOTE_ADDR": "192.0.2.1"})
    client.get("/nope")
    assert lines(caplog) == [
        "refused status=401 who=- address=192.0.2.1 request=GET%20/io_sum",
        "refused status=403 who=tokens:alice address=192.0.2.1 request=GET%20/space_sum asked=b%0Aread%20who%3Droot",
    ]
    assert token not in caplog.text and "secret-garbage" not in caplog.text


@pytest.fixture
def operator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Operator]:
    """An operator, a tenant, and two accounts in an hour that is complete."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    engine = fresh(sqlite(tmp_path))
    writer = [count(engine, account=name, get_count=3) for name in (b"AUTH_a", b"AUTH_b")][0]
    close(engine, writer, through=T + HOUR)
    engine.dispose()
    file = TokensFile(str(tmp_path / "tokens"))
    all_token, own = file.create("billing", None, now=T), file.create("alice", ["AUTH_a"], now=T)
    app = make(sqlite(tmp_path), auth=("tokens",), tokens_file=file.path, metrics_accounts=5)
    yield Operator(Client(app), all_token, own)
    assert all_token not in caplog.text and own not in caplog.text


def said(request: str, rows: int, span: str = " begin=2012-10-22T08:00:00Z end=2012-10-22T09:00:00Z") -> str:
    return f"read who=tokens:billing address=192.0.2.1 request={request}{span} rows={rows}"


MANY = {"begin": "2012-10-22T08:00:00Z", "end": "2012-10-22T09:00:00Z"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "given", "rows"), [
    *(("/usage", {**MANY, "format": form}, 2) for form in ("json", "xml", "csv", "ndjson", "focus", "html")),
    ("/usage", {**MANY, "format": "json", "limit": "1"}, 1), ("/usage", {**MANY, "order": "-GET", "limit": "1"}, 1),
    *(("/accounts", {"format": form}, 2) for form in ("json", "xml", "csv", "ndjson")), ("/accounts", {"limit": "1"}, 1),
    ("/status", {}, 2), ("/metrics", {}, 2)])
def test_reads_of_every_account(operator: Operator, caplog: pytest.LogCaptureFixture, method: str, path: str,
                                given: dict[str, str], rows: int) -> None:
    """Whatever shows every account leaves one line when it has gone: who, which range, how many rows; a tenant's own none."""
    span = {"/accounts": ""}.get(path)
    assert operator.get(path, given, method=method).status_int == 200
    assert lines(caplog) == [said(f"{method}%20{path}", rows, *([] if span is None else [span]))]
    caplog.clear()
    operator.get(path, given, method=method, token=operator.own)
    assert not [line for line in lines(caplog) if line.startswith("read")]


def test_a_read_of_what_the_client_has(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    """304 is a read too: who has a table and asks whether it still holds learns that it does. No row was sent."""
    for form in ("json", "csv", "ndjson"):
        tag = operator.get("/usage", {**MANY, "format": form}).headers["ETag"]
        caplog.clear()
        assert operator.get("/usage", {**MANY, "format": form}, headers={"If-None-Match": tag}).status_int == 304
        assert lines(caplog) == [said("GET%20/usage", 0)]


def test_a_read_that_was_cut_off(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes away leaves one line, with as many rows as went."""
    request = operator.request("/usage", {**MANY, "format": "ndjson"})
    chunks = request.call_application(operator.client.app)[2]
    reader = iter(chunks)
    next(reader)
    assert lines(caplog) == []
    reader.close()
    chunks.close()
    (line,) = lines(caplog)
    assert line.startswith("read who=tokens:billing") and int(line.rpartition("=")[2]) <= 2


def test_what_names_no_account_is_no_read_of_all(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    """What an operator alone may read, and names no account, leaves no line."""
    for path in ("/servers", "/fields", "/healthcheck", "/version", "/servers/proxy-01"):
        assert operator.get(path, {}).status_int == 200
    assert lines(caplog) == []


def test_refusals_by_pages(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    """Pages leave a line for each refusal too: an unknown token, a cookie that is none, one who may not, another site's form."""
    for path in ("/", "/usage", "/accounts/AUTH_a", "/status", "/servers/proxy-01"):
        assert operator.page(path, token="secret-garbage").status_int == 303
    assert operator.page("/usage", token=None, headers={"Cookie": "swiftstats=secret-cookie"}).status_int == 303
    assert operator.page("/status", token=operator.own).status_int == 403
    for path in ("/login", "/logout"):
        assert operator.page(path, method="POST", headers={"Sec-Fetch-Site": "cross-site"}, token=None).status_int == 403
    assert operator.page("/login", method="POST", token=None, POST={"token": "secret-garbage"}).status_int == 403
    assert lines(caplog) == [
        *(f"refused status=303 who=- address=192.0.2.1 request=GET%20{path}"
          for path in ("/", "/usage", "/accounts/AUTH_a", "/status", "/servers/proxy-01", "/usage")),
        "refused status=403 who=tokens:alice address=192.0.2.1 request=GET%20/status asked=/status",
        *(f"refused status=403 who=- address=192.0.2.1 request=POST%20{path}" for path in ("/login", "/logout", "/login")),
    ]
    assert "secret" not in caplog.text


def test_the_address_behind_a_proxy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Lines name the client, and not the trusted proxy before the service, whichever way a request was refused."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    fresh(sqlite(tmp_path))
    TokensFile(str(tmp_path / "tokens")).create("billing", None, now=T)
    client = Client(make(sqlite(tmp_path), auth=("tokens",), tokens_file=str(tmp_path / "tokens"), trusted_proxies=("10.0.0.1",)))
    for path, more in (("/usage", {}), ("/login", {"method": "POST"}), ("/logout", {"method": "POST"})):
        client.get(path, headers={"Accept": "text/html", "X-Forwarded-For": "203.0.113.9", "Sec-Fetch-Site": "cross-site"},
                   environ={"REMOTE_ADDR": "10.0.0.1"}, **more)
    assert len(lines(caplog)) == 3 and all(" address=203.0.113.9 " in line for line in lines(caplog))


def test_reads(caplog: pytest.LogCaptureFixture) -> None:
    """A read of every account says who, which range, and how many rows."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    audit.read({"REMOTE_ADDR": "192.0.2.1", "REQUEST_METHOD": "GET", "PATH_INFO": "/usage"}, begin=T, end=T + 3600, rows=41)
    assert lines(caplog) == ["read who=- address=192.0.2.1 request=GET%20/usage begin=2012-10-22T08:00:00Z "
                             "end=2012-10-22T09:00:00Z rows=41"]


def test_a_long_value_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody fills the log with one request."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    audit.refused({"REQUEST_METHOD": "GET", "PATH_INFO": "/" + "x" * 10_000}, 401, "y" * 10_000)
    assert len(lines(caplog)[0]) < 1000
