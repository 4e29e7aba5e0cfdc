"""Who may ask: the cluster's word on a token, rules together, and what refuses to start."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Iterator

import pytest

from swiftstats.api.auth import rules
from swiftstats.api.auth.caller import AccountNeeded, AuthAway, Forbidden, Scope, Unauthenticated, digest_of
from swiftstats.api.auth.swift import SwiftRule, Verdict
from swiftstats.api.auth.tokens import TokensFile
from swiftstats.config import Config
from swiftstats.errors import ConfigError


class Proxy(ThreadingHTTPServer):
    """A small proxy: the token is the status that it answers with; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_HEAD(self) -> None:
        token = self.headers.get("X-Auth-Token")
        self.server.asked.append((self.command, self.path, token))
        status = (token or "401").split("-")[0]
        self.send_response(int(status) if status.isdigit() else 401)
        self.send_header("Location", self.server.url + "/v1/AUTH_elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def judged(rule: SwiftRule, token: str, account: bytes = b"AUTH_a") -> Verdict:
    found = rule.caller({"HTTP_X_AUTH_TOKEN": token}, [account])
    if found is None:
        return Verdict.UNKNOWN
    return Verdict.YES if found.scope == Scope(accounts=(account,)) else Verdict.NO


@pytest.mark.parametrize(("status", "verdict"), [
    ("200", Verdict.YES), ("204", Verdict.YES), ("401", Verdict.UNKNOWN), ("403", Verdict.NO), ("404", Verdict.NO),
    ("410", Verdict.NO), ("412", Verdict.NO),
])
def test_only_2xx_is_yes(proxy: Proxy, status: str, verdict: Verdict) -> None:
    """The cluster's 2xx on the account is a yes, and nothing else is."""
    assert judged(SwiftRule(proxy.url, cache_seconds=60), status) is verdict
    assert proxy.asked == [("HEAD", "/v1/AUTH_a", status)]


@pytest.mark.parametrize("status", ["301", "302", "307", "498", "429", "408", "500", "503"])
def test_neither_yes_nor_no(proxy: Proxy, status: str) -> None:
    """Redirects are not followed, and trouble of the cluster is neither yes nor no, nor kept."""
    rule = SwiftRule(proxy.url, cache_seconds=60)
    for _ in range(2):
        with pytest.raises(AuthAway):
            judged(rule, status)
    assert [path for _, path, _ in proxy.asked] == ["/v1/AUTH_a"] * 2


def test_path(proxy: Proxy) -> None:
    """A name cannot leave its place in the path, and the proxy's own path is kept."""
    rule = SwiftRule(proxy.url + "/swift/", cache_seconds=60)
    for account in (b"AUTH_a/../AUTH_b", b"AUTH_a?x#y", b"AUTH_\xc3\xbc \r\n"):
        judged(rule, "204", account)
    assert [path for _, path, _ in proxy.asked] == [
        "/swift/v1/AUTH_a%2F..%2FAUTH_b", "/swift/v1/AUTH_a%3Fx%23y", "/swift/v1/AUTH_%C3%BC%20%0D%0A"]


def test_kept(proxy: Proxy) -> None:
    """Yes and no are asked once in cache_seconds, for each token and account apart, and never for other ones."""
    now = 0.0
    rule = SwiftRule(proxy.url, cache_seconds=60, clock=lambda: now)
    for _ in range(3):
        assert judged(rule, "204") is Verdict.YES
        assert judged(rule, "403") is Verdict.NO
        assert judged(rule, "401") is Verdict.UNKNOWN
        assert judged(rule, "204-other") is Verdict.YES
        assert judged(rule, "204", b"AUTH_b") is Verdict.YES
    assert len(proxy.asked) == 5
    now = 60.0
    judged(rule, "204")
    assert len(proxy.asked) == 6


def test_kept_is_bounded(proxy: Proxy) -> None:
    """Garbage tokens push each other out: what is kept is bounded, and the least used goes first."""
    rule = SwiftRule(proxy.url, cache_seconds=60, cache_entries=3)
    for token in ("401-a", "401-b", "401-c", "401-a", "401-d"):
        judged(rule, token)
    assert len(rule._kept) == 3
    proxy.asked.clear()
    for token in ("401-a", "401-d", "401-b"):
        judged(rule, token)
    assert [token for _, _, token in proxy.asked] == ["401-b"]


def test_kept_by_hash(proxy: Proxy) -> None:
    """Neither a token nor a part of one stands in what is kept: the keys are hashes of token and account."""
    rule = SwiftRule(proxy.url, cache_seconds=60)
    tokens = ["204-secret", "401-secret", "403-secret"]
    for token in tokens:
        judged(rule, token)
    kept = rule._kept._entries
    assert [len(key) for key in kept] == [32] * 3
    assert kept.keys() == {digest_of(token, b"AUTH_a") for token in tokens} and "secret" not in repr(kept)


def test_nothing_kept(proxy: Proxy) -> None:
    """With auth_cache_seconds = 0 every request asks."""
    rule = SwiftRule(proxy.url, cache_seconds=0)
    assert judged(rule, "204") is judged(rule, "204") is Verdict.YES
    assert len(proxy.asked) == 2


def test_not_asked(proxy: Proxy) -> None:
    """No token, a monstrous one, and (unknown), which is no account of anybody, are not the cluster's to decide."""
    rule = SwiftRule(proxy.url, cache_seconds=60)
    assert judged(rule, "") is judged(rule, "x" * 10_000) is Verdict.UNKNOWN
    assert judged(rule, "204", b"(unknown)") is Verdict.UNKNOWN
    with pytest.raises(AccountNeeded):
        rule.caller({"HTTP_X_AUTH_TOKEN": "204"}, [])
    assert proxy.asked == []


def test_several_accounts(proxy: Proxy) -> None:
    """Of several accounts the token reads those that the cluster says; one request has at most a hundred asked about."""
    rule = SwiftRule(proxy.url, cache_seconds=60)
    found = rule.caller({"HTTP_X_AUTH_TOKEN": "204"}, [b"AUTH_%d" % number for number in range(200)] + [b"(unknown)"])
    assert found is not None and len(found.scope.accounts) == len(proxy.asked) == 100
    assert "204" not in found.who


def test_proxy_away() -> None:
    """A proxy that does not answer is neither yes nor no."""
    with Proxy() as server:
        url = server.url
    with pytest.raises(AuthAway) as caught:
        judged(SwiftRule(url, cache_seconds=60), "secret-token")
    assert "secret-token" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://host", "http://", "http://u:p@host", "http://host:x", "http://host/?a"])
def test_bad_swift_url(url: str) -> None:
    """An address that is no proxy's refuses to start, without showing what may be a password."""
    with pytest.raises(ConfigError, match="swift_url") as caught:
        SwiftRule(url, cache_seconds=60)
    assert "u:p" not in str(caught.value)


def config(path: Path, **options: object) -> Config:
    return Config({"tokens_file": str(path / "tokens"), **options})


def test_both(proxy: Proxy, tmp_path: Path) -> None:
    """With tokens and swift either admits, and a token that the file knows is never shown to the cluster."""
    ours = TokensFile(str(tmp_path / "tokens")).create("tenant", ["AUTH_a"], now=0)
    both = rules.from_config(config(tmp_path, auth=("swift", "tokens"), swift_url=proxy.url))
    both.check({"HTTP_X_AUTH_TOKEN": ours}, b"AUTH_a", "a")
    with pytest.raises(Forbidden):
        both.check({"HTTP_X_AUTH_TOKEN": ours}, b"AUTH_b", "b")
    assert proxy.asked == []
    both.check({"HTTP_X_AUTH_TOKEN": "204"}, b"AUTH_a", "a")
    with pytest.raises(Forbidden):
        both.check({"HTTP_X_AUTH_TOKEN": "403"}, b"AUTH_a", "a")
    with pytest.raises(Unauthenticated):
        both.check({"HTTP_X_AUTH_TOKEN": "401"}, b"AUTH_a", "a")
    with pytest.raises(Unauthenticated):
        both.check({}, b"AUTH_a", "a")
    with pytest.raises(AuthAway):
        both.check({"HTTP_X_AUTH_TOKEN": "503"}, b"AUTH_a", "a")
    (tmp_path / "tokens").unlink()
    both.check({"HTTP_X_AUTH_TOKEN": "204"}, b"AUTH_a", "a")


@pytest.mark.parametrize(("options", "said"), [
    ({}, "auth is needed"), ({"auth": ()}, "auth is needed"), ({"auth": ("none",)}, "allow_anonymous"),
    ({"auth": ("tokens", "none")}, "tokens file"), ({"auth": ("swift",)}, "swift_url"),
])
def test_refuses_to_start(tmp_path: Path, options: dict[str, object], said: str) -> None:
    """Without a working authenticator there is no service."""
    with pytest.raises(ConfigError, match=said):
        rules.from_config(config(tmp_path, **options))


def test_anonymous(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With none, everybody reads everything, and that is said at start."""
    anybody = rules.from_config(config(tmp_path, auth=("none",), allow_anonymous=True))
    anybody.check({}, b"AUTH_a", "a")
    assert anybody.scope({}) == Scope(all=True)
    assert "everybody" in caplog.text


def test_scope(proxy: Proxy, tmp_path: Path) -> None:
    """For resources of many accounts a rule says what may be read; the cluster only of accounts that are named."""
    file = TokensFile(str(tmp_path / "tokens"))
    operator, tenant = file.create("operator", None, now=0), file.create("tenant", ["AUTH_a"], now=0)
    both = rules.from_config(config(tmp_path, auth=("swift", "tokens"), swift_url=proxy.url))
    assert both.scope({"HTTP_X_AUTH_TOKEN": operator}) == Scope(all=True)
    assert both.scope({"HTTP_X_AUTH_TOKEN": tenant}) == Scope(accounts=(b"AUTH_a",))
    assert both.scope({"HTTP_X_AUTH_TOKEN": "204"}, [b"AUTH_b"]) == Scope(accounts=(b"AUTH_b",))
    with pytest.raises(AccountNeeded):
        both.scope({"HTTP_X_AUTH_TOKEN": "204"})
    with pytest.raises(Unauthenticated):
        both.scope({"HTTP_X_AUTH_TOKEN": "401"}, [b"AUTH_b"])
