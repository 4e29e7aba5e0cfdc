"""What there is, listed by the service: accounts, servers, and the fields of tables; in pages, or whole as a stream."""

from __future__ import annotations

from itertools import islice
from typing import Any, Callable, Iterator, Sequence

from sqlalchemy import Connection
from webob import Response  # type: ignore[import-untyped]

from swiftstats import fields as known
from swiftstats import periods
from swiftstats.api.body import Body, streamed
from swiftstats.api.many_accounts import Sent, asked
from swiftstats.api.service import Environ, Service
from swiftstats.api.table_params import TableGiven
from swiftstats.names import text_of
from swiftstats.query import selection, table_header
from swiftstats.query.question import BadQuestion, fault
from swiftstats.query.table_question import marker_of
from swiftstats.represent import listing
from swiftstats.represent.listing import Listing
from swiftstats.store import engine as store
from swiftstats.store import losses, petnames, status
from swiftstats.store.many import Found


def accounts(service: Service, environ: Environ, given: TableGiven) -> Response:
    """Answer the accounts that the caller may read: a page of them, or all."""
    given.only("account_prefix", "limit", "marker")
    question, scope, chosen = asked(service, environ, given)
    sent = Sent(environ, scope)
    pages = given.format.page is not None

    def pieces() -> Iterator[Any]:
        with store.read(service.engine) as connection:
            batches = chosen.walk(connection, question.marker, min(question.limit + 1, selection.BATCH))
            found: Iterator[Found] = (each for batch in batches for each in batch)
            following = None
            if pages:
                page = [each for each, _ in zip(found, range(question.limit + 1))]
                if len(page) > question.limit:
                    following = marker_of(page[question.limit - 1].name)
                found = iter(page[:question.limit])
            rows = sent.counted(_called(connection, found))
            yield from _written(given, Listing("accounts", "account", ("account", "petname"), rows, following))

    return _listed(environ, given, pieces(), sent.ended)


def _called(connection: Connection, found: Iterator[Found]) -> Iterator[tuple[str, str | None]]:
    """Yield accounts with their petnames, some at a time."""
    while batch := list(islice(found, selection.BATCH)):
        named = petnames.of(connection, [each.name for each in batch])
        yield from ((text_of(each.name), named.get(each.name)) for each in batch)


def servers(service: Service, environ: Environ, given: TableGiven) -> Response:
    """Answer the servers and how far each has closed, to those who may read every account: a page of them, or all."""
    given.only("limit", "marker")
    service.rules.everything(environ, "/servers")
    service.check_schema()
    with store.read(service.engine) as connection:
        now = service.now(connection)
        found, lost = status.servers(connection), losses.count_by_server(connection)
    rows = [(each.name, each.name, _iso(table_header.as_of(each)), _iso(each.closed_through),
             table_header.stale(each, service.config.period_seconds, now), each.retired_at is not None, lost.get(each.name, 0),
             _iso(each.last_flush)) for each in found]
    columns = ("server", "nickname", "as_of", "complete_through", "stale", "retired", "losses", "last_flush")
    return _some_of(service, environ, given, "servers", columns, rows)


def fields(service: Service, environ: Environ, given: TableGiven) -> Response:
    """Answer what a table can show, in the order in which it does: a page of it, or all."""
    given.only("limit", "marker")
    rows = [(each.name, each.unit, each.kind, each.help) for each in known.COLUMNS]
    return _some_of(service, environ, given, "fields", ("field", "unit", "kind", "help"), rows)


def _some_of(service: Service, environ: Environ, given: TableGiven, name: str, columns: tuple[str, ...],
             rows: Sequence[Sequence[Any]]) -> Response:
    """Answer a page of a short list, or all of it; each row begins with its name, which is the marker of what follows."""
    question = given.question(service.config, now=0)  # of which limit and marker are asked here
    names = [marker_of(status.as_bytes(row[0])) for row in rows]
    begin, end = 0, len(rows)
    if question.marker is not None:
        marker = marker_of(question.marker)
        if marker not in names:
            raise BadQuestion([fault("marker", marker, "what `next` of the page before was")])
        begin = names.index(marker) + 1
    if given.format.page is not None:
        end = begin + question.limit
    following = names[end - 1] if end < len(names) else None
    return _listed(environ, given, _written(given, Listing(name, columns[0], columns, iter(rows[begin:end]), following)))


def _iso(moment: int | None) -> str | None:
    return None if moment is None else periods.iso(moment)


def _written(given: TableGiven, found: Listing) -> Iterator[bytes]:
    return listing.write("csv" if given.format.name == "focus" else given.format.name, found)


def _listed(environ: Environ, given: TableGiven, chunks: Iterator[bytes], closed: Callable[[], None] = lambda: None) -> Response:
    return streamed(Body(chunks, closed), method=environ["REQUEST_METHOD"], content_type=given.format.content_type, headers=[])
