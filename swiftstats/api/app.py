"""The statistics service: a WSGI application that answers what an account used and occupied over HTTP.

PasteDeploy: `use = egg:swiftstats#api`, with `config = FILE` and/or options inline.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Iterable, Mapping

from sqlalchemy import Engine
from webob import Response  # type: ignore[import-untyped]

from swiftstats import config as configuration
from swiftstats.api import about, audit, faults, lists, many_accounts, one_account, routes
from swiftstats.api.auth import rules
from swiftstats.api.metrics import ROUTE
from swiftstats.api.pages.site import Pages
from swiftstats.api.params import Given, environ_name, read_form
from swiftstats.api.service import Environ, Service
from swiftstats.api.table_params import TableGiven
from swiftstats.config import Config
from swiftstats.errors import DatabaseAway
from swiftstats.names import text_of
from swiftstats.represent.negotiate import DEFAULT
from swiftstats.store import engine as store

LOG = logging.getLogger(__name__)

#: An answer belongs to who asked: no shared cache may keep it, and no browser guess at what it is.
COMMON_HEADERS = (("Cache-Control", "private, no-cache"), ("X-Content-Type-Options", "nosniff"))

#: What answers a route, by its `action`.
ACTIONS: dict[str, Callable[[Service, Environ, Any], Response]] = {
    "root": about.root, "healthcheck": about.healthcheck, "version": about.version, "metrics": about.metrics,
    "io_sum": one_account.io_sum, "io_detail": one_account.io_detail,
    "space_sum": one_account.space_sum, "space_detail": one_account.space_detail,
    "usage": many_accounts.usage, "accounts": lists.accounts, "servers": lists.servers, "fields": lists.fields,
}


def app_factory(global_conf: Mapping[str, str], **local_conf: str) -> Application:
    """Make the application for PasteDeploy; raise ConfigError or SchemaError where it must not start.

    Of the global options only `config` is read: the others belong to whoever else stands in the pipeline.
    """
    if "config" in global_conf:
        local_conf.setdefault("config", global_conf["config"])
    return make_app(configuration.from_options(local_conf), pipeline=global_conf.get("__file__", ""))


def make_app(config: Config, *, pipeline: str | None = None, clock: Callable[[], float] = time.time) -> Application:
    """Make the application; raise ConfigError or SchemaError. With the database away it starts all the same, and answers 503.

    pipeline: as of rules.from_config.
    """
    admit = rules.from_config(config, pipeline=pipeline)
    engine = store.create(config.require("database"), connections=2 * config.threads)  # two for a month of all accounts
    application = Application(config, engine=engine, rules=admit, clock=clock)
    try:
        application.service.check_schema()
    except DatabaseAway as error:
        LOG.warning("%s; answering 503 until it is back", error)
    finally:
        engine.dispose()  # a server may fork now, and two processes must not share a connection
    return application


class Application:
    """Answers requests; thread-safe. `clock` gives the time where the database has no clock of its own."""

    def __init__(self, config: Config, *, engine: Engine, rules: rules.Rules, clock: Callable[[], float] = time.time) -> None:
        self.service = Service(config, engine=engine, rules=rules, clock=clock)
        self._table = routes.Table()
        self._pages = Pages(self.service)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        began, page = time.monotonic(), self._pages.find(environ)
        if page is None:
            response = self._data(environ)
        else:
            environ[ROUTE] = page
            response = self._pages.answer(environ, page)
        for name, value in COMMON_HEADERS:
            response.headers.setdefault(name, value)
        return self.service.metrics.timed(environ, response.status_int, response(environ, start_response), began)

    def _data(self, environ: Environ) -> Response:
        """Answer what is no page, whatever comes of it."""
        form = DEFAULT
        try:
            given: Given | TableGiven = Given(environ)
            form = given.errors
            route = self._route(environ)
            environ[ROUTE] = route.path
            if route.table:
                given = TableGiven(environ)
            elif environ["REQUEST_METHOD"] == "POST":
                given = Given(environ, read_form(environ))
            form = given.errors
            return ACTIONS[route.action](self.service, environ, given)
        except Exception as error:
            refused = faults.refusal(error)
            if refused.status in faults.AUDITED:
                audit.refused(environ, refused.status, getattr(error, "asked", ""))
            return faults.response(refused, form)

    def _route(self, environ: Mapping[str, Any]) -> routes.Route:
        """Return the route of a request; raise Refused for a path, method or query that there is not."""
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        route = self._table.find(path)
        if route is None:
            shown = text_of(path.encode("latin-1"))
            raise faults.unknown_path(shown, [each.path for each in routes.ROUTES])
        if method not in route.methods:
            raise faults.wrong_method(method, route.methods)
        name = environ.get(environ_name("X-Query-Method"), "").strip()
        if route.action != "root" or not (name or method == "POST"):
            return route
        if name not in routes.QUERIES:
            raise faults.unknown_query(name, list(routes.QUERIES))
        return routes.QUERIES[name]
