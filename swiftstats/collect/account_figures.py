"""What Swift says of one account, in rows of its database or in headers of an answer, as a Report: exact, or refused.

Swift keeps these figures in SQLite, which turns to floats beyond 2^63-1; a float, a negative number, a NULL or anything else
that is no whole number from 0 to 2^63-1 is put aside by the account's name, and never rounded. A split by policy stands only
where it adds up to the account.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Iterable, Mapping, Sequence
from urllib.parse import quote

from swiftstats.errors import Unread
from swiftstats.store.space import PolicyFigures, Report, UnfitReport, is_account

_POLICY = re.compile(r"x-account-storage-policy-(.+)-(container-count|object-count|bytes-used)\Z", re.IGNORECASE)


def shown(account: bytes) -> str:
    """Write an account's name as logs have it and the file of accounts takes it: percent-encoded, so on one line."""
    return quote(account, safe="")


def of_rows(rows: Sequence[Sequence[Any]], policies: Mapping[int, str], *, path: str, replica: str, position: int, read_at: int,
            ) -> Report:
    """Return what the rows of an account's database say; raise Unread.

    A row is (account, status, put and delete timestamp, containers, objects, bytes; a policy's index, containers, objects,
    bytes), one per storage policy, or one with None for the index; the first seven are the same in all. Texts are bytes.
    `policies`: names by index.
    """
    if not rows:
        raise Unread(path, "the database is empty", lasting=True)
    # PERF: by position, and no dict per row: this runs for each database of a device (bench/space.py).
    account, status, put, deleted, containers, objects, size = rows[0][:7]
    try:
        if status == b"DELETED" or containers == 0 and _moment(deleted) > _moment(put):
            return gone(account, "deleted", replica=replica, position=position, read_at=read_at)
        split = tuple([PolicyFigures(policies.get(row[7]) or f"policy-{row[7]}", row[8], row[9], row[10])
                       for row in rows if row[7] is not None])
        return _added_up(Report(account, replica, position, read_at, "active", containers, objects, size, split))
    except UnfitReport as error:
        raise _put_aside(error, path) from None


def of_headers(account: bytes, headers: Iterable[tuple[str, str]], policies: Mapping[str, str], *, replica: str, position: int,
               read_at: int, containers: Sequence[tuple[bytes, int, int]] | None = None) -> Report:
    """Return what the headers of an answer say; raise Unread.

    `policies`: names by their lower-case form, since headers come in whatever case. `containers`: (name, objects, bytes).
    """
    given: dict[str, str] = {}
    split: dict[str, dict[str, str]] = {}
    for header, value in headers:
        match = _POLICY.match(header)
        if match:
            split.setdefault(policies.get(match[1].lower(), match[1]), {})[match[2].lower()] = value
        else:
            given[header.lower()] = value
    try:
        return _added_up(Report(
            account, replica, position, read_at, "active", _whole(given.get("x-account-container-count")),
            _whole(given.get("x-account-object-count")), _whole(given.get("x-account-bytes-used")),
            # Databases of old versions do not tell a policy's containers.
            tuple(PolicyFigures(name, _whole(found["container-count"]) if "container-count" in found else None,
                                _whole(found.get("object-count")), _whole(found.get("bytes-used")))
                  for name, found in sorted(split.items())),
            None if containers is None else tuple(containers),
        ))
    except UnfitReport as error:
        raise _put_aside(error, shown(account)) from None


def gone(account: bytes, status: str, *, replica: str, position: int, read_at: int) -> Report:
    """Return the report of an account that is `deleted` or `missing`: zeros, whatever counts its database still has."""
    return Report(account, replica, position, read_at, status, 0, 0, 0)


def unread(account: bytes, reason: str, *, lasting: bool = False) -> Unread:
    """Return that an account could not be read; it is to be tried again, where that is not `lasting`."""
    return Unread(shown(account), reason, lasting=lasting, account=account)


def _added_up(report: Report) -> Report:
    """Return a report as it is where its policies add up to the account, else without them.

    An account server leaves out policies that its swift.conf does not know (any more).
    """
    policies = report.policies
    if not policies:
        return report
    told = [each.containers for each in policies if each.containers is not None]
    whole = (sum(each.objects for each in policies), sum(each.bytes for each in policies)) == (report.objects, report.bytes)
    if whole and (len(told) < len(policies) or sum(told) == report.containers):
        return report
    return replace(report, policies=())


def _put_aside(error: UnfitReport, subject: str) -> Unread:
    account = error.account if isinstance(error.account, bytes) and is_account(error.account) else None
    return Unread(subject if account is None else shown(account), f"put aside: {error.trouble}", lasting=True, account=account)


def _whole(value: str | None) -> Any:
    """Return a header's whole number; anything else as it is, for Report to refuse."""
    return int(value) if value is not None and re.fullmatch(r"\d{1,19}", value, re.ASCII) else value


def _moment(timestamp: bytes | None) -> tuple[float, str]:
    """Return what Swift's timestamps sort by: seconds, and an offset after `_` in hexadecimal digits of equal length."""
    seconds, _, offset = (timestamp or b"0").decode("ascii", "replace").partition("_")
    try:
        return float(seconds), offset
    except ValueError:
        return 0.0, ""
