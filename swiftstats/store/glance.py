"""What every answer begins with, in one statement: the account, how far the site is complete, and whether there is more to say.

Mostly there is not: no loss, no correction, nobody that is waited for. Who is, and what they were, is then not asked.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from sqlalchemy import BindParameter, Connection, bindparam, exists, func, select

from swiftstats.periods import DAY
from swiftstats.store import completeness
from swiftstats.store.schema import accounts, corrections, kept, losses, writers


class Glance(NamedTuple):
    """At a range and an account: `complete_through` is the whole site's, None while nothing is closed."""

    account_id: Optional[int]  #: good for this transaction only; None: the account was never seen
    complete_through: Optional[int]
    has_losses: bool  #: whether any overlaps the range, whosever it is
    has_corrections: bool  #: whether the account has any in the range
    hours_from: int  #: the moment from which hours are kept; 0: nothing has left


# PERF: bench/sums.py; one round trip in place of seven, and made once: SQLAlchemy puts it together for longer than it takes.
_closed = completeness.closed_by_server().subquery()
_begin: BindParameter[int] = bindparam("begin")
_end: BindParameter[int] = bindparam("end")
_account: BindParameter[bytes] = bindparam("account")
_GLANCE = select(
    select(accounts.c.id).where(accounts.c.name == _account).scalar_subquery(),
    select(func.min(_closed.c.closed)).scalar_subquery(), select(func.min(writers.c.first_period)).scalar_subquery(),
    exists().where(losses.c.begin < _end, losses.c.end > _begin),
    exists().where(accounts.c.name == _account, corrections.c.account_id == accounts.c.id,
                   corrections.c.period >= _begin, corrections.c.period < _end),
    select(kept.c.hours_from).scalar_subquery())


def at(connection: Connection, account: bytes, begin: int, end: int) -> Glance:
    """Return what there is at [begin, end). In a `read`, ask this before any count."""
    given = {"account": account, "begin": begin, "end": end}
    number, least, began, lost, corrected, day = connection.execute(_GLANCE, given).one()
    return Glance(number, completeness.through(least, began), bool(lost), bool(corrected), (day or 0) * DAY)
