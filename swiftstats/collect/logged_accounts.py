"""Whose request a line of the access log is, as far as the log tells: the rules of classify.py, from the outside.

A line shows the path as the pipeline left it, so three kinds of requests need more than their own line:

- COPY: the line carries the destination. The account in the URL is that of the source, which the copy middleware reads with a
  request of its own before (`SSC`, the same transaction), where a second proxy-logging stands at the pipeline's end.
- S3: the path is bucket and key. The account is that of a request that Swift made in the same transaction; or what such a
  transaction of the same user showed; or, in tempauth's form `account:user`, in the user's name. For a bad signature, and the
  few requests that the S3 layer answers by itself, it is never learned.
- An S3 bucket named `v1.0`, whose objects look like somebody's account.

Memory is bounded: transactions are forgotten, the oldest first.
"""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from swiftstats.collect.accesslog import AccessLine
from swiftstats.collect.classify import account_in
from swiftstats.fields import NAME_BYTES, UNKNOWN

#: Transactions, and users, that are remembered at a time.
REMEMBERED = 20_000

#: Sources of requests that follow the path as it arrived, and say nothing of what the S3 layer made of it (container_sync).
_OF_THE_CLIENTS_PATH = ("CS",)
#: S3's errors for a caller that nobody knows: the S3 layer has learned no account.
_STRANGERS = ("s3:err:SignatureDoesNotMatch", "s3:err:InvalidAccessKeyId")
#: Questions about a bucket that the S3 layer may answer without learning the account.
_VAGUE = re.compile(r"(?:\A|&)(?:versioning|location|acl|logging|tagging|policy|cors|lifecycle|notification|website|encryption"
                    r"|object-lock|requestPayment|replication)(?:=|&|\Z)")
#: What Swift's proxies answer that is neither Swift's API nor S3's.
_NOBODYS = re.compile(r"/(?:auth|info|healthcheck|endpoints|recon|crossdomain\.xml|favicon\.ico)(?:/|\Z)")


class Claim(NamedTuple):
    """Whose a request is: one of `accounts`, any account where there is none. `sure`: it is the first's, if that is admitted.

    `metered` is False where it may be nobody's at all.
    """

    accounts: Tuple[str, ...]
    sure: bool = True
    metered: bool = True


ANYBODYS = Claim((), sure=False)


class LoggedAccounts:
    """Follows a log, line by line. `prefixes` are the reseller prefixes, with their underscores."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        self._prefixes = tuple(prefixes)
        self._sources: Dict[str, str] = {}  # transaction: the account that a copy was read from
        self._seen: Dict[str, str] = {}  # transaction: the account that Swift's own request was for
        self._users: Dict[str, str] = {}  # user of S3: account; "" where there were several

    def note(self, line: AccessLine) -> None:
        """Take note of a request that Swift made itself."""
        account = account_in(line.path)
        if not line.transaction or not account or not account.startswith(self._prefixes):
            return
        if line.source == "SSC" and line.method == "GET":
            _remember(self._sources, line.transaction, account)
        elif line.source not in _OF_THE_CLIENTS_PATH:
            _remember(self._seen, line.transaction, account)

    def claim(self, line: AccessLine) -> Optional[Claim]:
        """Return whose a client's request is; None where it is nobody's (`/info`, `/auth/v1.0`, …)."""
        source, seen = self._sources.pop(line.transaction, None), self._seen.pop(line.transaction, None)
        name = account_in(line.path)
        if self._is_s3(line, name):
            return self._of_s3(line, name, seen or source)
        if name is None:
            if line.user is None and not _NOBODYS.match(line.path):
                # Of a Swift that does not log users: S3's, or nobody's.
                return Claim((seen,)) if seen else Claim((), sure=False, metered=False)
            return None
        if not name:
            return None
        if line.method == "COPY":
            return Claim((source,)) if source else ANYBODYS
        return Claim((name if len(name) <= NAME_BYTES else UNKNOWN,))

    def _is_s3(self, line: AccessLine, name: Optional[str]) -> bool:
        if "s3:err:" in line.info:
            return True
        if line.has_token or not line.user or _NOBODYS.match(line.path):
            return False
        return name is None or line.path.startswith("/v1.0/")

    def _of_s3(self, line: AccessLine, name: Optional[str], seen: Optional[str]) -> Claim:
        if any(word in line.info for word in _STRANGERS):
            return Claim((UNKNOWN,))
        user = line.user or ""
        if seen and user and line.status < 400:
            if self._users.get(user, seen) != seen:
                self._users[user] = ""  # a user of several accounts: from now on his name says nothing
            _remember(self._users, user, seen)
        account = seen or self._users.get(user) or self._in_user(user)
        if not account:
            return ANYBODYS if user else Claim((UNKNOWN,))
        vague = line.status >= 400 or bool(_VAGUE.search(line.query))
        if not vague and name is None:
            return Claim((account,))
        return Claim(tuple(dict.fromkeys((account, UNKNOWN, *([name] if name else [])))), sure=False)

    def _in_user(self, user: str) -> str:
        account, colon, _ = user.partition(":")
        if not colon or not account:
            return ""
        return account if account.startswith(self._prefixes) else self._prefixes[0] + account


def _remember(table: Dict[str, str], key: str, value: str) -> None:
    table.setdefault(key, value)
    if len(table) > REMEMBERED:
        del table[next(iter(table))]
