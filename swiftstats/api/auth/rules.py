"""Who may read which account: the rules of `auth =`, asked one after the other.

Each rule tells, by a request's WSGI environ, who asks and what they may read, or that it does not know them. The first that
knows them decides, so a token that one rule knows is never shown to another. Rules are asked in the order of RULES, whatever
order `auth` gives: a token of the tokens file is not sent to the cluster.
"""

from __future__ import annotations

from typing import Any, Callable, MutableMapping, Sequence

from swiftstats.api.auth.caller import AccountNeeded, AuthAway, Caller, Forbidden, Rule, Scope, Unauthenticated
from swiftstats.api.auth.none import NoneRule
from swiftstats.api.auth.swift import SwiftRule
from swiftstats.api.auth.tokens import TokensRule
from swiftstats.config import Config
from swiftstats.errors import ConfigError

#: Where a request's environ keeps the Caller, once known.
CALLER = "swiftstats.caller"


class Rules:
    """The configured rules together."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def check(self, environ: MutableMapping[str, Any], account: bytes, asked: str) -> None:
        """Return where the request may read the account; else raise Forbidden, or what `caller` does."""
        if not self.caller(environ, (account,)).scope.may_read(account):
            raise Forbidden(asked)

    def scope(self, environ: MutableMapping[str, Any], accounts: Sequence[bytes] = ()) -> Scope:
        """Return what the request may read; raise what `caller` does. accounts: those that it asks for by name."""
        return self.caller(environ, accounts).scope

    def caller(self, environ: MutableMapping[str, Any], accounts: Sequence[bytes] = ()) -> Caller:
        """Return who asks, and note it in the environ; raise Unauthenticated, AccountNeeded or AuthAway.

        A rule that cannot tell now does not stand in the way of another that knows the caller.
        """
        unsure: AuthAway | AccountNeeded | None = None
        for rule in self._rules:
            try:
                found = rule.caller(environ, accounts)
            except (AuthAway, AccountNeeded) as error:
                unsure = error
                continue
            if found is not None:
                environ[CALLER] = found
                return found
        if unsure is not None:
            raise unsure
        said = [rule.challenge(environ) for rule in self._rules]
        raise Unauthenticated([each for each in dict.fromkeys(said) if each is not None])


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
