"""How many accounts the dictionary has, counted no further than asked: no page reads a million to say that they are many."""

from __future__ import annotations

from typing import Optional, Sequence

from sqlalchemy import Connection, and_, false, func, or_, select, true

from swiftstats import fields
from swiftstats.store.many import beginning
from swiftstats.store.schema import accounts


def number(connection: Connection, *, at_most: Optional[int] = None, prefixes: Sequence[bytes] = (b"",),
           unknown: bool = True) -> int:
    """Return the number of accounts whose names begin with one of `prefixes`, or `at_most` where they are more.

    unknown: whether `(unknown)` is one of them.
    """
    begin_so = or_(false(), *(and_(true(), *beginning(prefix)) for prefix in prefixes))
    named = true() if unknown else accounts.c.name != fields.UNKNOWN.encode()
    some = select(accounts.c.id).where(begin_so, named).limit(at_most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()
