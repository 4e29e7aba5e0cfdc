"""What one replica says of one account's space, and how that is written into a row.

Nothing is rounded: what does not fit into 0 to 2^63-1, or is no integer (Swift's own SQLite turns to floats there), is refused
when the report is made, by the account's name, so that it never takes a batch of others with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from swiftstats.errors import SwiftStatsError
from swiftstats.fields import NAME_BYTES, STORED_MAX
from swiftstats.names import text_of
from swiftstats.store.schema import REPLICA_BYTES

ACTIVE, DELETED, MISSING = "active", "deleted", "missing"
#: Statuses by their number in the tables. All but the first occupy nothing.
STATUSES = (ACTIVE, DELETED, MISSING)
#: Of an account in `space_accounts`: it was found, and never read.
UNREAD = len(STATUSES)
#: Of a row: no containers were listed by name.
NOT_LISTED = -1

#: By which a replica's later word is told: the time of reading, then whatever is greater, so that there is always one.
LATER = ("read_at", "status", "bytes", "objects", "containers", "position", "listed", "policies")

#: A container by name: (name, objects, bytes).
Listed = tuple[bytes, int, int]


class UnfitReport(SwiftStatsError, ValueError):
    """A report whose figures or names cannot be stored as they are."""

    def __init__(self, account: object, trouble: str) -> None:
        self.account, self.trouble = account, trouble
        shown = text_of(account) if isinstance(account, bytes) else repr(account)
        super().__init__(f"account {shown}: {trouble}")


@dataclass(frozen=True)
class PolicyFigures:
    """What of an account lies in one storage policy; `containers` is None where Swift does not tell."""

    name: str
    containers: Optional[int]
    objects: int
    bytes: int


@dataclass(frozen=True)
class Report:
    """What `replica` (`SERVER/DEVICE`, or `proxy`) said of an account when it was read, at `read_at`.

    `position`: in the ring, primaries from 0, then handoffs. `status`: "active"; "deleted"; "missing", never there; the latter
    two count as nothing, whatever figures they still have. `policies`: () where Swift does not tell. `containers_by_name`:
    (name, objects, bytes) each, None where they were not listed. Raises UnfitReport, which is a ValueError.
    """

    account: bytes
    replica: str
    position: int
    read_at: int
    status: str
    containers: int
    objects: int
    bytes: int
    policies: tuple[PolicyFigures, ...] = ()
    containers_by_name: Optional[tuple[Listed, ...]] = None

    def __post_init__(self) -> None:
        if not isinstance(self.account, bytes) or not is_account(self.account):
            raise UnfitReport(self.account, f"no account's name: 1 to {NAME_BYTES} bytes without / or NUL")
        if not 0 < len(self.replica.encode("utf-8", "surrogateescape")) <= REPLICA_BYTES:
            raise UnfitReport(self.account, f"replica {self.replica!r} is no name of 1 to {REPLICA_BYTES} bytes")
        if self.status not in STATUSES:
            raise UnfitReport(self.account, f"status {self.status!r} is none of {', '.join(STATUSES)}")
        if not _is_count(self.position) or self.position >= 2**31 or not _is_count(self.read_at):
            raise UnfitReport(self.account, f"position {self.position!r} or time {self.read_at!r} is no count")
        if self.status == ACTIVE:
            self._check_figures()

    def _check_figures(self) -> None:
        found = [("containers", self.containers), ("objects", self.objects), ("bytes", self.bytes)]
        for policy in self.policies:
            of = f" of policy {policy.name}"
            found += [("containers" + of, policy.containers or 0), ("objects" + of, policy.objects), ("bytes" + of, policy.bytes)]
        for name, objects, size in self.containers_by_name or ():
            if not _is_name(name):
                raise UnfitReport(self.account, f"{name!r} is no container's name: 1 to {NAME_BYTES} bytes without NUL")
            if not _is_count(objects) or not _is_count(size):
                found += [(f"objects of container {name!r}", objects), (f"bytes of container {name!r}", size)]
        for what, value in found:
            if not _is_count(value):
                raise UnfitReport(self.account, f"{what}: {value!r} is no whole number from 0 to 2^63-1")

    def row(self) -> tuple[Any, ...]:
        """Return the columns of a level, in their order: position … policies."""
        if self.status != ACTIVE:
            return (self.position, self.read_at, STATUSES.index(self.status), 0, 0, 0, NOT_LISTED, b"")
        listed = NOT_LISTED if self.containers_by_name is None else len(self.containers_by_name)
        return (self.position, self.read_at, 0, self.containers, self.objects, self.bytes, listed, _written(self.policies))


def figures_of(policies: bytes) -> tuple[PolicyFigures, ...]:
    """Return the policies of a row."""
    found: Mapping[str, Sequence[Any]] = json.loads(policies) if policies else {}
    return tuple(PolicyFigures(name, *figures) for name, figures in found.items())


def is_account(name: bytes) -> bool:
    """Tell whether Swift may have an account of that name."""
    return _is_name(name) and b"/" not in name


def _written(policies: Sequence[PolicyFigures]) -> bytes:
    """Write policies so that the same ones are always the same bytes; two of one name are a bug of the caller."""
    if not policies:
        return b""
    found = {each.name: [each.containers, each.objects, each.bytes] for each in policies}
    return json.dumps(found, sort_keys=True, separators=(",", ":")).encode()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= STORED_MAX  # neither bool nor float


def _is_name(name: bytes) -> bool:
    return 0 < len(name) <= NAME_BYTES and b"\0" not in name
