"""Who counts, and what is final: servers, their writers, and the moment up to which the whole site is complete.

A writer is live until it has ended (it is gone, and its successor closed what it left: succession.py) or is retired. A server
has closed what each of its live writers has; one that is only announced, nothing after the announcement. The site is complete
through the least of its live servers. Whatever may change that holds the one row of `site`, so the high-water mark in it never
misses a period that somebody was told is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Optional, Sequence

from sqlalchemy import ColumnElement, Connection, Row, Update, delete, exists, func, insert, select, update

from swiftstats import periods
from swiftstats.errors import SchemaError, UnknownServer
from swiftstats.store.completeness import Freshness, complete_through
from swiftstats.store.losses import record_loss
from swiftstats.store.schema import losses
from swiftstats.store.schema import servers as _servers
from swiftstats.store.schema import site as _site
from swiftstats.store.schema import sweeps as _sweeps
from swiftstats.store.schema import writers as _writers
from swiftstats.store.status import ServerStatus, WriterStatus, as_bytes, as_text, servers

__all__ = ["Freshness", "GivenUp", "Retirement", "ServerStatus", "Writer", "WriterStatus", "announce", "close",
           "complete_through", "find", "hold", "hold_site", "register", "report", "retire", "servers"]

#: The kind of loss that retiring records; it goes again where the writer comes back.
RETIRED = "retired"


@dataclass(frozen=True)
class Writer:
    """A registered writer. What is done with it checks that the database still knows its ids by this incarnation."""

    id: int
    server_id: int
    server: str
    incarnation: str
    closed_through: int
    period_seconds: int
    site_period_seconds: int  #: of the first writer that the site saw; another value than ours is to be said
    ended: bool
    sweeps: int = 0  #: how often it has swept by itself


@dataclass(frozen=True)
class GivenUp:
    """What one writer may have counted and will not be waited for: [begin, end)."""

    incarnation: str
    begin: int
    end: int


@dataclass(frozen=True)
class Retirement:
    """What retiring gave up, and how far the site is complete without it."""

    server: str
    given_up: tuple[GivenUp, ...]
    complete_through: Optional[int]


def register(connection: Connection, *, server: str, incarnation: str, predecessor: str | None, first_period: int,
             period_seconds: int, now: int, by_itself: bool = True) -> Writer:
    """Make a writer known and live, and return it; repeating it changes nothing but the number of its sweeps.

    `by_itself`: a sweep of its own does it, and not one of a spool that holds what it left. A new one has closed what lies
    before `first_period`. One that was retired or had ended (a copy of its spool may have spoken for it) is live again, and
    so is its server. A known incarnation under a new server name moves there: it is still the same counter, and counted once.
    """
    known = find(connection, incarnation)
    site = _hold(connection, [known] if known else [])
    if site.period_seconds is None:
        connection.execute(update(_site).values(period_seconds=period_seconds))
    server_id = _live_server(connection, server)
    connection.execute(update(_servers).where(_servers.c.id == server_id).values(
        announced_at=None, registered_at=func.coalesce(_servers.c.registered_at, now)))
    if known is None:
        connection.execute(insert(_writers).values(
            server_id=server_id, incarnation=incarnation, predecessor=predecessor, first_period=first_period,
            closed_through=first_period, period_seconds=period_seconds, registered_at=now, spool_bytes=0, backlog_periods=0))
    else:
        connection.execute(update(_writers).where(_writers.c.id == known.id).values(server_id=server_id, ended_at=None))
        _revive(connection, known.id)
    if by_itself:
        _count_sweep(connection, incarnation)
    _advance(connection)
    registered = find(connection, incarnation)
    assert registered is not None
    return registered


def find(connection: Connection, incarnation: str) -> Writer | None:
    """Return a registered writer; None for one that the store has never heard of."""
    row = connection.execute(
        select(_writers, _servers.c.name, select(_site.c.period_seconds).scalar_subquery().label("site_period_seconds"),
               func.coalesce(_sweeps.c.sweeps, 0).label("sweeps"))
        .select_from(_writers.join(_servers, _servers.c.id == _writers.c.server_id)
                     .outerjoin(_sweeps, _sweeps.c.incarnation == _writers.c.incarnation))
        .where(_writers.c.incarnation == incarnation)).one_or_none()
    if row is None:
        return None
    return Writer(row.id, row.server_id, as_text(row.name), row.incarnation, row.closed_through, row.period_seconds,
                  row.site_period_seconds, row.ended_at is not None, row.sweeps)


def announce(connection: Connection, *, server: str, period: int, now: int) -> None:
    """Wait for a server from `period` on, though no writer of it has registered; a retired one is live again."""
    _hold(connection, [])
    server_id = _live_server(connection, server)
    if not _live_writers(connection, server_id):
        connection.execute(update(_servers).where(_servers.c.id == server_id).values(announced_at=period))
    _advance(connection)


def retire(connection: Connection, *, server: str, writer: str | None, now: int) -> Retirement:
    """Wait no longer for a server, or for one writer of it (its incarnation); record and return what that gives up.

    That is everything from where each writer has closed to the end of the period of `now`. Raises UnknownServer.
    """
    server_id = connection.execute(select(_servers.c.id).where(_servers.c.name == as_bytes(server))).scalar()
    if server_id is None:
        raise UnknownServer(f"no server {server!r} is known; `swiftstats server list` shows who is")
    _hold(connection, _live_writers(connection, server_id))
    if writer is None:
        connection.execute(update(_servers).where(_servers.c.id == server_id, _servers.c.retired_at.is_(None))
                           .values(retired_at=now, announced_at=None))
    else:
        known = find(connection, writer)
        if known is None or known.server_id != server_id:
            raise UnknownServer(f"server {server!r} has no writer {writer!r}; `swiftstats server list` shows who is")
    given_up = []
    for row in _live_writers(connection, server_id):
        if writer is not None and row.incarnation != writer:
            continue
        connection.execute(update(_writers).where(_writers.c.id == row.id).values(retired_at=now))
        end = periods.floor(now, row.period_seconds) + row.period_seconds
        if row.closed_through < end:
            given_up.append(GivenUp(row.incarnation, row.closed_through, end))
            record_loss(connection, server_id=server_id, writer_id=row.id, begin=row.closed_through, end=end, kind=RETIRED,
                        detail="not waited for: retired by command", now=now)
    return Retirement(server, tuple(given_up), _advance(connection))


def close(connection: Connection, *, writers: Sequence[Writer], through: int, ended: Sequence[Writer], now: int,
          left: Sequence[Writer] = ()) -> int | None:
    """Record that `writers` have closed everything before `through`, and that `ended` will count no more.

    left: those that will count no more either, and of which something is still to be shipped, none of it before `through`. Of
    `ended` and `left` those stay as they are that have swept since they were read: whoever takes them for gone is mistaken.
    Returns how far the site is complete now. A retired writer that closes is live again, as is its server.
    """
    _hold(connection, {*writers, *ended, *left})
    for writer in writers:
        _revive(connection, writer.id)
        connection.execute(_closed(writer, through))
    for writer in left:
        connection.execute(_closed(writer, through).where(_not_swept_since(writer)))
    for writer in ended:
        connection.execute(update(_writers).where(_writers.c.id == writer.id, _writers.c.ended_at.is_(None),
                                                  _not_swept_since(writer)).values(ended_at=now))
    return _advance(connection)


def _closed(writer: Writer, through: int) -> Update:
    return update(_writers).where(_writers.c.id == writer.id, _writers.c.closed_through < through).values(closed_through=through)


def _not_swept_since(writer: Writer) -> ColumnElement[bool]:
    return ~exists().where(_sweeps.c.incarnation == writer.incarnation, _sweeps.c.sweeps > writer.sweeps)


def hold(connection: Connection, writer: Writer, end: int) -> bool:
    """Hold still, to the end of the transaction, whether the site has completed the period that ends at `end`; tell it.

    A live writer that has not closed a period keeps the site from completing it, so its own row is enough to hold, and
    flushers do not wait for each other. What comes late holds the site. A retired writer that ships is live again.
    """
    _hold_writers(connection, [writer])
    row = connection.execute(select(_writers).where(_writers.c.id == writer.id)).one()
    if row.closed_through >= end or row.ended_at is not None or row.retired_at is not None:
        _hold(connection, [])
    mark = connection.execute(select(_site.c.complete_through)).scalar()
    if row.retired_at is not None:
        _revive(connection, writer.id)
        _advance(connection)  # where nobody else is live, the site is complete again through what this one had closed
    return mark is not None and mark >= end


def hold_site(connection: Connection) -> Freshness:
    """Hold still, to the end of the transaction, how far each server has closed; return it.

    Nobody registers meanwhile, or merges what comes late for a period that its writer has closed.
    """
    _hold(connection, [])
    return complete_through(connection)


def report(connection: Connection, *, writer: Writer, now: int, spool_bytes: int, backlog_periods: int) -> None:
    """Record a flush that went through, and what is left in the spool."""
    connection.execute(update(_writers).where(_writers.c.incarnation == writer.incarnation).values(
        last_flush=now, spool_bytes=spool_bytes, backlog_periods=backlog_periods))
    _count_sweep(connection, writer.incarnation)


def _count_sweep(connection: Connection, incarnation: str) -> None:
    """Take note that a writer lives."""
    counted = connection.execute(update(_sweeps).where(_sweeps.c.incarnation == incarnation)
                                 .values(sweeps=_sweeps.c.sweeps + 1))
    if counted.rowcount == 0:
        connection.execute(insert(_sweeps).values(incarnation=incarnation, sweeps=1))


def _hold(connection: Connection, writers: Iterable[Any]) -> Row[Any]:
    """Hold writers, then the site, to the end of the transaction; return the site's row. In this order nobody deadlocks."""
    _hold_writers(connection, writers)
    connection.execute(update(_site).where(_site.c.id == 1).values(changes=_site.c.changes + 1))
    row = connection.execute(select(_site).where(_site.c.id == 1)).one_or_none()
    if row is None:
        raise SchemaError("the table `site` has lost its row: restore the database from a backup")
    return row


def _hold_writers(connection: Connection, writers: Iterable[Any]) -> None:
    """Hold writers, or their rows; raise UnknownServer where one is not what it was, since the database is another one.

    Or was restored in the middle of a sweep: then it knows of fewer sweeps, and what the sweep has shipped by now is gone.
    """
    for writer in sorted(writers, key=lambda writer: writer.id):
        known = [_writers.c.id == writer.id, _writers.c.incarnation == writer.incarnation,
                 _writers.c.server_id == writer.server_id]
        swept = getattr(writer, "sweeps", 0)  # rows of writers that an operator retires are of no sweep
        if swept:
            known.append(exists().where(_sweeps.c.incarnation == writer.incarnation, _sweeps.c.sweeps >= swept))
        held = connection.execute(update(_writers).where(*known).values(changes=_writers.c.changes + 1))
        if held.rowcount != 1:
            raise UnknownServer(f"the database does not know writer {writer.incarnation} as it did: it was restored or replaced,"
                                " or the server renamed; the writer is to be registered again")


def _advance(connection: Connection) -> int | None:
    """Raise the high-water mark to where the site is complete now; return the latter. The caller holds the site."""
    complete = complete_through(connection).complete_through
    if complete is not None:
        mark = _site.c.complete_through
        connection.execute(update(_site).where(_site.c.id == 1, mark.is_(None) | (mark < complete))
                           .values(complete_through=complete))
    return complete


def _revive(connection: Connection, writer_id: int) -> None:
    """Make a retired writer and its server live again; what retiring it gave up is waited for again, and no loss."""
    row = connection.execute(select(_writers).where(_writers.c.id == writer_id)).one()
    if row.retired_at is None:
        return
    connection.execute(update(_writers).where(_writers.c.id == writer_id).values(retired_at=None))
    connection.execute(update(_servers).where(_servers.c.id == row.server_id).values(retired_at=None))
    if row.ended_at is None:  # whom an announcement was for has come
        connection.execute(update(_servers).where(_servers.c.id == row.server_id).values(announced_at=None))
    connection.execute(delete(losses).where(losses.c.writer_id == writer_id, losses.c.kind == RETIRED))


def _live_server(connection: Connection, name: str) -> int:
    """Return the id of a server, having added it, or made it live again, where needed."""
    row = connection.execute(select(_servers).where(_servers.c.name == as_bytes(name))).one_or_none()
    if row is None:
        connection.execute(insert(_servers).values(name=as_bytes(name)))
        return _live_server(connection, name)
    if row.retired_at is not None:
        connection.execute(update(_servers).where(_servers.c.id == row.id).values(retired_at=None))
    return int(row.id)


def _live_writers(connection: Connection, server_id: int) -> Sequence[Row[Any]]:
    return connection.execute(select(_writers).where(
        _writers.c.server_id == server_id, _writers.c.ended_at.is_(None), _writers.c.retired_at.is_(None),
    ).order_by(_writers.c.id)).all()
