"""The proxy method: what a proxy answers becomes a report or an unknown account; tokens are renewed, and never said."""

from __future__ import annotations

import http.server
import json
import logging
import socketserver
import threading
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

import pytest

from swiftstats import config
from swiftstats.collect.account_names import OfFile
from swiftstats.collect.account_proxy import REST, AccountProxy
from swiftstats.collect.credentials import Tokens, tokens_of
from swiftstats.errors import ConfigError, CrawlError, Unread
from swiftstats.store.space import PolicyFigures, Report

NOW = 1_700_000_000
#: What nobody may read in a log or a message.
SECRET = "hush-hush"


class Cloud:
    """A small proxy, v1 authentication and Keystone in one; tests set what it holds."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, dict[str, Any]] = {}
        self.tokens = 0
        self.good = ""
        self.autocreate = True
        self.page = 2
        self.requests: list[tuple[str, str]] = []
        self.drop = 0  #: so many requests are cut off without an answer
        #: Called before each page of a list of containers.
        self.before_page: Any = lambda: None

    def new_token(self) -> str:
        self.tokens += 1
        self.good = f"{SECRET}-{self.tokens}"
        return self.good


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def cloud(self) -> Cloud:
        return self.server.cloud  # type: ignore[attr-defined, no-any-return]

    def do_HEAD(self) -> None:
        self.cloud.requests.append((self.command, self.path))
        if self.cloud.drop:
            self.cloud.drop -= 1
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        if parts.path == "/auth/v1.0":
            good = self.headers["X-Auth-User"] == "admin:admin" and self.headers["X-Auth-Key"] == SECRET
            return self.answer(200, {"X-Auth-Token": self.cloud.new_token()}) if good else self.answer(401)
        if parts.path == "/info":
            return self.answer(200, body={"swift": {"policies": [{"name": "gold"}, {"name": "Silver-2"}]}})
        if self.headers["X-Auth-Token"] != self.cloud.good:
            return self.answer(401)
        account = self.cloud.accounts.get(unquote_to_bytes(parts.path[len("/v1/"):]))
        if account is None:
            zeros = {f"X-Account-{name}": "0" for name in ("Container-Count", "Object-Count", "Bytes-Used")}
            return self.answer(200, zeros) if self.cloud.autocreate else self.answer(404)
        if self.command == "HEAD" or account["status"] != 204:
            return self.answer(account["status"], account["headers"])
        self.cloud.before_page()
        marker = parse_qs(parts.query, keep_blank_values=True)["marker"][0]
        rows = [row for row in account["containers"] if row["name"] > marker][:self.cloud.page]
        return self.answer(200, account["headers"], rows)

    do_GET = do_HEAD

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.cloud.requests.append((self.command, self.path))
        user = asked["auth"]["identity"]["password"]["user"]
        if user != {"name": "swiftstats", "domain": {"name": "Default"}, "password": SECRET}:
            return self.answer(401, body={"error": {"code": 401, "message": "no", "title": "Unauthorized"}})
        assert asked["auth"]["scope"] == {"project": {"name": "service", "domain": {"name": "Default"}}}
        token = {"methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z", "issued_at": "2020-01-01T00:00:00.000000Z",
                 "user": {"id": "u", "name": "swiftstats", "domain": {"id": "default", "name": "Default"}}, "audit_ids": ["a"]}
        return self.answer(201, {"X-Subject-Token": self.cloud.new_token()}, {"token": token})

    def answer(self, status: int, headers: Any = None, body: Any = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        return


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without asking a name server
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]


@pytest.fixture
def served() -> Iterator[tuple[Cloud, str]]:
    made = Server(("127.0.0.1", 0), Handler)
    made.cloud = Cloud()  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made.cloud, f"http://127.0.0.1:{made.server_port}"  # type: ignore[attr-defined]
    made.shutdown()
    thread.join()
    made.server_close()


def figures(containers: object, objects: object, size: object, **policies: tuple[int, int, int]) -> dict[str, str]:
    """Return an account's headers, names of policies in the case that Swift sends them."""
    headers = {"X-Account-Container-Count": containers, "X-Account-Object-Count": objects, "X-Account-Bytes-Used": size}
    for name, values in policies.items():
        for what, value in zip(("Container-Count", "Object-Count", "Bytes-Used"), values):
            headers[f"X-Account-Storage-Policy-{name.title()}-{what}"] = value
    return {name: str(value) for name, value in headers.items()}


def method(served: tuple[Cloud, str], **given: Any) -> AccountProxy:
    cloud, url = served
    made = AccountProxy(**{"url": url, "names": Names([]), "tokens": Tokens(cloud.new_token), "clock": lambda: NOW,
                           "timeout": 20.0, **given})
    assert list(made.items()) == []  # asks for a token and the policies' names
    return made


class Names(list):  # type: ignore[type-arg]
    """A list of names for the method."""

    def share(self) -> float | None:
        return None


def test_an_account_that_exists_is_read(served: Any) -> None:
    """A 204 is an active account with the figures of its headers, policies under their real names."""
    served[0].accounts['AUTH_a,"b"\nü'.encode()] = {"status": 204, "headers": figures(
        3, 10**12, 2**63 - 1, gold=(1, 2, 3), **{"silver-2": (2, 10**12 - 2, 2**63 - 4)})}
    report = method(served).read('AUTH_a,"b"\nü'.encode())
    assert report == Report('AUTH_a,"b"\nü'.encode(), "proxy", 0, NOW, "active", 3, 10**12, 2**63 - 1, (
        PolicyFigures("Silver-2", 2, 10**12 - 2, 2**63 - 4), PolicyFigures("gold", 1, 2, 3)))


def test_policies_add_up_to_the_account(served: Any) -> None:
    """Where a server leaves out a policy that its swift.conf does not know, the account's figures stand without a split."""
    served[0].accounts[b"AUTH_x"] = {"status": 204, "headers": figures(3, 10, 20, gold=(2, 9, 20))}
    assert method(served).read(b"AUTH_x") == Report(b"AUTH_x", "proxy", 0, NOW, "active", 3, 10, 20)


@pytest.mark.parametrize(("autocreate", "status", "expected"), [
    (True, None, "missing"), (False, None, "missing"), (True, 410, "deleted"), (True, 204, "active")])
def test_existing_is_told_from_never_existing(served: Any, autocreate: bool, status: int | None, expected: str) -> None:
    """200 with zeros (account_autocreate) and 404 are an account that never was, 410 one that was deleted, 204 an empty one."""
    served[0].autocreate = autocreate
    if status:
        served[0].accounts[b"AUTH_x"] = {"status": status, "headers": figures(0, 0, 0)}
    report = method(served).read(b"AUTH_x")
    assert (report.status, report.containers, report.objects, report.bytes) == (expected, 0, 0, 0)


@pytest.mark.parametrize("given", [
    (3, 5, 1.8446744073709552e19), (3, 5, 2**63), (3, 5, 10 * 2**60), (-1, 5, 0), (3, "", 0), (3, "1e3", 0)])
def test_what_is_no_whole_number_is_put_aside_by_name(served: Any, given: tuple[Any, Any, Any]) -> None:
    """A float, or more than 2^63-1, is unknown and named; it is not asked for again, and never rounded."""
    served[0].accounts[b"AUTH_big"] = {"status": 204, "headers": figures(*given)}
    with pytest.raises(Unread, match="AUTH_big: put aside") as caught:
        method(served).read(b"AUTH_big")
    assert caught.value.lasting


@pytest.mark.parametrize("status", [403, 500, 503, 507])
def test_a_refusal_is_an_unknown_account(served: Any, status: int) -> None:
    """Whatever else the proxy answers makes that account unknown, to be tried again, but where credentials may not read it."""
    served[0].accounts[b"AUTH_x"] = {"status": status, "headers": {}}
    with pytest.raises(Unread, match=str(status)) as caught:
        method(served).read(b"AUTH_x")
    assert (caught.value.lasting, caught.value.account) == (status == 403, b"AUTH_x")


def test_a_refused_token_is_renewed_once(served: Any) -> None:
    """A token that has expired is replaced, and the account asked again; one that is refused at once ends the crawl."""
    cloud, _ = served
    cloud.accounts[b"AUTH_x"] = {"status": 204, "headers": figures(1, 2, 3)}
    tokens = Tokens(cloud.new_token)
    asked = method(served, tokens=tokens)
    cloud.good = "another"
    assert asked.read(b"AUTH_x").bytes == 3 and cloud.tokens == 2
    stale = method(served, tokens=Tokens(lambda: "stale"))
    with pytest.raises(CrawlError, match="refuses the token") as caught:
        stale.read(b"AUTH_x")
    assert not isinstance(caught.value, Unread)


def test_a_connection_that_was_closed_is_opened_again(served: Any) -> None:
    """A server may close what it kept open: the request is sent again; where a fresh one fails too, the account is unknown."""
    cloud, _ = served
    cloud.accounts[b"AUTH_x"] = {"status": 204, "headers": figures(1, 2, 3)}
    asked = method(served)
    assert asked.read(b"AUTH_x").bytes == 3
    cloud.drop = 1
    assert asked.read(b"AUTH_x").bytes == 3
    cloud.drop = 2
    with pytest.raises(Unread, match="AUTH_x: the proxy does not answer"):
        asked.read(b"AUTH_x")
    assert asked.read(b"AUTH_x").bytes == 3


CONTAINERS = [{"name": "a", "count": 1, "bytes": 10}, {"name": "b,ü", "count": 2, "bytes": 20},
              {"name": "c", "count": 3, "bytes": 30}]


@pytest.mark.parametrize(("bound", "given", "expected"), [
    (10, (3, 6, 60), [(b"a", 1, 10), ("b,ü".encode(), 2, 20), (b"c", 3, 30)]),
    (2, (3, 6, 60), [(b"a", 1, 10), ("b,ü".encode(), 2, 20), (REST, 3, 30)]),
    (0, (3, 6, 60), [(REST, 6, 60)]),
    (10, (4, 8, 60), [(b"a", 1, 10), ("b,ü".encode(), 2, 20), (b"c", 3, 30), (REST, 2, 0)]),
    (10, (3, 5, 60), None), (10, (2, 6, 60), None),
])
def test_containers_add_up_to_the_account(served: Any, bound: int, given: Any, expected: Any) -> None:
    """All pages are listed; what has no row is a row of its own; a list that is more than the account is not kept."""
    served[0].accounts[b"AUTH_x"] = {"status": 204, "headers": figures(*given), "containers": CONTAINERS}
    report = method(served, containers=True, max_containers=bound).read(b"AUTH_x")
    assert (report.containers, report.objects, report.bytes) == given
    assert report.containers_by_name == (None if expected is None else tuple(expected))


def test_an_account_that_changes_while_it_is_listed_is_listed_again(served: Any) -> None:
    """A list stands only with the figures that the account had before and after it."""
    cloud, _ = served
    account = cloud.accounts[b"AUTH_x"] = {"status": 204, "headers": figures(3, 6, 60), "containers": CONTAINERS}
    changes = iter([figures(4, 7, 61)])

    def change() -> None:
        headers = next(changes, None)
        if headers:
            account.update(headers=headers, containers=[*CONTAINERS, {"name": "d", "count": 1, "bytes": 1}])

    cloud.before_page = change
    report = method(served, containers=True).read(b"AUTH_x")
    assert (report.containers, report.bytes) == (4, 61) and report.containers_by_name is not None
    assert sum(row[2] for row in report.containers_by_name) == 61


def test_the_file_of_accounts(tmp_path: Path) -> None:
    """Names are a line each, percent-encoded; what is none is named by its line, and the others are read."""
    path = tmp_path / "accounts"
    path.write_bytes(b"# comment\n\nAUTH_a\nAUTH_%C3%BC%0A%25 \r\nAUTH_%\nAUTH_%00\na/b\n" + b"x" * 257 + b"\n%23x")
    names = OfFile(str(path))
    found = list(names)
    assert [each for each in found if isinstance(each, bytes)] == [b"AUTH_a", "AUTH_ü\n%".encode(), b"#x"]
    refused = [each for each in found if isinstance(each, Unread)]
    assert [each.subject.rpartition(" ")[2] for each in refused] == ["5", "6", "7", "8"] and all(each.lasting for each in refused)
    assert names.share() == 1
    with pytest.raises(CrawlError, match="cannot be read"):
        list(OfFile(str(tmp_path / "none")))


def settings(tmp_path: Path, url: str, **given: str) -> config.Config:
    path = tmp_path / "swiftstats.conf"
    path.write_text("[space]\nmethod = proxy\ntimeout = 20\n" + "".join(f"{name} = {value}\n" for name, value in given.items()))
    return config.load(str(path))


def test_tokens_of_a_file(served: Any, tmp_path: Path) -> None:
    """A token is read from its file, and again when it is refused; a file that holds none is an error without its content."""
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{SECRET}\n")
    tokens = tokens_of(settings(tmp_path, served[1], token_file=str(path)))
    assert tokens.current() == SECRET
    path.write_text("another")
    assert (tokens.current(), tokens.renew(SECRET), tokens.renew(SECRET)) == (SECRET, "another", "another")
    for content in ("", f"{SECRET} {SECRET}"):
        path.write_text(content)
        with pytest.raises(CrawlError, match="holds no token") as caught:
            tokens.renew("another")
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A token that reads every account is taken from a file of its owner's alone; the message says what to do."""
    path = tmp_path / "token"
    path.write_text(SECRET)
    path.chmod(mode)
    tokens = tokens_of(settings(tmp_path, "", token_file=str(path)))
    with pytest.raises(CrawlError, match=f"mode 0{mode:o} lets others at the token: chmod 600 {path}") as caught:
        tokens.current()
    assert SECRET not in str(caught.value)
    path.chmod(0o400)
    assert tokens.current() == SECRET


def test_tokens_of_swift(served: Any, tmp_path: Path) -> None:
    """Swift's v1 authentication gives a token for user and key; its refusal is an error that does not show the key."""
    given = {"auth_url": served[1] + "/auth/v1.0", "auth_user": "admin:admin"}
    tokens = tokens_of(settings(tmp_path, served[1], auth_key=SECRET, **given))
    assert tokens.current() == served[0].good
    assert tokens.renew(served[0].good) == served[0].good and served[0].tokens == 2
    for key in ("wrong", "ключ" + SECRET):
        with pytest.raises(CrawlError, match="401") as caught:
            tokens_of(settings(tmp_path, served[1], auth_key=key, **given)).current()
        assert SECRET not in str(caught.value)


def test_tokens_of_keystone(served: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """keystoneauth's session gets a token of a project, and a new one when it is refused; nothing secret is said."""
    caplog.set_level(logging.INFO)
    given = {"os_auth_url": served[1] + "/v3", "os_username": "swiftstats", "os_project_name": "service"}
    tokens = tokens_of(settings(tmp_path, served[1], os_password=SECRET, **given))
    first = tokens.current()
    assert first == tokens.current() == served[0].good and served[0].tokens == 1
    assert tokens.renew(first) == served[0].good != first
    with pytest.raises(CrawlError, match="gives no token: Unauthorized") as caught:
        tokens_of(settings(tmp_path, served[1], os_password=SECRET + "x", **given)).current()
    assert SECRET not in str(caught.value) + caplog.text


def test_keystone_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where keystoneauth is not installed, the message names the extra; nothing else needs it."""
    import sys

    monkeypatch.setitem(sys.modules, "keystoneauth1", None)
    given = {"os_auth_url": "http://127.0.0.1:1/v3", "os_username": "u", "os_password": "p", "os_project_name": "service"}
    with pytest.raises(ConfigError, match=r"pip install 'swiftstats\[keystone\]'"):
        tokens_of(settings(tmp_path, "", **given))


def test_credentials_are_needed(tmp_path: Path) -> None:
    """Without credentials, or with half of them, the crawler refuses to start and names the options."""
    with pytest.raises(ConfigError, match="token_file, or auth_url"):
        tokens_of(settings(tmp_path, ""))
    with pytest.raises(ConfigError, match="auth_key"):
        tokens_of(settings(tmp_path, "", auth_url="http://127.0.0.1:1/", auth_user="u"))
    with pytest.raises(ConfigError, match="proxy_url"):
        AccountProxy(url="ftp://x", names=Names([]), tokens=Tokens(lambda: ""))
