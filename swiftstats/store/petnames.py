"""Petnames: what this site calls its accounts, known or not yet; and the accounts of a group of them.

They are no part of usage: nothing that is counted depends on one, no other site is sent one, and whoever reads them reads what
stands now. Two accounts may have the same.
"""

from __future__ import annotations

from itertools import islice
from typing import Iterator, Mapping, NamedTuple, Optional, Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from swiftstats.petnames import SEPARATOR, is_within
from swiftstats.store import many, upsert
from swiftstats.store.many import Found, beginning
from swiftstats.store.schema import petname_changes, petnames

#: Petnames that one statement of a whole list reads.
PAGE = 1000
#: Accounts of a group that are put in order at once. A larger one is picked out of all petnames, which one pass over them
#: does, where a page by page order of the group would sort it once for each page.
GROUP = 10_000


class Petname(NamedTuple):
    """An account, by its raw name with the prefix, and what it is called here."""

    account: bytes
    name: str


class Group(NamedTuple):
    """A group, how many accounts are called just so, and how many with all below."""

    name: str
    own: int
    total: int


def put(connection: Connection, names: Mapping[bytes, str]) -> None:
    """Give accounts their petnames, which are checked; one that an account had is replaced."""
    _change(connection)
    upsert.latest(connection, petnames, [(account, names[account].encode()) for account in sorted(names)])


def remove(connection: Connection, names: Sequence[bytes]) -> int:
    """Take the petnames of accounts away; return how many had one."""
    _change(connection)
    gone = 0
    for start in range(0, len(names), upsert.NAMES):
        gone += connection.execute(delete(petnames).where(petnames.c.account.in_(names[start:start + upsert.NAMES]))).rowcount
    return gone


def version(connection: Connection) -> int:
    """Return a number that is another one whenever a petname may be."""
    return connection.execute(select(petname_changes.c.changes)).scalar() or 0


def of(connection: Connection, names: Sequence[bytes]) -> dict[bytes, str]:
    """Return the petnames of a batch of accounts, by raw name; an account without one is not in it."""
    found: dict[bytes, str] = {}
    for start in range(0, len(names), upsert.NAMES):
        query = select(petnames).where(petnames.c.account.in_(names[start:start + upsert.NAMES]))
        found.update((bytes(account), bytes(name).decode()) for account, name in connection.execute(query))
    return found


def listed(connection: Connection, group: Optional[str] = None) -> Iterator[Petname]:
    """Yield every petname, or a group's with all below, by name and account; bounded in memory."""
    key = (petnames.c.name, petnames.c.account)
    query = select(petnames.c.account, petnames.c.name).where(*_within(group)).order_by(*key).limit(PAGE)
    page = list(connection.execute(query))
    while page:
        yield from (Petname(bytes(account), bytes(name).decode()) for account, name in page)
        account, name = page[-1]
        after = or_(petnames.c.name > name, and_(petnames.c.name == name, petnames.c.account > account))
        page = list(connection.execute(query.where(after)))


def groups(connection: Connection) -> list[Group]:
    """Return every group that has anything below it, by name; memory is that of the groups."""
    below: dict[str, int] = {}
    for each in listed(connection):
        parts = each.name.split(SEPARATOR)
        for length in range(1, len(parts)):
            group = SEPARATOR.join(parts[:length])
            below[group] = below.get(group, 0) + 1
    names = sorted(below)
    own: dict[str, int] = {}
    for start in range(0, len(names), upsert.NAMES):
        asked = [name.encode() for name in names[start:start + upsert.NAMES]]
        query = select(petnames.c.name, func.count()).where(petnames.c.name.in_(asked)).group_by(petnames.c.name)
        own.update((bytes(name).decode(), number) for name, number in connection.execute(query))
    return [Group(name, own.get(name, 0), own.get(name, 0) + below[name]) for name in names]


def is_there(connection: Connection, group: Optional[str] = None, *, prefix: bytes = b"") -> bool:
    """Tell whether a petname, in a group or below, is of an account whose name begins with `prefix`, used or not."""
    query = select(petnames.c.account).where(*_within(group), *beginning(prefix, petnames.c.account))
    return connection.execute(query.limit(1)).first() is not None


def accounts(connection: Connection, group: str, *, after: Optional[bytes], size: int, prefix: bytes = b"",
             ) -> Iterator[list[Found]]:
    """Yield the accounts of a group with all below, those of the dictionary that begin with `prefix`, after `after`, by name."""
    wanted = [*beginning(prefix, petnames.c.account), *([] if after is None else [petnames.c.account > after])]
    query = select(petnames.c.account).where(*_within(group), *wanted)
    if connection.execute(select(func.count()).select_from(query.limit(GROUP + 1).subquery())).scalar_one() > GROUP:
        names = _through(connection, group, wanted)
    else:
        names = iter(sorted(bytes(account) for account in connection.execute(query).scalars()))
    while batch := list(islice(names, size)):
        yield many.named(connection, batch)


def _through(connection: Connection, group: str, wanted: Sequence[ColumnElement[bool]]) -> Iterator[bytes]:
    """Yield the accounts of a group, by name, out of all petnames."""
    query = select(petnames.c.account, petnames.c.name).where(*wanted).order_by(petnames.c.account).limit(PAGE)
    page = list(connection.execute(query))
    while page:
        yield from (bytes(account) for account, name in page if is_within(bytes(name).decode(), group))
        page = list(connection.execute(query.where(petnames.c.account > page[-1].account)))


def _within(group: Optional[str]) -> list[ColumnElement[bool]]:
    """Return what keeps the petnames of a group: itself, and the range of the key that begins with it and a separator."""
    if group is None:
        return []
    name = group.encode()
    below, behind = name + SEPARATOR.encode(), name + bytes([ord(SEPARATOR) + 1])
    return [or_(petnames.c.name == name, and_(petnames.c.name >= below, petnames.c.name < behind))]


def _change(connection: Connection) -> None:
    """Take note of a change, before it: of two at once the second waits."""
    upsert.maximum(connection, petname_changes, [(1, 0)], ())
    connection.execute(update(petname_changes).values(changes=petname_changes.c.changes + 1))
