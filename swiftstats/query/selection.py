"""Which accounts a table is of: what is asked for, cut to what the caller may read; walked by name in bounded batches."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Iterator, Optional, Sequence

from sqlalchemy import Connection

from swiftstats.petnames import is_within
from swiftstats.query.table_question import TableQuestion
from swiftstats.store import many, petnames
from swiftstats.store.many import Found

#: Accounts of a batch: what is in memory of them at once.
BATCH = 1000
_NAME = attrgetter("name")


@dataclass(frozen=True)
class Selection:
    """Accounts by name, sorted, those that begin with one of `prefixes`: sorted, none the beginning of another, and `groups`.

    Prefix b"" is every account; `(unknown)` is among them. Of groups are those accounts that may be read: `own`, by name, and
    those that begin with one of `reach`, which is as `prefixes` are.
    """

    names: tuple[bytes, ...]
    prefixes: tuple[bytes, ...]
    groups: tuple[str, ...] = ()
    own: tuple[bytes, ...] = ()
    reach: tuple[bytes, ...] = ()

    def walk(self, connection: Connection, after: Optional[bytes], size: int = BATCH) -> Iterator[list[Found]]:
        """Yield the accounts after `after`, by name, bytewise, each once, at most `size` at a time."""
        sources = [_pages(connection, prefix, after, size) for prefix in self.prefixes]
        sources += [petnames.accounts(connection, group, after=after, size=size, prefix=prefix)
                    for group in self.groups for prefix in self.reach]
        names = sorted({*self.names, *self._own(connection)})
        if not names and not self.groups:
            yield from chain.from_iterable(sources)
            return
        known = many.named(connection, names)
        sources.append(iter([[each for each in known if after is None or each.name > after]]))
        merged = heapq.merge(*(chain.from_iterable(source) for source in sources), key=_NAME)
        once = (next(same) for _, same in groupby(merged, key=_NAME))
        while batch := list(islice(once, size)):
            yield batch

    def unknown_groups(self, connection: Connection) -> tuple[str, ...]:
        """Return those groups that have no petname of an account that may be read: whether others have one shows in nothing."""
        called = petnames.of(connection, self.own).values()
        return tuple(group for group in self.groups if not any(is_within(name, group) for name in called)
                     and not any(petnames.is_there(connection, group, prefix=prefix) for prefix in self.reach))

    def _own(self, connection: Connection) -> list[bytes]:
        called = petnames.of(connection, self.own)
        return [account for account, name in called.items() if any(is_within(name, group) for group in self.groups)]


def select(question: TableQuestion, *, everything: bool, accounts: Sequence[bytes], prefixes: Sequence[bytes]) -> Selection:
    """Return what of a question somebody may read: everything, or these accounts, and those that begin with these prefixes.

    Of what is asked for by name nothing is left out: whoever may not read it is to be refused before.
    """
    names = {raw for _, raw in question.asked}
    own, reach = ((), (b"",)) if everything else (tuple(sorted(set(accounts))), disjoint(prefixes))
    if not (question.asked or question.prefixes or question.groups):
        return Selection(own, reach)
    of_groups = (question.groups, own, reach) if question.groups else ()
    if everything:
        return Selection(tuple(sorted(names)), disjoint(question.prefixes), *of_groups)
    names.update(name for name in accounts if name.startswith(question.prefixes))
    both = [max(one, other, key=len) for one in prefixes for other in question.prefixes
            if one.startswith(other) or other.startswith(one)]
    return Selection(tuple(sorted(names)), disjoint(both), *of_groups)


def any_petname(connection: Connection, *, everything: bool, accounts: Sequence[bytes], prefixes: Sequence[bytes]) -> bool:
    """Tell whether an account has a petname: any, or of these, and those that begin with these prefixes."""
    if petnames.of(connection, () if everything else accounts):
        return True
    return any(petnames.is_there(connection, prefix=prefix) for prefix in ((b"",) if everything else prefixes))


def _pages(connection: Connection, prefix: bytes, after: Optional[bytes], size: int) -> Iterator[list[Found]]:
    """Yield the accounts after `after` that begin with a prefix, page by page."""
    while page := many.accounts_after(connection, after=after, limit=size, prefix=prefix):
        after = page[-1].name
        yield page


def disjoint(prefixes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return prefixes in order, without those that begin with another one."""
    found: list[bytes] = []
    for each in sorted(set(prefixes)):
        if not found or not each.startswith(found[-1]):
            found.append(each)
    return tuple(found)
