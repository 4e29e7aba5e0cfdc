"""Tokens and passwords go to the address that is configured, and to no other: a redirect is an answer that will not do."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import pytest

from swiftstats.api.auth.caller import AuthAway
from swiftstats.api.auth.keystone import Guard
from swiftstats.api.auth.password import Passwords
from swiftstats.api.auth.swift import SwiftRule
from swiftstats.collect.account_names import OfFile
from swiftstats.collect.account_proxy import AccountProxy
from swiftstats.collect.credentials import Tokens, from_swift
from swiftstats.collect.keystone import Keystone
from swiftstats.errors import CrawlError, SwiftStatsError, Unread

#: A password, or a token.
SECRET = "hush-hush"
STATUSES = (301, 302, 303, 307, 308)


class Server(ThreadingHTTPServer):
    """Keeps what reaches it; answers with `status`, `location` and nothing else, or as in `bodies`, by method and path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.status, self.location = 200, ""
        self.bodies: dict[str, tuple[int, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append(f"{self.command} {self.path}\n{self.headers}\n{self.rfile.read(length).decode()}")
        status, found = self.server.bodies.get(f"{self.command} {self.path}", (self.server.status, None))
        body = b"" if found is None else json.dumps(found).encode()
        self.send_response(status)
        if self.server.location and found is None:
            self.send_header("Location", self.server.location + self.path)
        for name in ("X-Auth-Token", "X-Subject-Token"):
            self.send_header(name, "of-somebody-else")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Redirecting(NamedTuple):
    """The server that is configured, and the one to which it sends whoever asks."""

    configured: Server
    elsewhere: Server


@pytest.fixture
def servers() -> Iterator[Redirecting]:
    made = Redirecting(Server(), Server())
    threads = [threading.Thread(target=each.serve_forever, args=(0.01,)) for each in made]
    for thread in threads:
        thread.start()
    made.configured.location = made.elsewhere.url
    yield made
    for server, thread in zip(made, threads):
        server.shutdown()
        thread.join()
        server.server_close()


def section(url: str, folder: Path, version: str = "/v3") -> str:
    """Return a configuration with [keystone_authtoken]."""
    path = folder / "swiftstats.conf"
    path.write_text(f"[keystone_authtoken]\nwww_authenticate_uri = {url}/v3\nauth_url = {url}{version}\nauth_type = password\n"
                    f"username = swiftstats\npassword = {SECRET}\nproject_name = service\nuser_domain_name = Default\n"
                    "project_domain_name = Default\nhttp_request_max_retries = 0\n")
    return str(path)


def keystone(url: str, version: str = "/v3") -> Keystone:
    return Keystone(auth_url=url + version, username="crawler", password=SECRET, project_name="service",
                    user_domain_name="Default", project_domain_name="Default", timeout=20)


def proxy(url: str, folder: Path) -> AccountProxy:
    (folder / "names").write_text("AUTH_a\n")
    return AccountProxy(url=url, names=OfFile(str(folder / "names")), tokens=Tokens(lambda: SECRET))


def asked(url: str) -> dict[str, str]:
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/io_sum", "HTTP_X_AUTH_TOKEN": SECRET}


#: what is sent where: what sends it, and what it raises
SENDS: dict[str, tuple[Callable[[str, Path], Any], type[SwiftStatsError]]] = {
    "the key of Swift's own authentication": (lambda url, _: from_swift(url + "/auth/v1.0", "u", SECRET, timeout=20), CrawlError),
    "the crawler's password": (lambda url, _: keystone(url)(), CrawlError),
    "the crawler's password, for projects": (lambda url, _: list(keystone(url).projects()), CrawlError),
    "the crawler's token": (lambda url, folder: proxy(url, folder).read(b"AUTH_a"), Unread),
    "a person's password": (lambda url, folder: Passwords(section(url, folder)).token(
        user="alice", password=SECRET, project="lab"), AuthAway),
    "a token, to the cluster": (lambda url, _: SwiftRule(url, cache_seconds=60).caller(asked(url), [b"AUTH_a"]), AuthAway),
    "a token, and the service's password": (lambda url, folder: Guard(section(url, folder)).ask(asked(url)), AuthAway),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("what", list(SENDS))
def test_redirects_are_not_followed(servers: Redirecting, tmp_path: Path, what: str, status: int) -> None:
    """Nothing reaches another server than the configured one, whatever that one says; and the error holds nothing secret."""
    servers.configured.status = status
    send, raised = SENDS[what]
    with pytest.raises(raised) as caught:
        send(servers.configured.url, tmp_path)
    assert servers.configured.asked and servers.elsewhere.asked == []
    assert SECRET not in str(caught.value) and "of-somebody-else" not in str(caught.value)


def a_token(url: str) -> tuple[int, Any]:
    """Return what a Keystone at `url` answers to who logs in."""
    endpoint = {"interface": "public", "region": "R", "region_id": "R", "url": url + "/v3", "id": "e"}
    catalog = [{"type": "identity", "name": "keystone", "id": "k", "endpoints": [
        {**endpoint, "interface": interface} for interface in ("public", "internal", "admin")]}]
    return 201, {"token": {"methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z", "catalog": catalog,
                           "issued_at": "2020-01-01T00:00:00.000000Z", "user": {"id": "u", "name": "u"}, "roles": []}}


def versions(url: str) -> tuple[int, Any]:
    """Return a list of versions that says that Keystone is at `url`."""
    return 200, {"version": {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": url + "/v3/"}]}}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("what", ["the crawler's password, for projects", "a token, and the service's password"])
def test_nor_those_of_what_follows(servers: Redirecting, tmp_path: Path, what: str, status: int) -> None:
    """A Keystone that lets one log in, and then redirects, is not followed with the token that it gave, nor with a client's."""
    configured = servers.configured
    configured.status = status
    configured.bodies = {"POST /v3/auth/tokens": a_token(configured.url), "GET /v3": versions(configured.url)}
    send, raised = SENDS[what]
    with pytest.raises(raised):
        send(configured.url, tmp_path)
    assert len(configured.asked) > 1 and servers.elsewhere.asked == []


@pytest.mark.parametrize("version", ["/v3", "/v3/", "/", ""])
def test_a_list_of_versions_is_no_redirect(servers: Redirecting, tmp_path: Path, version: str) -> None:
    """A person's password, and the crawler's, go to the configured Keystone, wherever its list of versions says that it is."""
    configured = servers.configured
    configured.bodies = {"POST /v3/auth/tokens": a_token(servers.elsewhere.url), "GET /v3": versions(servers.elsewhere.url)}
    given = {"user": "alice", "password": SECRET, "project": "lab"}
    assert Passwords(section(configured.url, tmp_path, version)).token(**given) == "of-somebody-else"
    assert keystone(configured.url, version)() == "of-somebody-else"
    with pytest.raises(CrawlError):
        list(keystone(configured.url, version).projects())
    assert servers.elsewhere.asked == []
