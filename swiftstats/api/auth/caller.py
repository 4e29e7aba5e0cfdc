"""Who asks, and what they may read: the words that all rules of `auth =` share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Mapping, Protocol, Sequence

from swiftstats import fields
from swiftstats.errors import SwiftStatsError

_UNKNOWN = fields.UNKNOWN.encode()
#: The longest token that is looked at, in characters: Swift's own limit for a header is 8,192 bytes.
TOKEN_LENGTH = 8000
#: What a client without a token has to send, as WWW-Authenticate says it, for every rule but Keystone's.
CHALLENGE = 'Token realm="swift-stats"'


@dataclass(frozen=True)
class Scope:
    """What may be read: every account (`all`, with it `(unknown)`), or these, and those whose names begin so. Raw names."""

    all: bool = False
    accounts: tuple[bytes, ...] = ()
    prefixes: tuple[bytes, ...] = ()

    def may_read(self, account: bytes) -> bool:
        """Tell whether an account, by its raw name, is within."""
        if self.all or account in self.accounts:
            return True
        return account != _UNKNOWN and account.startswith(self.prefixes)


@dataclass(frozen=True)
class Caller:
    """Somebody whom a rule knows.

    `rule`: its name in `auth =`; `who`: for the audit log, never a token; `expires`: when what they came with does, in seconds
    since 1970, None where it does not, or nobody can tell; `key`: of the tokens file's entry, by which it is found again.
    """

    rule: str
    who: str
    scope: Scope
    expires: float | None = None
    key: str | None = None


class Unauthenticated(SwiftStatsError):
    """No token, or none that any rule knows; `challenges` say what would do, as WWW-Authenticate has it."""

    def __init__(self, challenges: Sequence[str] = (CHALLENGE,)) -> None:
        self.challenges = tuple(challenges)
        super().__init__("no token that is known")


class Forbidden(SwiftStatsError):
    """A token that is known, and may not read what was asked for."""

    def __init__(self, asked: str) -> None:
        self.asked = asked
        super().__init__("the token may not read this account")


class AccountNeeded(SwiftStatsError):
    """A token that nobody knows but perhaps the cluster, which says it of one account at a time, and none was named."""

    def __init__(self, challenges: Sequence[str] = (CHALLENGE,)) -> None:
        self.challenges = tuple(challenges)
        super().__init__("a token of the cluster's is good for accounts that are named")


class TooManyFailures(SwiftStatsError):
    """So many tokens of one client that nobody knew that no other is tried now; `seconds` until one is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__("too many tokens that nobody knows")


class AuthAway(SwiftStatsError):
    """A rule cannot tell now: the cluster or Keystone does not answer, or the tokens file will not do."""


class Rule(Protocol):
    """One way to tell who asks. Thread-safe.

    `asks`: whether it asks another server about a token, so that a flood of garbage would be passed on.
    """

    asks: bool

    def caller(self, environ: Mapping[str, Any], accounts: Sequence[bytes]) -> Caller | None:
        """Return who sent a request, or None where what it came with is not this rule's.

        `accounts`: those that the request asks for by name; of no other does the scope have to be right. Raises AuthAway where
        it cannot be told now, AccountNeeded where it can be told only of accounts, and none is named.
        """

    def challenge(self, environ: Mapping[str, Any]) -> str | None:
        """Return what WWW-Authenticate is to say, None where another filter says it; raise AuthAway."""


def token_of(environ: Mapping[str, Any]) -> str:
    """Return the token that came with a request, or ''. It is never logged and never answered."""
    token: str = environ.get("HTTP_X_AUTH_TOKEN") or ""
    return token.strip()


def digest_of(*parts: str | bytes) -> bytes:
    """Return a hash to keep something about a token under: SHA-256 of each part's own, so that none runs into another."""
    raw = (part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part for part in parts)
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in raw)).digest()
