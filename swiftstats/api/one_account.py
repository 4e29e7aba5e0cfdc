"""What the service answers of one account: sums and details, as the statistics service of 2012 did, and of its space."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

from sqlalchemy import Connection
from webob import Response  # type: ignore[import-untyped]

from swiftstats.api.body import Body, respond, streamed
from swiftstats.api.params import Given
from swiftstats.api.service import Environ, Service
from swiftstats.query import answer, io, space
from swiftstats.query.question import Question
from swiftstats.store import engine as store


def io_sum(service: Service, environ: Environ, given: Given) -> Response:
    """Answer the sum of requests and bytes."""
    return _total(service, environ, given, io.total)


def space_sum(service: Service, environ: Environ, given: Given) -> Response:
    """Answer what follows of the space for the whole range."""
    return _total(service, environ, given, lambda connection, question: space.total(
        connection, question, now=service.now(connection)))


def io_detail(service: Service, environ: Environ, given: Given) -> Response:
    """Answer requests and bytes period by period."""
    return _detail(service, environ, given, lambda connection, question, now: io.detail(connection, question, now=now))


def space_detail(service: Service, environ: Environ, given: Given) -> Response:
    """Answer the space period by period."""
    def found(connection: Connection, question: Question, now: float) -> answer.Detail | answer.Breakdown:
        by = given.values.get("by")
        if by is None:
            return space.detail(connection, question, now=now)
        return space.breakdown(connection, question, by=by, now=now)

    return _detail(service, environ, given, found, by=space.PARTS)


def _total(service: Service, environ: Environ, given: Given,
           ask: Callable[[Connection, Question], answer.Sum]) -> Response:
    question = given.question(service.config, detail=False)
    service.rules.check(environ, question.account, question.asked)
    service.check_schema()
    with store.read(service.engine) as connection:
        found = ask(connection, question)
    form = given.format
    return respond(form.content_type, form.headers(found.header), body=form.total(found))


def _detail(service: Service, environ: Environ, given: Given,
            ask: Callable[[Connection, Question, float], answer.Detail | answer.Breakdown], *,
            by: Sequence[str] = ()) -> Response:
    question = given.question(service.config, detail=True, by=by)
    service.rules.check(environ, question.account, question.asked)
    service.check_schema()
    form = given.format

    def pieces() -> Iterator[Any]:
        """Yield the header, then the answer's chunks, all inside one snapshot."""
        with store.read(service.engine) as connection:
            found = ask(connection, question, service.now(connection))
            yield found.header
            if isinstance(found, answer.Breakdown):
                yield from form.breakdown(found)
            else:
                yield from form.detail(found)

    chunks = pieces()
    header = next(chunks)
    return streamed(Body(chunks), method=environ["REQUEST_METHOD"], content_type=form.content_type, headers=form.headers(header))
