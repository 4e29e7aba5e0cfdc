"""Who may read which account: the rules of `auth =`, asked one after the other.

Each rule tells, by a request's WSGI environ, who asks and what they may read, or that it does not know them. The first that
knows them decides, so a token that one rule knows is never shown to another. Rules are asked in the order of RULES, whatever
order `auth` gives: a token of the tokens file is not sent to the cluster.
"""

from __future__ import annotations

from typing import Any, Callable, MutableMapping, Sequence

from swiftstats.api.audit import ADDRESS, CALLER
from swiftstats.api.auth import keystone, session, uses
from swiftstats.api.auth.address import Addresses
from swiftstats.api.auth.caller import (
    AccountNeeded,
    AuthAway,
    Caller,
    Forbidden,
    Rule,
    Scope,
    TooManyFailures,
    Unauthenticated,
    token_of,
)
from swiftstats.api.auth.failures import Failures
from swiftstats.api.auth.none import NoneRule
from swiftstats.api.auth.password import Passwords
from swiftstats.api.auth.session import Sessions
from swiftstats.api.auth.swift import SwiftRule
from swiftstats.api.auth.token_rule import TokensRule
from swiftstats.config import Config
from swiftstats.errors import ConfigError


class Rules:
    """The configured rules together; `sessions` is for the pages, which begin and end them."""

    def __init__(self, rules: Sequence[Rule], *, sessions: Sessions, addresses: Addresses, failures: Failures,
                 passwords: Passwords | None = None) -> None:
        self._rules = (sessions, *rules)
        self.sessions, self.addresses, self._failures, self._passwords = sessions, addresses, failures, passwords

    def check(self, environ: MutableMapping[str, Any], account: bytes, asked: str) -> None:
        """Return where the request may read the account; else raise Forbidden, or what `caller` does."""
        if not self.caller(environ, (account,)).scope.may_read(account):
            raise Forbidden(asked)

    def scope(self, environ: MutableMapping[str, Any], accounts: Sequence[bytes] = ()) -> Scope:
        """Return what the request may read; raise Forbidden where that is nothing, or what `caller` does.

        accounts: those that it asks for by name.
        """
        scope = self.caller(environ, accounts).scope
        if scope == Scope():
            raise Forbidden("")
        return scope

    def everything(self, environ: MutableMapping[str, Any], asked: str) -> None:
        """Return where the request may read every account; else raise Forbidden, or what `caller` does."""
        if not self.caller(environ).scope.all:
            raise Forbidden(asked)

    def caller(self, environ: MutableMapping[str, Any], accounts: Sequence[bytes] = ()) -> Caller:
        """Return who asks, and note it in the environ, for the audit log.

        A rule that cannot tell now does not stand in the way of another that knows the caller. Raises Unauthenticated,
        AccountNeeded, AuthAway, or TooManyFailures where another server would have to be asked.
        """
        token, address = token_of(environ), self.addresses.client(environ)
        environ[ADDRESS] = address
        wait = self._failures.wait(address, token) if token else 0.0
        unsure: AuthAway | AccountNeeded | None = None
        refused = False  # by a server that was asked
        for rule in self._rules:
            if wait and rule.asks:
                raise TooManyFailures(wait)
            try:
                found = rule.caller(environ, accounts)
            except (AuthAway, AccountNeeded) as error:
                unsure = error if unsure is None or isinstance(error, AuthAway) else unsure
                continue
            if found is not None:
                environ[CALLER] = found
                if token and rule.asks:
                    self._failures.succeeded(token)
                return found
            refused = refused or rule.asks
        if isinstance(unsure, AuthAway):
            raise unsure
        if token and unsure is None:
            self._failures.failed(address)
        elif token and refused:
            self._failures.failed_once(address, token)
        said = [rule.challenge(environ) for rule in self._rules]
        challenges = [each for each in dict.fromkeys(said) if each is not None]
        raise Unauthenticated(challenges) if unsure is None else AccountNeeded(challenges)

    @property
    def takes_passwords(self) -> bool:
        """Whether people can sign in with Keystone's user name and password."""
        return self._passwords is not None

    def token(self, environ: MutableMapping[str, Any], **given: str) -> str:
        """Return a token of Keystone's for what Passwords.token takes, to sign in with.

        Raises Unauthenticated, AuthAway, or TooManyFailures: a password can be guessed, so whoever shares the address waits too.
        """
        address = environ[ADDRESS] = self.addresses.client(environ)
        if wait := self._failures.wait(address, ""):
            raise TooManyFailures(wait)
        if self._passwords is None:
            raise Unauthenticated()
        try:
            return self._passwords.token(**given)
        except Unauthenticated:
            self._failures.failed(address)
            raise


def _tokens(config: Config, pipeline: str | None) -> Rule:
    return TokensRule(config.tokens_file, uses=uses.Uses(uses.path_of(config)))


def _keystone(config: Config, pipeline: str | None) -> Rule:
    return keystone.from_config(config, pipeline=pipeline)


def _swift(config: Config, pipeline: str | None) -> Rule:
    return SwiftRule(config.require("swift_url"), cache_seconds=config.auth_cache_seconds)


def _none(config: Config, pipeline: str | None) -> Rule:
    if not config.allow_anonymous:
        raise ConfigError("auth = none lets everybody read everything; it needs allow_anonymous = yes in [api]", path=config.path)
    return NoneRule()


#: `auth =`: how the rule is made. The order is the order in which they are asked.
RULES: dict[str, Callable[[Config, str | None], Rule]] = {
    "tokens": _tokens, "keystone": _keystone, "swift": _swift, "none": _none}


def from_config(config: Config, *, pipeline: str | None = None) -> Rules:
    """Make the configured rules; raise ConfigError where there are none, or where one of them cannot work.

    pipeline: the PasteDeploy file that is served, '' for one that is not known; None where no filter can be to the left.
    """
    if not config.auth:
        raise ConfigError(f"auth is needed in [api]: {', '.join(RULES)}, or several. Nothing is answered without it",
                          path=config.path)
    made = {name: make(config, pipeline) for name, make in RULES.items() if name in config.auth}
    tokens = made.get("tokens")
    addresses = Addresses(config.trusted_proxies or ())
    sessions = Sessions(session.secret_of(config), seconds=config.session_seconds, rules=list(made),
                        entry=tokens.entry if isinstance(tokens, TokensRule) else None, addresses=addresses)
    rule = made.get("keystone")
    return Rules(list(made.values()), sessions=sessions, addresses=addresses,
                 failures=Failures(config.auth_failures_per_minute),
                 passwords=rule.passwords if isinstance(rule, keystone.KeystoneRule) else None)
