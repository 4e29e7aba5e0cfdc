"""Servers and their writers as `status` and `server list` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from sqlalchemy import Connection, Row, select

from swiftstats.store import schema

#: What a server can be: it counts; it is waited for and has not come; all that it had left was closed; it is gone for good.
STATES = ("live", "announced", "ended", "retired")


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

    @property
    def state(self) -> str:
        """Return what it is, in a word of STATES."""
        if self.retired_at is not None:
            return "retired"
        if any(writer.live for writer in self.writers):
            return "live"
        return "announced" if self.announced_at is not None else "ended"


def servers(connection: Connection) -> list[ServerStatus]:
    """Return every server, retired ones too, by name."""
    writers: dict[int, list[WriterStatus]] = {}
    for row in connection.execute(select(schema.writers).order_by(schema.writers.c.id)):
        writers.setdefault(row.server_id, []).append(WriterStatus(
            row.incarnation, row.predecessor, row.first_period, row.closed_through, row.period_seconds, row.ended_at,
            row.retired_at, row.last_flush, row.spool_bytes, row.backlog_periods))
    return [_status(row, tuple(writers.get(row.id, ())))
            for row in connection.execute(select(schema.servers).order_by(schema.servers.c.name))]


def _status(row: Row[Any], writers: tuple[WriterStatus, ...]) -> ServerStatus:
    live = [writer for writer in writers if writer.live]
    closed = min((writer.closed_through for writer in live), default=row.announced_at)
    return ServerStatus(
        as_text(row.name), row.announced_at, row.registered_at, row.retired_at, closed,
        max((writer.last_flush for writer in writers if writer.last_flush is not None), default=None),
        sum(writer.spool_bytes for writer in live), max((writer.backlog_periods for writer in live), default=0), writers)


def as_bytes(name: str) -> bytes:
    """Return a server's name as it is stored."""
    return name.encode("utf-8", "surrogateescape")


def as_text(name: bytes) -> str:
    """Return a server's name as it is configured."""
    return bytes(name).decode("utf-8", "surrogateescape")
