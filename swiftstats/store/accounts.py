"""How many accounts the dictionary has, counted no further than asked: nobody reads a million to say that they are many."""

from __future__ import annotations

from typing import Sequence

from sqlalchemy import Connection, func, select

from swiftstats.store.many import beginning
from swiftstats.store.schema import accounts


def number(connection: Connection, *, at_most: int, prefixes: Sequence[bytes] = (b"",)) -> int:
    """Return the number of accounts whose names begin with one of `prefixes`, or `at_most` where they are more."""
    found = 0
    for prefix in prefixes:
        some = select(accounts.c.id).where(*beginning(prefix)).limit(at_most - found).subquery()
        found += connection.execute(select(func.count()).select_from(some)).scalar_one()
    return found
