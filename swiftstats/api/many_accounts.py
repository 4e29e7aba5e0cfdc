"""What the service answers of many accounts: tables of usage, and lists of accounts, servers and fields."""

from __future__ import annotations

from itertools import islice
from typing import Any, Callable, Iterator, Sequence, TypeVar

from sqlalchemy import Connection
from webob import Response  # type: ignore[import-untyped]

from swiftstats import fields as known
from swiftstats import periods
from swiftstats.api import audit
from swiftstats.api.auth.caller import Forbidden, Scope
from swiftstats.api.body import Body, streamed
from swiftstats.api.service import Environ, Service
from swiftstats.api.table_params import TableGiven
from swiftstats.names import text_of
from swiftstats.query import selection, table, table_header, table_lines
from swiftstats.query.question import BadQuestion, fault
from swiftstats.query.selection import Selection
from swiftstats.query.table import Lines, Stream
from swiftstats.query.table_question import TableQuestion, marker_of
from swiftstats.represent import listing, table_csv, table_formats
from swiftstats.represent.listing import Listing
from swiftstats.store import engine as store
from swiftstats.store import losses, petnames, status
from swiftstats.store.many import Found

Counted = TypeVar("Counted")


class Sent:
    """How many rows of an answer went to the client; at its end a read of every account is noted. begin, end: its range."""

    def __init__(self, environ: Environ, scope: Scope, *, begin: int | None = None, end: int | None = None) -> None:
        self._environ, self._noted, self._begin, self._end = environ, scope.all, begin, end
        self.rows = 0

    def counted(self, found: Iterator[Counted]) -> Iterator[Counted]:
        """Yield what is found, and count it."""
        for each in found:
            self.rows += each.number if isinstance(each, Lines) else 1
            yield each

    def ended(self) -> None:
        """Note the read: the last row has gone, or the client."""
        if self._noted:
            audit.read(self._environ, begin=self._begin, end=self._end, rows=self.rows)


def usage(service: Service, environ: Environ, given: TableGiven) -> Response:
    """Answer a table, in pages or as a stream; of a complete range with an ETag, and 304 where the client has it."""
    question, scope, chosen = asked(service, environ, given)
    form, sent = given.format, Sent(environ, scope, begin=question.begin, end=question.end)

    def pieces() -> Iterator[Any]:
        """Yield the header, then the answer's chunks, all inside one snapshot."""
        with store.read(service.engine) as connection:
            now = service.now(connection)
            if form.page is not None:
                page = table.page(connection, question, chosen, now=now)
                yield page.header
                sent.rows = len(page.rows)
                yield form.page(page)
            elif form.stream is not None:
                line = None if form.line is None else form.line(question)
                found = table_lines.stream(connection, question, chosen, now=now, line=line)
                yield found.header
                yield from form.stream(Stream(found.header, sent.counted(found.rows), found.lines and sent.counted(found.lines)))

    chunks = pieces()
    header = next(chunks)
    headers = table_csv.headers(header)
    # With a column per server the answer says how far each is, which goes on.
    tag = None if form is table_formats.AGGREGATE else header.tag(repr(chosen), form.name)
    if tag is not None:
        headers.append(("ETag", f'"{tag}"'))
        if has(environ, tag):
            chunks.close()  # type: ignore[attr-defined]
            sent.ended()  # no row, and still: what was read before holds
            return not_modified(headers)
    if form.ending is not None:
        headers.append(("Content-Disposition", f'attachment; filename="{table_csv.file_name(header, form.ending)}"'))
    return streamed(Body(chunks, sent.ended), method=environ["REQUEST_METHOD"], content_type=form.content_type, headers=headers)


def asked(service: Service, environ: Environ, given: TableGiven) -> tuple[TableQuestion, Scope, Selection]:
    """Return what is asked, what the caller may read, and what of it is to be answered.

    Raises BadQuestion, NotAcceptable, Forbidden, Unauthenticated, AccountNeeded, AuthAway and StoreError.
    """
    service.check_schema()
    with store.read(service.engine) as connection:
        now = service.now(connection)
    question = given.question(service.config, now=now)
    return question, *permitted(service, environ, question)


def permitted(service: Service, environ: Environ, question: TableQuestion) -> tuple[Scope, Selection]:
    """Return what the caller may read, and what of a question that is; raise Forbidden for an account, or what the rules do."""
    scope = service.rules.scope(environ, [raw for _, raw in question.asked])
    for name, raw in question.asked:
        if not scope.may_read(raw):
            raise Forbidden(name)
    return scope, selection.select(question, everything=scope.all, accounts=scope.accounts, prefixes=scope.prefixes)


def has(environ: Environ, tag: str) -> bool:
    """Tell whether a request's `If-None-Match` names a tag."""
    sent = environ.get("HTTP_IF_NONE_MATCH", "")
    return sent.strip() == "*" or tag in [each.strip().removeprefix("W/").strip('"') for each in sent.split(",")]


def not_modified(headers: Sequence[tuple[str, str]]) -> Response:
    """Return 304."""
    response = Response(status=304)
    response.headers.extend(headers)
    return response


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
        question = given.question(service.config, now=now)
        found = [each for each in status.servers(connection)
                 if question.marker is None or status.as_bytes(each.name) > question.marker]
        lost = losses.count_by_server(connection)
    shown = found[:question.limit] if given.format.page else found
    rows = [(each.name, each.name, _iso(table_header.as_of(each)), _iso(each.closed_through),
             table_header.stale(each, service.config.period_seconds, now), each.retired_at is not None, lost.get(each.name, 0),
             _iso(each.last_flush)) for each in shown]
    columns = ("server", "nickname", "as_of", "complete_through", "stale", "retired", "losses", "last_flush")
    following = marker_of(status.as_bytes(shown[-1].name)) if len(shown) < len(found) else None
    return _listed(environ, given, _written(given, Listing("servers", "server", columns, iter(rows), following)))


def fields(service: Service, environ: Environ, given: TableGiven) -> Response:
    """Answer what a table can show, in the order in which it does: a page of it, or all."""
    given.only("limit", "marker")
    question = given.question(service.config, now=0)
    names = [each.name for each in known.COLUMNS]
    begin = 0
    if question.marker is not None:
        marker = text_of(question.marker)
        if marker not in names:
            raise BadQuestion([fault("marker", marker, "what `next` of the page before was")])
        begin = names.index(marker) + 1
    end = begin + question.limit if given.format.page else len(names)
    rows = iter((each.name, each.unit, each.kind, each.help) for each in known.COLUMNS[begin:end])
    following = names[end - 1] if end < len(names) else None
    found = Listing("fields", "field", ("field", "unit", "kind", "help"), rows, following)
    return _listed(environ, given, _written(given, found))


def _iso(moment: int | None) -> str | None:
    return None if moment is None else periods.iso(moment)


def _written(given: TableGiven, found: Listing) -> Iterator[bytes]:
    return listing.write("csv" if given.format.name == "focus" else given.format.name, found)


def _listed(environ: Environ, given: TableGiven, chunks: Iterator[bytes], closed: Callable[[], None] = lambda: None) -> Response:
    return streamed(Body(chunks, closed), method=environ["REQUEST_METHOD"], content_type=given.format.content_type, headers=[])
