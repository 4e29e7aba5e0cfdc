"""Who may read which account: the rules of `auth =`, asked one after the other.

Each rule judges a request alone, by its WSGI environ: YES, NO (it knows the token, and this account is not for it), or
UNKNOWN (the token is not one of its own). A YES of any rule admits; a NO ends the matter, so a token that one rule knows is
never shown to another. Rules are asked in the order of RULES, whatever order `auth` gives: a token of the tokens file is not
sent to the cluster.

A rule for Keystone belongs here as one more line: it reads what keystonemiddleware left in the environ.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from swiftstats.api.auth.none import NoneRule
from swiftstats.api.auth.swift import SwiftRule
from swiftstats.api.auth.tokens import TokensRule
from swiftstats.api.auth.verdict import AuthAway, Forbidden, Rule, Unauthenticated, Verdict
from swiftstats.config import Config
from swiftstats.errors import ConfigError


class Rules:
    """The configured rules together."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def check(self, environ: Mapping[str, Any], account: bytes, asked: str) -> None:
        """Return where the request may read the account; else raise Unauthenticated, Forbidden or AuthAway.

        A rule that cannot tell now does not stand in the way of another that says yes.
        """
        away: AuthAway | None = None
        for rule in self._rules:
            try:
                verdict = rule.judge(environ, account)
            except AuthAway as error:
                away = error
                continue
            if verdict is Verdict.YES:
                return
            if verdict is Verdict.NO:
                raise Forbidden(asked)
        if away is not None:
            raise away
        raise Unauthenticated("no token that is known")


def _tokens(config: Config) -> Rule:
    return TokensRule(config.tokens_file)


def _swift(config: Config) -> Rule:
    return SwiftRule(config.require("swift_url"), cache_seconds=config.auth_cache_seconds)


def _none(config: Config) -> Rule:
    if not config.allow_anonymous:
        raise ConfigError("auth = none lets everybody read everything; it needs allow_anonymous = yes in [api]", path=config.path)
    return NoneRule()


#: `auth =`: how the rule is made. The order is the order in which they are asked.
RULES: dict[str, Callable[[Config], Rule]] = {"tokens": _tokens, "swift": _swift, "none": _none}


def from_config(config: Config) -> Rules:
    """Make the configured rules; raise ConfigError where there are none, or where one of them cannot work."""
    if not config.auth:
        raise ConfigError(f"auth is needed in [api]: {', '.join(RULES)}, or several. Nothing is answered without it",
                          path=config.path)
    return Rules([make(config) for name, make in RULES.items() if name in config.auth])
