"""Who counts, and what is final: servers, their writers, and the moment up to which the whole site is complete.

A writer is live until it has ended (its successor closed what it left) or is retired. A server has closed what each of its
live writers has; one that is only announced, nothing after the announcement. The site is complete through the least of its
live servers. Whatever may change that holds the one row of `site`, so the high-water mark in it never misses a
period that somebody was told is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from swiftstats import periods
from swiftstats.errors import SchemaError, UnknownServer
from swiftstats.store.losses import record_loss
from swiftstats.store.schema import losses
from swiftstats.store.schema import servers as _servers
from swiftstats.store.schema import site as _site
from swiftstats.store.schema import writers as _writers

#: The kind of loss that retiring records; it goes again where the writer comes back.
RETIRED = "retired"


@dataclass(frozen=True)
class Writer:
    """A registered writer. Its ids are the store's own: good while the store is, and not known to another one."""

    id: int
    server_id: int
    server: str
    incarnation: str
    closed_through: int
    period_seconds: int
    site_period_seconds: int  #: of the first writer that the site saw; another value than ours is to be said
    ended: bool


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


@dataclass(frozen=True)
class WriterStatus:
    """One writer as `status` shows it; moments in UTC seconds."""

    incarnation: str
    predecessor: Optional[str]
    first_period: int
    closed_through: int
    period_seconds: int
    ended_at: Optional[int]
    retired_at: Optional[int]
    last_flush: Optional[int]
    spool_bytes: int
    backlog_periods: int

    @property
    def live(self) -> bool:
        """Tell whether it is waited for."""
        return self.ended_at is None and self.retired_at is None


@dataclass(frozen=True)
class ServerStatus:
    """One server and its writers; `closed_through` is None where nothing of it is waited for."""

    name: str
    announced_at: Optional[int]
    registered_at: Optional[int]
    retired_at: Optional[int]
    closed_through: Optional[int]
    last_flush: Optional[int]
    spool_bytes: int
    backlog_periods: int
    writers: tuple[WriterStatus, ...]


@dataclass(frozen=True)
class Freshness:
    """How far the site is complete, and each live server on its own."""

    complete_through: Optional[int]  #: None while nothing is closed
    closed_through: Mapping[str, int]  #: by live server that is waited for

    def waiting_for(self, end: int) -> tuple[str, ...]:
        """Return the servers that have not closed everything before `end`, in order."""
        return tuple(sorted(name for name, closed in self.closed_through.items() if closed < end))


def register(connection: Connection, *, server: str, incarnation: str, predecessor: str | None, first_period: int,
             period_seconds: int, now: int) -> Writer:
    """Make a writer known and live, and return it; repeating it changes nothing.

    A new one has closed what lies before `first_period`. One that was retired or had ended (a copy of its spool may have
    spoken for it) is live again, and so is its server. A known incarnation under a new server name moves there: it is still
    the same counter, and counted once.
    """
    known = find(connection, incarnation)
    site = _hold(connection, [known.id] if known else [])
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
    _advance(connection)
    registered = find(connection, incarnation)
    assert registered is not None
    return registered


def find(connection: Connection, incarnation: str) -> Writer | None:
    """Return a registered writer; None for one that the store has never heard of."""
    row = connection.execute(
        select(_writers, _servers.c.name, select(_site.c.period_seconds).scalar_subquery().label("site_period_seconds"))
        .join_from(_writers, _servers, _servers.c.id == _writers.c.server_id)
        .where(_writers.c.incarnation == incarnation)).one_or_none()
    if row is None:
        return None
    return Writer(row.id, row.server_id, _text(row.name), row.incarnation, row.closed_through, row.period_seconds,
                  row.site_period_seconds, row.ended_at is not None)


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
    server_id = connection.execute(select(_servers.c.id).where(_servers.c.name == _bytes(server))).scalar()
    if server_id is None:
        raise UnknownServer(f"no server {server!r} is known; `swiftstats server list` shows who is")
    _hold(connection, [row.id for row in _live_writers(connection, server_id)])
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


def close(connection: Connection, *, writers: Sequence[Writer], through: int, ended: Sequence[Writer], now: int) -> int | None:
    """Record that `writers` have closed everything before `through`, and that `ended` will count no more.

    Returns how far the site is complete now. A retired writer that closes is live again, as is its server.
    """
    _hold(connection, [writer.id for writer in (*writers, *ended)])
    for writer in writers:
        _revive(connection, writer.id)
        connection.execute(update(_writers).where(_writers.c.id == writer.id, _writers.c.closed_through < through)
                           .values(closed_through=through))
    for writer in ended:
        connection.execute(update(_writers).where(_writers.c.id == writer.id, _writers.c.ended_at.is_(None))
                           .values(ended_at=now))
    return _advance(connection)


def hold(connection: Connection, writer: Writer, end: int) -> bool:
    """Hold still, to the end of the transaction, whether the site has completed the period that ends at `end`; tell it.

    A live writer that has not closed a period keeps the site from completing it, so its own row is enough to hold, and
    flushers do not wait for each other. What comes late holds the site. A retired writer that ships is live again.
    """
    _hold_writers(connection, [writer.id])
    row = connection.execute(select(_writers).where(_writers.c.id == writer.id)).one()
    if row.closed_through >= end or row.ended_at is not None or row.retired_at is not None:
        _hold(connection, [])
        _revive(connection, writer.id)
    mark = connection.execute(select(_site.c.complete_through)).scalar()
    return mark is not None and mark >= end


def report(connection: Connection, *, writer: Writer, now: int, spool_bytes: int, backlog_periods: int) -> None:
    """Record a flush that went through, and what is left in the spool."""
    connection.execute(update(_writers).where(_writers.c.id == writer.id).values(
        last_flush=now, spool_bytes=spool_bytes, backlog_periods=backlog_periods))


def complete_through(connection: Connection) -> Freshness:
    """Return how far the site is complete. In a `read`, ask this before any count."""
    began = connection.execute(select(func.min(_writers.c.first_period))).scalar()
    waited = {server.name: server.closed_through for server in servers(connection)
              if server.retired_at is None and server.closed_through is not None}
    least = min(waited.values(), default=None)
    if least is None or began is None or least <= began:
        return Freshness(None, waited)
    return Freshness(least, waited)


def servers(connection: Connection) -> list[ServerStatus]:
    """Return every server, retired ones too, by name."""
    writers: dict[int, list[WriterStatus]] = {}
    for row in connection.execute(select(_writers).order_by(_writers.c.id)):
        writers.setdefault(row.server_id, []).append(WriterStatus(
            row.incarnation, row.predecessor, row.first_period, row.closed_through, row.period_seconds, row.ended_at,
            row.retired_at, row.last_flush, row.spool_bytes, row.backlog_periods))
    return [_status(row, tuple(writers.get(row.id, ())))
            for row in connection.execute(select(_servers).order_by(_servers.c.name))]


def _status(row: Row[Any], writers: tuple[WriterStatus, ...]) -> ServerStatus:
    live = [writer for writer in writers if writer.live]
    closed = min((writer.closed_through for writer in live), default=row.announced_at)
    return ServerStatus(
        _text(row.name), row.announced_at, row.registered_at, row.retired_at, closed,
        max((writer.last_flush for writer in writers if writer.last_flush is not None), default=None),
        sum(writer.spool_bytes for writer in live), max((writer.backlog_periods for writer in live), default=0), writers)


def _hold(connection: Connection, writers: Sequence[int]) -> Row[Any]:
    """Hold writers, then the site, to the end of the transaction; return the site's row. In this order nobody deadlocks."""
    _hold_writers(connection, writers)
    connection.execute(update(_site).where(_site.c.id == 1).values(changes=_site.c.changes + 1))
    row = connection.execute(select(_site).where(_site.c.id == 1)).one_or_none()
    if row is None:
        raise SchemaError("the table `site` has lost its row: restore the database from a backup")
    return row


def _hold_writers(connection: Connection, writers: Sequence[int]) -> None:
    for number in sorted(set(writers)):
        connection.execute(update(_writers).where(_writers.c.id == number).values(changes=_writers.c.changes + 1))


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
    row = connection.execute(select(_servers).where(_servers.c.name == _bytes(name))).one_or_none()
    if row is None:
        connection.execute(insert(_servers).values(name=_bytes(name)))
        return _live_server(connection, name)
    if row.retired_at is not None:
        connection.execute(update(_servers).where(_servers.c.id == row.id).values(retired_at=None))
    return int(row.id)


def _live_writers(connection: Connection, server_id: int) -> Sequence[Row[Any]]:
    return connection.execute(select(_writers).where(
        _writers.c.server_id == server_id, _writers.c.ended_at.is_(None), _writers.c.retired_at.is_(None),
    ).order_by(_writers.c.id)).all()


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return bytes(name).decode("utf-8", "surrogateescape")
