"""What a rule says of a request, and what is wrong where none says yes: the words that all rules of `auth =` share."""

from __future__ import annotations

import enum
from typing import Any, Mapping, Protocol

from swiftstats.errors import SwiftStatsError


class Verdict(enum.Enum):
    """What a rule says of a request."""

    YES = "may read the account"
    NO = "known, and may not read this account"
    UNKNOWN = "not known"


class Unauthenticated(SwiftStatsError):
    """No token, or none that any rule knows."""


class Forbidden(SwiftStatsError):
    """A token that is known, and may not read what was asked for."""

    def __init__(self, asked: str) -> None:
        self.asked = asked
        super().__init__("the token may not read this account")


class AuthAway(SwiftStatsError):
    """A rule cannot tell now: the cluster does not answer, or the tokens file will not do."""


class Rule(Protocol):
    """One way to tell who may read an account. Thread-safe."""

    def judge(self, environ: Mapping[str, Any], account: bytes) -> Verdict:
        """Judge a request for an account by its raw name; raise AuthAway where it cannot be told now."""


def token_of(environ: Mapping[str, Any]) -> str:
    """Return the token that came with a request, or ''. It is never logged and never answered."""
    token: str = environ.get("HTTP_X_AUTH_TOKEN", "")
    return token.strip()
