"""The statistics service: a WSGI application that answers what an account used and occupied over HTTP.

PasteDeploy: `use = egg:swiftstats#api`, with `config = FILE` and/or options inline.
"""

from __future__ import annotations

import json
import logging
import time
from http import HTTPStatus
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, Engine
from webob import Response  # type: ignore[import-untyped]

import swiftstats
from swiftstats import config as configuration
from swiftstats.api import audit, faults, routes
from swiftstats.api.auth import rules
from swiftstats.api.params import Given, environ_name, read_form
from swiftstats.config import Config
from swiftstats.errors import DatabaseAway, StoreError
from swiftstats.query import answer, io, space
from swiftstats.query.freshness import Header
from swiftstats.query.question import Question
from swiftstats.represent.negotiate import DEFAULT, Format
from swiftstats.store import engine as store

LOG = logging.getLogger(__name__)

#: An answer belongs to who asked: no shared cache may keep it, and no browser guess at what it is.
COMMON_HEADERS = (("Cache-Control", "private, no-cache"), ("X-Content-Type-Options", "nosniff"))


def app_factory(global_conf: Mapping[str, str], **local_conf: str) -> Application:
    """Make the application for PasteDeploy; raise ConfigError or SchemaError where it must not start.

    Of the global options only `config` is read: the others belong to whoever else stands in the pipeline.
    """
    if "config" in global_conf:
        local_conf.setdefault("config", global_conf["config"])
    return make_app(configuration.from_options(local_conf), pipeline=True)


def make_app(config: Config, *, pipeline: bool = False, clock: Callable[[], float] = time.time) -> Application:
    """Make the application; raise ConfigError or SchemaError. With the database away it starts all the same, and answers 503.

    pipeline: whether filters may stand to its left, among them Keystone's.
    """
    admit = rules.from_config(config, pipeline=pipeline)
    engine = store.create(config.require("database"))
    application = Application(config, engine=engine, rules=admit, clock=clock)
    try:
        application.check_schema()
    except DatabaseAway as error:
        LOG.warning("%s; answering 503 until it is back", error)
    finally:
        engine.dispose()  # a server may fork now, and two processes must not share a connection
    return application


class Application:
    """Answers requests; thread-safe. `clock` gives the time where the database has no clock of its own."""

    def __init__(self, config: Config, *, engine: Engine, rules: rules.Rules, clock: Callable[[], float] = time.time) -> None:
        self._config, self._engine, self._rules, self._clock = config, engine, rules, clock
        self._table = routes.Table()
        self._schema_fits = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        form = DEFAULT
        try:
            given = Given(environ)
            form = given.format
            route = self._route(environ)
            if environ["REQUEST_METHOD"] == "POST":
                given = Given(environ, read_form(environ))
                form = given.format
            response = getattr(self, "_" + route.action)(environ, given)
        except Exception as error:
            refused = faults.refusal(error)
            if refused.status in faults.AUDITED:
                audit.refused(environ, refused.status, getattr(error, "asked", ""))
            response = faults.response(refused, form)
        response.headers.extend(COMMON_HEADERS)
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def check_schema(self) -> None:
        """Return where the database's schema is ours; looks once, until it is. Raises StoreError."""
        if not self._schema_fits:
            store.check_schema(self._engine)
            self._schema_fits = True

    def _route(self, environ: Mapping[str, Any]) -> routes.Route:
        """Return the route of a request; raise Refused for a path, method or query that there is not."""
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        route = self._table.find(path)
        if route is None:
            shown = path.encode("latin-1").decode("utf-8", "backslashreplace")
            raise faults.unknown_path(shown, [each.path for each in routes.ROUTES])
        if method not in route.methods:
            raise faults.wrong_method(method, route.methods)
        name = environ.get(environ_name("X-Query-Method"), "").strip()
        if route.action != "root" or not (name or method == "POST"):
            return route
        if name not in routes.QUERIES:
            raise faults.unknown_query(name, list(routes.QUERIES))
        return routes.QUERIES[name]

    def _io_sum(self, environ: dict[str, Any], given: Given) -> Response:
        return self._total(environ, given, lambda connection, question, now: io.total(connection, question))

    def _space_sum(self, environ: dict[str, Any], given: Given) -> Response:
        return self._total(environ, given, lambda connection, question, now: space.total(connection, question, now=now))

    def _io_detail(self, environ: dict[str, Any], given: Given) -> Response:
        return self._detail(environ, given, lambda connection, question, now: io.detail(connection, question, now=now))

    def _space_detail(self, environ: dict[str, Any], given: Given) -> Response:
        def found(connection: Connection, question: Question, now: float) -> answer.Detail | answer.Breakdown:
            by = given.values.get("by")
            if by is None:
                return space.detail(connection, question, now=now)
            return space.breakdown(connection, question, by=by, now=now)

        return self._detail(environ, given, found, by=space.PARTS)

    def _total(self, environ: dict[str, Any], given: Given,
               ask: Callable[[Connection, Question, float], answer.Sum]) -> Response:
        question = given.question(self._config, detail=False)
        self._rules.check(environ, question.account, question.asked)
        self.check_schema()
        with store.read(self._engine) as connection:
            found = ask(connection, question, self._now(connection))
        return self._response(given.format, found.header, body=given.format.total(found))

    def _detail(self, environ: dict[str, Any], given: Given,
                ask: Callable[[Connection, Question, float], answer.Detail | answer.Breakdown], *,
                by: Sequence[str] = ()) -> Response:
        question = given.question(self._config, detail=True, by=by)
        self._rules.check(environ, question.account, question.asked)
        self.check_schema()

        def pieces() -> Iterator[Any]:
            """Yield the header, then the answer's chunks, all inside one snapshot."""
            with store.read(self._engine) as connection:
                found = ask(connection, question, self._now(connection))
                yield found.header
                if isinstance(found, answer.Breakdown):
                    yield from given.format.breakdown(found)
                else:
                    yield from given.format.detail(found)

        chunks = pieces()
        header = next(chunks)
        body = Body(chunks)
        if environ["REQUEST_METHOD"] == "HEAD":
            # Read to the end for the length: without one, waitress frames the body that a HEAD does not have.
            return self._response(given.format, header, content_length=sum(map(len, body)))
        return self._response(given.format, header, app_iter=body)

    def _now(self, connection: Connection) -> float:
        """Return the database's time; ours where it has no clock of its own."""
        now = store.clock(connection)
        return self._clock() if now is None else now

    def _response(self, form: Format, header: Header, **body: Any) -> Response:
        response = Response(**body)
        response.headers["Content-Type"] = form.content_type
        response.headers.extend(form.headers(header))
        return response

    def _root(self, environ: dict[str, Any], given: Given) -> Response:
        """List versions and routes. (Where there will be a page, whoever prefers text/html is sent to it.)"""
        listed = [{"path": route.path, "methods": list(route.methods), "help": route.help} for route in routes.ROUTES]
        versions = [{"id": "1", "status": "current", "version": swiftstats.__version__}]
        return _json({"name": "swift-stats", "versions": versions, "queries": list(routes.QUERIES), "routes": listed})

    def _healthcheck(self, environ: dict[str, Any], given: Given) -> Response:
        return Response(body=b"OK", content_type="text/plain", charset="UTF-8")

    def _version(self, environ: dict[str, Any], given: Given) -> Response:
        try:
            revision = store.revision(self._engine)
        except StoreError:
            revision = None
        return _json({"version": swiftstats.__version__, "schema": revision})


class Body:
    """The chunks of an answer, the first of them read already, so that what fails at once is still an error and no broken answer.

    Closing it ends the snapshot, read to the end or not. What fails later is logged and raised: the server then cuts the
    connection without the end of the body, which no client takes for the whole.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._first: bytes | None = next(chunks, None)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            chunk, self._first = self._first, None
            return chunk
        try:
            return next(self._chunks)
        except StoreError as error:
            LOG.error("an answer was cut off half-way: %s", error)
            raise

    def close(self) -> None:
        """End the snapshot."""
        self._chunks.close()  # type: ignore[attr-defined]


def _json(value: object) -> Response:
    response = Response(body=(json.dumps(value) + "\n").encode(), status=HTTPStatus.OK.value)
    response.headers["Content-Type"] = "application/json"
    return response
