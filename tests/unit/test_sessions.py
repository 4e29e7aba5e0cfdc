"""Sessions of the pages: who signed in, never their token, and never for longer than they may."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from swiftstats.api.auth import rules
from swiftstats.api.auth.address import Addresses
from swiftstats.api.auth.caller import Caller, Scope, Unauthenticated
from swiftstats.api.auth.session import Sessions, SessionTooLarge, same_origin, secret_of
from swiftstats.api.auth.tokens import TokensFile
from swiftstats.config import Config
from swiftstats.errors import ConfigError

NOW = 1_350_892_800
MEMBER = Caller("keystone", "keystone:u@p", Scope(accounts=(b"AUTH_p", b"AUTH_\xff")), NOW + 3600.0)


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    addresses = Addresses(["10.0.0.1"])
    return Sessions(b"s" * 32, seconds=900, rules=["keystone", "swift"], entry=None, addresses=addresses, clock=clock)


def cookie(headers: list[tuple[str, str]]) -> str:
    """Return what a browser sends back."""
    assert [name for name, _ in headers] == ["Set-Cookie"]
    return headers[0][1].partition(";")[0]


def browser(sent: str, **more: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": "GET", "HTTP_COOKIE": sent, "HTTP_HOST": "usage.example.org", "wsgi.url_scheme": "http", **more}


def test_it_knows_who_signed_in(sessions: Sessions, clock: Clock) -> None:
    """Until session_seconds are over the cookie stands for the caller, with just what they may read."""
    sent = cookie(sessions.begin(browser(""), MEMBER))
    found = sessions.caller(browser(sent))
    assert found is not None and (found.rule, found.who, found.scope) == (MEMBER.rule, MEMBER.who, MEMBER.scope)
    clock.now += 899
    assert sessions.caller(browser(sent)) is not None
    clock.now += 1
    assert sessions.caller(browser(sent)) is None


def test_not_beyond_the_token(sessions: Sessions, clock: Clock) -> None:
    """A session ends with what it was begun with."""
    sent = cookie(sessions.begin(browser(""), Caller("swift", "swift:x", Scope(accounts=(b"AUTH_a",)), NOW + 10)))
    clock.now += 9
    assert sessions.caller(browser(sent)) is not None
    clock.now += 1
    assert sessions.caller(browser(sent)) is None


def test_attributes(sessions: Sessions) -> None:
    """No script reads the cookie, no other site sends it along, and over HTTPS it never goes out in the clear."""
    plain = sessions.begin(browser(""), MEMBER)[0][1]
    assert "HttpOnly" in plain and "SameSite=Lax" in plain and "Path=/" in plain and "ecure" not in plain.replace("HttpOnly", "")
    for secure in ({"wsgi.url_scheme": "https"}, {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}):
        assert "; secure" in sessions.begin(browser("", **secure), MEMBER)[0][1].lower()
    forged = sessions.begin(browser("", REMOTE_ADDR="10.0.0.2", HTTP_X_FORWARDED_PROTO="https"), MEMBER)[0][1]
    assert "; secure" not in forged.lower()


def test_altered(sessions: Sessions) -> None:
    """A cookie with one character changed, of another secret, or of garbage is none."""
    sent = cookie(sessions.begin(browser(""), MEMBER))
    name, _, value = sent.partition("=")
    for at in range(0, len(value), 7):
        other = "A" if value[at] != "A" else "B"
        changed = value[:at] + other + value[at + 1:]
        same = base64.urlsafe_b64decode(changed + "==") == base64.urlsafe_b64decode(value + "==")
        assert same or sessions.caller(browser(f"{name}={changed}")) is None
    another = Sessions(b"t" * 32, seconds=900, rules=["keystone"], entry=None, addresses=Addresses([]), clock=lambda: NOW)
    for wrong in (cookie(another.begin(browser(""), MEMBER)), "swiftstats=", "swiftstats=x", "other=" + value, "\xff"):
        assert sessions.caller(browser(wrong)) is None


def test_ended(sessions: Sessions) -> None:
    """Signing out takes the cookie away."""
    header = sessions.end(browser("swiftstats=x"))[0][1]
    assert header.startswith("swiftstats=;") and "Max-Age=0" in header


def test_a_token_goes_first(sessions: Sessions) -> None:
    """A request with a token is judged by the token, whatever cookie comes along."""
    sent = cookie(sessions.begin(browser(""), MEMBER))
    assert sessions.caller(browser(sent, HTTP_X_AUTH_TOKEN="garbage")) is None


def test_a_rule_that_is_no_more(sessions: Sessions) -> None:
    """A session of a rule that `auth` no longer has is none."""
    other = Sessions(b"s" * 32, seconds=900, rules=["tokens"], entry=None, addresses=Addresses([]), clock=lambda: NOW)
    assert other.caller(browser(cookie(sessions.begin(browser(""), MEMBER)))) is None


def test_too_many_accounts(sessions: Sessions) -> None:
    """A caller whom no cookie holds is told so, not signed in with less."""
    accounts = tuple(b"AUTH_%032d" % number for number in range(500))
    with pytest.raises(SessionTooLarge):
        sessions.begin(browser(""), Caller("keystone", "k", Scope(accounts=accounts)))


@pytest.mark.parametrize(("sent", "ours"), [
    ({}, True), ({"HTTP_ORIGIN": "https://usage.example.org"}, True), ({"HTTP_ORIGIN": "https://USAGE.example.org"}, True),
    ({"HTTP_ORIGIN": "https://evil.example.org"}, False), ({"HTTP_ORIGIN": "null"}, False), ({"HTTP_ORIGIN": ""}, False),
    ({"HTTP_ORIGIN": "https://usage.example.org.evil"}, False), ({"HTTP_ORIGIN": "https://usage.example.org:8443"}, False),
    ({"HTTP_ORIGIN": "https://[x"}, False), ({"HTTP_SEC_FETCH_SITE": "same-origin"}, True),
    ({"HTTP_SEC_FETCH_SITE": "same-site"}, False), ({"HTTP_SEC_FETCH_SITE": "cross-site"}, False),
    ({"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://usage.example.org"}, False),
])
def test_same_origin(sessions: Sessions, sent: dict[str, str], ours: bool) -> None:
    """A POST counts from our own pages, and from what is no browser; another site's form goes without its user's session."""
    assert same_origin(browser("", **sent)) is ours
    held = cookie(sessions.begin(browser(""), MEMBER))
    assert (sessions.caller(browser(held, REQUEST_METHOD="POST", **sent)) is not None) is ours


def test_a_token_of_the_file(tmp_path: Path) -> None:
    """A session of the file holds no token, and ends at the request after its entry was revoked, rotated, or made again."""
    file = TokensFile(str(tmp_path / "tokens"))
    token = file.create("alice", ["AUTH_a"], now=NOW)
    both = rules.from_config(Config({"tokens_file": file.path, "auth": ("tokens",)}))
    caller = both.caller({"HTTP_X_AUTH_TOKEN": token})
    sent = cookie(both.sessions.begin(browser(""), caller))
    inside = base64.urlsafe_b64decode(sent.partition("=")[2] + "==")
    assert token.encode() not in inside and file.read()[0].sha256.encode() not in inside
    assert both.scope(browser(sent)) == Scope(accounts=(b"AUTH_a",))
    file.rotate("alice", now=NOW, keep=10**9)
    assert both.scope(browser(sent)) == Scope(accounts=(b"AUTH_a",))
    file.rotate("alice", now=NOW)
    with pytest.raises(Unauthenticated):
        both.scope(browser(sent))
    file.revoke("alice")
    file.create("alice", None, now=NOW)
    with pytest.raises(Unauthenticated):
        both.scope(browser(sent))


def test_secret(tmp_path: Path) -> None:
    """The secret is the file's, which nobody else may read and has to be long; without a file it is new at each start."""
    assert secret_of(Config({})) != secret_of(Config({}))
    path = tmp_path / "secret"
    wrong = (("x" * 64, 0o640, "chmod 600"), ("x" * 31 + "\n", 0o600, "31 bytes"), (None, 0, "cannot be read"))
    for content, mode, said in wrong:
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
            path.chmod(mode)
        with pytest.raises(ConfigError, match=said):
            secret_of(Config({"session_secret_file": str(path)}))
    path.write_text("x" * 64 + "\n")
    path.chmod(0o600)
    assert secret_of(Config({"session_secret_file": str(path)})) == b"x" * 64
