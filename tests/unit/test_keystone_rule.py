"""`auth = keystone`: what is believed of an environ, what a token's contents allow, and how long Keystone's word is kept."""

from __future__ import annotations

from typing import Any

import pytest

from swiftstats.api.auth.caller import AuthAway, Scope
from swiftstats.api.auth.keystone import KeystoneRule, Said

NOW = 1_350_892_800.0
OWN = Scope(accounts=(b"AUTH_p", b"SERVICE_p"))


class StandIn:
    """Answers as the filter would, from a dictionary of tokens, and counts what it is asked."""

    def __init__(self, **tokens: dict[str, Any]) -> None:
        self.tokens, self.asked = tokens, 0

    def ask(self, environ: Any) -> Said:
        self.asked += 1
        found = self.tokens.get(environ["HTTP_X_AUTH_TOKEN"])
        allowed = found is None or environ["PATH_INFO"] in found.get("paths", [environ["PATH_INFO"]])
        return Said({"token": found} if found and allowed else None, None)


def token(**contents: Any) -> dict[str, Any]:
    """Return what Keystone says of a token, good for an hour."""
    return {"user": {"id": "u"}, "roles": [{"name": "member"}], "expires_at": "2012-10-22T09:00:00.000000Z", **contents}


def rule(guard: Any = None, *, clock: Any = lambda: NOW, system_reader: bool = False) -> KeystoneRule:
    return KeystoneRule(guard, prefixes=("AUTH_", "SERVICE_"), admin_roles=("Usage_Admin",), system_reader=system_reader,
                        cache_seconds=7200, clock=clock)


def left(contents: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    """Return an environ as the filter to the left makes it."""
    status = "Invalid" if contents is None else "Confirmed"
    return {"keystone.token_auth": object(), "HTTP_X_IDENTITY_STATUS": status,
            **({} if contents is None else {"keystone.token_info": {"token": contents}}), **more}


PROJECT, SYSTEM, DOMAIN = {"project": {"id": "p"}}, {"system": {"all": True}}, {"domain": {"id": "d"}}
ADMIN, READER = {"roles": [{"name": "USAGE_admin"}]}, {"roles": [{"name": "reader"}]}


@pytest.mark.parametrize(("contents", "system_reader", "scope"), [
    (PROJECT, False, OWN), ({**PROJECT, **ADMIN}, False, Scope(True, OWN.accounts)), ({**SYSTEM, **ADMIN}, False, Scope(True)),
    ({**DOMAIN, **ADMIN}, False, Scope()), (ADMIN, False, Scope()), (SYSTEM, True, Scope()),
    ({**SYSTEM, **READER}, False, Scope()),
    ({**SYSTEM, **READER}, True, Scope(True)), ({**PROJECT, **READER}, True, OWN), ({**DOMAIN, **READER}, True, Scope()),
    ({"system": {"all": False}, **READER}, True, Scope()), ({"roles": []}, True, Scope()),
])
def test_scope(contents: dict[str, Any], system_reader: bool, scope: Scope) -> None:
    """A project reads its account; an admin role in a project or the system all; the system's reader where that is set."""
    found = rule(system_reader=system_reader).caller(left(token(**contents)), [])
    assert found is not None and found.scope == scope and found.expires == NOW + 3600


@pytest.mark.parametrize("environ", [
    left(None), left(token(**PROJECT), HTTP_X_IDENTITY_STATUS="Invalid"), left(token(**PROJECT), HTTP_X_IDENTITY_STATUS=None),
    left(token(**PROJECT), HTTP_X_SERVICE_TOKEN="s"), left(None, HTTP_X_IDENTITY_STATUS="Confirmed"),
    left(token(**PROJECT), HTTP_X_SERVICE_TOKEN="s", HTTP_X_SERVICE_IDENTITY_STATUS="Invalid"),
])
def test_what_is_not_confirmed(environ: dict[str, Any]) -> None:
    """What the filter has not confirmed, user and service token both, is nobody."""
    assert rule().caller(environ, []) is None


def test_without_the_filter() -> None:
    """Where the filter did not run nothing is believed, not even headers that say everything."""
    with pytest.raises(AuthAway, match="authtoken"):
        rule().caller({"HTTP_X_IDENTITY_STATUS": "Confirmed", "HTTP_X_PROJECT_ID": "p", "HTTP_X_ROLES": "usage_admin",
                       "HTTP_KEYSTONE.TOKEN_INFO": "x", "HTTP_KEYSTONE_TOKEN_INFO": "x"}, [])


def ask(of: KeystoneRule, sent: str, path: str = "/io_sum", **more: str) -> bool:
    return of.caller({"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_X_AUTH_TOKEN": sent, **more}, []) is not None


def test_kept() -> None:
    """Yes and no are asked for once, for each token, and with each service token anew."""
    guard = StandIn(good=token(**PROJECT))
    of = rule(guard)
    for _ in range(3):
        assert ask(of, "good") and ask(of, "good", "/usage") and not ask(of, "bad")
        assert ask(of, "good", HTTP_X_SERVICE_TOKEN="s")
    assert guard.asked == 3


def test_kept_by_hash() -> None:
    """Neither a token nor a service token stands among the keys of what is kept."""
    of = rule(StandIn(**{"good-secret": token(**PROJECT)}))
    ask(of, "good-secret", HTTP_X_SERVICE_TOKEN="service-secret")
    ask(of, "bad-secret")
    assert [len(key) for key in of._kept._entries] == [32] * 2 and "secret" not in repr(list(of._kept._entries))


def test_not_kept_beyond_its_end() -> None:
    """A yes is kept no longer than the token is good."""
    guard = StandIn(good=token(**PROJECT))
    of = rule(guard, clock=lambda: NOW + 3600)
    assert ask(of, "good") and ask(of, "good")
    assert guard.asked == 2


def test_access_rules() -> None:
    """An application credential that is good for one path is not so for another because it was asked about before."""
    guard = StandIn(limited=token(**PROJECT, application_credential={"access_rules": []}, paths=["/io_sum"]))
    of = rule(guard)
    for _ in range(2):
        assert not ask(of, "limited", "/usage") and ask(of, "limited", "/io_sum") and not ask(of, "limited", "/io_detail")
    assert guard.asked == 3


def test_monstrous_tokens() -> None:
    """No token, and one that no server would take, are not asked about."""
    guard = StandIn()
    of = rule(guard)
    assert not ask(of, "") and not ask(of, "x" * 9000) and not ask(of, "good", HTTP_X_SERVICE_TOKEN="x" * 9000)
    assert guard.asked == 0
