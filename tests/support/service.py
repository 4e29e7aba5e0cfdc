"""The service in one process: seed a database, make the application, ask it with WebOb requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import urlencode

from sqlalchemy import Engine
from webob import Request, Response

from swiftstats import migrations
from swiftstats.api.app import Application, make_app
from swiftstats.config import Config
from swiftstats.fields import CELL_COUNT, CELL_INDEX
from swiftstats.store import engine as engines
from swiftstats.store import usage, writers
from swiftstats.store.writers import Writer

HOUR = 3600
T = 1_350_892_800  #: 2012-10-22 08:00:00
RANGE = {"account_id": "7f6a", "begin_time": "2012-10-22 08:00:00", "end_time": "2012-10-22 10:00:00"}
INCARNATIONS = {"proxy-01": "a" * 32, "proxy-03": "b" * 32}


def cells(**given: int) -> tuple[int, ...]:
    """Return a row of counters, named as in fields.CELLS."""
    counted = [0] * CELL_COUNT
    for name, value in given.items():
        counted[CELL_INDEX[name]] = value
    return tuple(counted)


def fresh(url: str) -> Engine:
    """Make the schema and return an engine."""
    engine = engines.create(url)
    migrations.upgrade(engine, ("AUTH_",))
    return engine


def count(engine: Engine, server: str = "proxy-01", *, period: int = T, account: bytes = b"AUTH_7f6a", first: int = T,
          **given: int) -> Writer:
    """Register a server's writer and merge one row of it."""
    with engines.write(engine) as connection:
        writer = writers.register(connection, server=server, incarnation=INCARNATIONS[server], predecessor=None,
                                  first_period=first, period_seconds=HOUR, now=period)
        usage.merge(connection, writer=writer, period=period, rows=[(account, cells(**given))], now=period)
    return writer


def close(engine: Engine, *closing: Writer, through: int) -> None:
    """Close everything before `through` for these writers."""
    with engines.write(engine) as connection:
        writers.close(connection, writers=closing, through=through, ended=[], now=through)


def make(url: str, *, now: float = T + 2 * HOUR, **options: Any) -> Application:
    """Make the application, open to everybody unless `auth` is given; its clock stands at `now`."""
    values = {"database": url, "auth": ("none",), "allow_anonymous": True, **options}
    return make_app(Config(values), clock=lambda: now)


@dataclass
class Client:
    """Asks an application."""

    app: Any

    def get(self, path: str, parameters: Mapping[str, str] | None = None, *, method: str = "GET",
            headers: Mapping[str, str] | None = None, **request: Any) -> Response:
        """Send one request."""
        query = "" if parameters is None else "?" + urlencode(parameters)
        return Request.blank(path + query, method=method, headers=dict(headers or {}), **request).get_response(self.app)

    def json(self, path: str, **changes: str) -> Any:
        """Return the JSON of a query of RANGE with changes; it must be 200."""
        answer = self.get(path, {**RANGE, **changes})
        assert answer.status_int == 200, answer.text
        return json.loads(answer.body)

    def faults(self, path: str, parameters: Mapping[str, str] | None = None, **request: Any) -> list[dict[str, str]]:
        """Return the faults of a query that must be 400."""
        answer = self.get(path, parameters, **request)
        assert answer.status_int == 400, answer.text
        found: list[dict[str, str]] = json.loads(answer.body)["error"]["faults"]
        return found


def sqlite(folder: Path) -> str:
    """Return the URL of an SQLite database in a folder."""
    return f"sqlite:///{folder}/usage.db"


def marking_filter(global_conf: Mapping[str, str], **local_conf: str) -> Any:
    """Make a PasteDeploy filter that marks each answer that passed it."""

    def wrap(app: Any) -> Any:
        def marked(environ: dict[str, Any], start_response: Any) -> Any:
            def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                return start_response(status, [*headers, ("X-Marked", "yes")], *rest)

            return app(environ, start)

        return marked

    return wrap
