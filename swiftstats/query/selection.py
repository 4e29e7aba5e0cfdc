"""Which accounts a table is of: what is asked for, cut to what the caller may read; walked by name in bounded batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

from sqlalchemy import Connection

from swiftstats.query.table_question import TableQuestion
from swiftstats.store import many
from swiftstats.store.many import Found

#: Accounts of a batch: what is in memory of them at once.
BATCH = 1000


@dataclass(frozen=True)
class Selection:
    """Accounts by name, sorted, and those that begin with one of `prefixes`: sorted, none the beginning of another.

    Prefix b"" is every account; `(unknown)` is among them.
    """

    names: tuple[bytes, ...]
    prefixes: tuple[bytes, ...]

    def walk(self, connection: Connection, after: Optional[bytes], size: int = BATCH) -> Iterator[list[Found]]:
        """Yield the accounts after `after`, by name, bytewise, each once, at most `size` at a time."""
        known = [each for each in many.named(connection, self.names) if after is None or each.name > after]
        for prefix in self.prefixes:
            at = after
            while page := many.accounts_after(connection, after=at, limit=size, prefix=prefix):
                at = page[-1].name
                before = [each for each in known if each.name <= at and not each.name.startswith(self.prefixes)]
                known = [each for each in known if each.name > at]
                yield sorted([*page, *before], key=lambda each: each.name)
        known = [each for each in known if not each.name.startswith(self.prefixes)]
        for start in range(0, len(known), size):
            yield known[start:start + size]


def select(question: TableQuestion, *, everything: bool, accounts: Sequence[bytes], prefixes: Sequence[bytes]) -> Selection:
    """Return what of a question somebody may read: everything, or these accounts, and those that begin with these prefixes.

    Of what is asked for by name nothing is left out: whoever may not read it is to be refused before.
    """
    names = {raw for _, raw in question.asked}
    if everything:
        return Selection(tuple(sorted(names)), disjoint(question.prefixes) if question.asked or question.prefixes else (b"",))
    if question.asked or question.prefixes:
        names.update(name for name in accounts if name.startswith(question.prefixes))
        both = [max(one, other, key=len) for one in prefixes for other in question.prefixes
                if one.startswith(other) or other.startswith(one)]
        return Selection(tuple(sorted(names)), disjoint(both))
    return Selection(tuple(sorted({*names, *accounts})), disjoint(prefixes))


def disjoint(prefixes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return prefixes in order, without those that begin with another one."""
    found: list[bytes] = []
    for each in sorted(set(prefixes)):
        if not found or not each.startswith(found[-1]):
            found.append(each)
    return tuple(found)
