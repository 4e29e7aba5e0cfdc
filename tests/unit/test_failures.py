"""Unknown tokens: a bound for each client, by an address that it cannot choose, and nobody else held up."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from swiftstats.api.auth.address import Addresses
from swiftstats.api.auth.caller import AccountNeeded, Caller, Scope, TooManyFailures, Unauthenticated
from swiftstats.api.auth.failures import Failures
from swiftstats.api.auth.rules import Rules
from swiftstats.api.auth.session import Sessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Remote:
    """A rule that asks: of each token that is not `good…` it says no; keeps what it was asked."""

    asks = True

    def __init__(self) -> None:
        self.asked: list[str] = []

    def caller(self, environ: Any, accounts: Any) -> Caller | None:
        token = environ.get("HTTP_X_AUTH_TOKEN", "")
        self.asked.append(token)
        return Caller("keystone", "k", Scope(all=True)) if token.startswith("good") else None

    def challenge(self, environ: Any) -> str:
        return "Keystone"


class Cluster(Remote):
    """A rule that can tell of a token only where accounts are named."""

    def caller(self, environ: Any, accounts: Any) -> Caller | None:
        if not accounts:
            raise AccountNeeded
        return super().caller(environ, accounts)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def both(clock: Clock, remote: Remote) -> Rules:
    """A bound of six a minute, behind a proxy at 10.0.0.1."""
    return rules_of(clock, remote)


def rules_of(clock: Clock, *rules: Remote) -> Rules:
    addresses = Addresses(["10.0.0.1"])
    sessions = Sessions(b"s" * 32, seconds=900, rules=[], entry=None, addresses=addresses)
    return Rules(rules, sessions=sessions, addresses=addresses, failures=Failures(6, clock=clock))


def ask(rules: Rules, token: str, address: str = "192.0.2.1", **more: str) -> str:
    sent = {"HTTP_X_AUTH_TOKEN": token} if token else {}
    try:
        rules.caller({"REMOTE_ADDR": address, **sent, **more})
    except (Unauthenticated, AccountNeeded, TooManyFailures) as error:
        return type(error).__name__
    return "known"


def test_a_flood_is_not_passed_on(both: Rules, remote: Remote, clock: Clock) -> None:
    """After a minute's failures no other unknown token of that client is asked about, until some have drained."""
    said = [ask(both, f"garbage-{number}") for number in range(100)]
    assert said == ["Unauthenticated"] * 6 + ["TooManyFailures"] * 94 and len(remote.asked) == 6
    with pytest.raises(TooManyFailures) as caught:
        both.caller({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_AUTH_TOKEN": "x"})
    assert caught.value.seconds == 10
    clock.now += 10
    assert [ask(both, "x"), ask(both, "x")] == ["Unauthenticated", "TooManyFailures"]


def test_others_are_not_held_up(both: Rules, clock: Clock) -> None:
    """Other clients, those behind the same trusted proxy, and whoever was known before go on during a flood."""
    assert ask(both, "good-before") == "known"
    behind = {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    for number in range(50):
        ask(both, f"garbage-{number}")
        ask(both, f"garbage-{number}", "10.0.0.1", **behind)
    assert ask(both, "good-before") == "known"
    assert ask(both, "good-new", "10.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.10") == "known"
    assert ask(both, "good-new", "192.0.2.2") == "known"
    assert ask(both, "good-newer") == "TooManyFailures"
    clock.now += 10
    assert ask(both, "good-newer") == "known"


def test_no_token_is_no_failure(both: Rules) -> None:
    """Who asks without a token is told to bring one, as often as they like."""
    assert {ask(both, "") for _ in range(50)} == {"Unauthenticated"}
    assert ask(both, "good") == "known"


def test_an_account_that_is_missing_is_no_failure(clock: Clock) -> None:
    """A token that the cluster could tell of, had an account been named, is not a bad one: nobody waits for it."""
    cluster = Cluster()
    known = rules_of(clock, cluster)
    assert {ask(known, f"token-{number}") for number in range(50)} == {"AccountNeeded"} and cluster.asked == []
    known.caller({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_AUTH_TOKEN": "good"}, [b"AUTH_a"])


def test_without_an_account_a_flood_is_not_passed_on_either(clock: Clock, remote: Remote) -> None:
    """What Keystone had to be asked about first counts, each token once: whoever has one may leave accounts out as they like."""
    known = rules_of(clock, remote, Cluster())
    assert {ask(known, "cluster's") for _ in range(50)} == {"AccountNeeded"}
    said = [ask(known, f"garbage-{number}") for number in range(50)]
    assert said == ["AccountNeeded"] * 5 + ["TooManyFailures"] * 45


def test_no_token_is_kept(clock: Clock) -> None:
    """What is remembered of tokens, good, bad, or asked about, is kept under hashes: a dump of memory's keys shows none."""
    known = rules_of(clock, Remote(), Cluster())
    for sent in ("good-secret", "bad-secret"):
        ask(known, sent)
        with contextlib.suppress(Unauthenticated):
            known.caller({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_AUTH_TOKEN": sent}, [b"AUTH_a"])
    failures = known._failures
    keys = [*failures._good._entries, *failures._told._entries, *failures._filled]
    assert len(failures._good) == len(failures._told) == 1 and failures._filled.keys() == {"192.0.2.1"}
    assert all(isinstance(key, str) or len(key) == 32 for key in keys) and "secret" not in repr(keys)


def test_memory_is_bounded(clock: Clock) -> None:
    """However many addresses fail, a bounded number is kept, and those that failed longest ago go first."""
    failures = Failures(1, addresses=100, clock=clock)
    for number in range(1000):
        failures.failed(f"10.0.{number // 250}.{number % 250}")
    assert len(failures._filled) == 100
    assert failures.wait("10.0.3.249", "t") > 0 and failures.wait("10.0.0.0", "t") == 0


def test_a_network_of_ipv6_is_one_client(clock: Clock) -> None:
    """Who has a /64 has one bound, and its neighbour another."""
    failures = Failures(2, clock=clock)
    failures.failed("2001:db8::1")
    failures.failed("2001:db8::ffff:2")
    assert failures.wait("2001:db8::3", "t") > 0 and failures.wait("2001:db8:0:1::1", "t") == 0


@pytest.mark.parametrize(("peer", "forwarded", "client"), [
    ("192.0.2.1", "", "192.0.2.1"), ("192.0.2.1", "203.0.113.9", "192.0.2.1"), ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"), ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.1.7", "203.0.113.9"),
    ("10.0.0.1", "garbage", "10.0.0.1"), ("10.0.0.1", "1.1.1.1, garbage", "10.0.0.1"), ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", ",, ,", "10.0.0.1"), ("10.0.0.1", "10.0.1.1", "10.0.1.1"), ("", "203.0.113.9", "203.0.113.9"),
    ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"), ("fd00::1", "2001:db8::7", "2001:db8::7"),
])
def test_the_clients_address(peer: str, forwarded: str, client: str) -> None:
    """X-Forwarded-For is read from the right, as far as those who wrote it are trusted, and no further."""
    addresses = Addresses(["10.0.0.1/32", "10.0.1.0/24", "fd00::/64", "unix"])
    assert addresses.client({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}) == client
