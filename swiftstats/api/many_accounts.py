"""What the service answers of many accounts: tables of usage, and who may read what of them."""

from __future__ import annotations

from typing import Any, Iterator, Sequence, TypeVar

from webob import Response  # type: ignore[import-untyped]

from swiftstats.api import audit
from swiftstats.api.auth.caller import Forbidden, Scope
from swiftstats.api.body import Body, streamed
from swiftstats.api.service import Environ, Service
from swiftstats.api.table_params import TableGiven
from swiftstats.query import selection, table, table_lines
from swiftstats.query.selection import Selection
from swiftstats.query.table import Lines, Stream
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import table_csv, table_formats
from swiftstats.store import engine as store

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
                with table_lines.stream(service.engine, connection, question, chosen, now=now, line=line) as found:
                    yield found.header
                    lines = found.lines and sent.counted(found.lines)
                    yield from form.stream(Stream(found.header, sent.counted(found.rows), lines))

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
