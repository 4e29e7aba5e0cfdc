"""What is known to be missing from the totals: recorded once, merged by maximum like everything that is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from sqlalchemy import Connection, func, select

from swiftstats.fields import CELL_INDEX, NAME_BYTES, REQUEST_CELLS, STORED_MAX
from swiftstats.store import dialects, upsert
from swiftstats.store.schema import losses, servers, writers
from swiftstats.store.status import as_text

#: Kinds of losses that are of one account, which is their subject.
REFUSED = "refused"
OVERFLOW = "overflow"
OF_AN_ACCOUNT = (REFUSED, OVERFLOW)

#: Characters of `detail` that are kept.
DETAIL = 1000


@dataclass(frozen=True)
class Loss:
    """Requests and bytes (0: not known) of [begin, end) that are in no total; `kind` and `detail` say why."""

    server: str
    incarnation: Optional[str]  #: None where no writer is to blame
    begin: int
    end: int
    kind: str
    subject: bytes
    requests: int
    bytes_in: int
    bytes_out: int
    detail: str
    recorded_at: int


@dataclass(frozen=True)
class Lost:
    """All recorded losses of one kind and server together; `recorded_at`: when the last of them was."""

    server: str
    kind: str
    losses: int
    requests: int
    bytes_in: int
    bytes_out: int
    recorded_at: int


def record_loss(connection: Connection, *, server_id: int, writer_id: int, begin: int, end: int, kind: str,
                subject: bytes = b"", requests: int = 0, bytes_in: int = 0, bytes_out: int = 0, detail: str = "",
                now: int) -> None:
    """Record a loss; recorded again it changes nothing, and what grew since is kept by maximum. `writer_id` 0: none."""
    record_losses(connection, [(subject, (requests, bytes_in, bytes_out))], server_id=server_id, writer_id=writer_id,
                  begin=begin, end=end, kind=kind, detail=detail, now=now)


def record_refused(connection: Connection, *, server_id: int, writer_id: int, begin: int, end: int,
                   rows: Sequence[tuple[bytes, Sequence[int]]], now: int) -> None:
    """Record totals (name, cells) of [begin, end) that came when its hours had left: a loss of each account that has any."""
    record_losses(connection, [(name, _lost_with(cells)) for name, cells in sorted(rows) if any(cells)],
                  server_id=server_id, writer_id=writer_id, begin=begin, end=end, kind=REFUSED,
                  detail="came after its hours had left: not applied", now=now)


def record_losses(connection: Connection, lost: Sequence[tuple[bytes, tuple[int, int, int]]], *, server_id: int, writer_id: int,
                  begin: int, end: int, kind: str, detail: str, now: int) -> None:
    """Record (subject, (requests, bytes in, bytes out)) that are of one kind."""
    rows = [(server_id, writer_id, begin, end, kind, subject[:NAME_BYTES], *amounts, detail[:DETAIL], now)
            for subject, amounts in lost]
    upsert.maximum(connection, losses, rows, ("end", "requests", "bytes_in", "bytes_out"))


def losses_between(connection: Connection, begin: int, end: int) -> list[Loss]:
    """Return the losses that overlap [begin, end), by begin, server and kind."""
    query = (
        select(servers.c.name, writers.c.incarnation, *list(losses.c)[3:])
        .select_from(losses.join(servers, servers.c.id == losses.c.server_id)
                     .outerjoin(writers, writers.c.id == losses.c.writer_id))
        .where(losses.c.begin < end, losses.c.end > begin)
        .order_by(losses.c.begin, servers.c.name, losses.c.kind, losses.c.subject)
    )
    return [Loss(as_text(name), incarnation, begin, end, kind, bytes(subject), *rest)
            for name, incarnation, begin, end, kind, subject, *rest in connection.execute(query)]


def spans(connection: Connection, begin: int, end: int, *, account: Optional[bytes] = None) -> list[tuple[int, int]]:
    """Return the spans that losses which overlap [begin, end) are of, each once, ascending: some periods, however many losses.

    Of any account; with `account`, those that may be that account's: all may, but for those whose subject is another one.
    """
    query = select(losses.c.begin, losses.c.end).distinct().where(losses.c.begin < end, losses.c.end > begin)
    if account is not None:
        query = query.where(losses.c.kind.not_in(OF_AN_ACCOUNT) | (losses.c.subject == account))
    return [(begin, end) for begin, end in connection.execute(query.order_by(losses.c.begin, losses.c.end))]


def lost(connection: Connection) -> list[Lost]:
    """Return what every recorded loss adds up to, by server and kind; exact beyond 2^63."""
    exact_sum = dialects.of(connection).exact_sum
    halves = [half for name in ("requests", "bytes_in", "bytes_out") for half in exact_sum(losses.c[name])]
    query = (select(servers.c.name, losses.c.kind, func.count(), func.max(losses.c.recorded_at), *halves)
             .select_from(losses.join(servers, servers.c.id == losses.c.server_id))
             .group_by(servers.c.name, losses.c.kind).order_by(servers.c.name, losses.c.kind))
    found = []
    for name, kind, number, recorded_at, *halves in connection.execute(query):
        requests, bytes_in, bytes_out = (int(high) * 2**32 + int(low) for high, low in zip(halves[::2], halves[1::2]))
        found.append(Lost(as_text(name), kind, number, requests, bytes_in, bytes_out, recorded_at))
    return found


def count_by_server(connection: Connection) -> dict[str, int]:
    """Return how many losses are recorded of each server that has any."""
    query = (select(servers.c.name, func.count()).join_from(losses, servers, servers.c.id == losses.c.server_id)
             .group_by(servers.c.name))
    return {as_text(name): number for name, number in connection.execute(query)}


def _lost_with(cells: Sequence[int]) -> tuple[int, int, int]:
    requests = sum(cells[cell] for cell in REQUEST_CELLS)
    return min(requests, STORED_MAX), cells[CELL_INDEX["passed_in"]], cells[CELL_INDEX["passed_out"]]
