"""The table of URLs: path, methods, and what answers there."""

from __future__ import annotations

from dataclasses import dataclass

from routes import Mapper  # type: ignore[import-untyped]

READ = ("GET", "HEAD")
QUERY = ("GET", "HEAD", "POST")


@dataclass(frozen=True)
class Route:
    """One URL; `action` names what answers, in api.app, `query` the query that it is, if it is one.

    `token`: whether the caller has to be known. `table`: whether it takes the parameters of tables of many accounts.
    """

    path: str
    action: str
    methods: tuple[str, ...] = READ
    query: str | None = None
    help: str = ""
    token: bool = True
    table: bool = False


ROUTES = (
    Route("/", "root", QUERY, help="With X-Query-Method as that query's own path; without it, this list."),
    Route("/io_sum", "io_sum", QUERY, "io_sum", help="Requests and bytes of an account, summed over a range."),
    Route("/io_detail", "io_detail", QUERY, "io_detail", help="Requests and bytes of an account, period by period."),
    Route("/space_sum", "space_sum", QUERY, "space_sum", help="Space of an account over a range: byte-hours, maximum, average."),
    Route("/space_detail", "space_detail", QUERY, "space_detail", help="Space of an account, period by period."),
    Route("/usage", "usage", help="Usage of many accounts: requests, bytes and space, in pages or as a stream.", table=True),
    Route("/accounts", "accounts", help="The accounts that there are.", table=True),
    Route("/servers", "servers", help="The servers that report usage, and how far each has closed.", table=True),
    Route("/fields", "fields", help="What usage of many accounts can show.", token=False, table=True),
    Route("/metrics", "metrics", help="How the service and the site do, for Prometheus."),
    Route("/healthcheck", "healthcheck", help="OK, without a token, as Swift's own.", token=False),
    Route("/version", "version", help="Version of the service, and revision of the database's schema.", token=False),
)
#: name of a query, as in X-Query-Method: its route
QUERIES = {route.query: route for route in ROUTES if route.query is not None}


class Table:
    """Finds the route of a path."""

    def __init__(self) -> None:
        self._mapper = Mapper(explicit=True)
        for route in ROUTES:
            self._mapper.connect(None, route.path, action=route.path)
        self._by_path = {route.path: route for route in ROUTES}
        self._mapper.create_regs()

    def find(self, path: str) -> Route | None:
        """Return the route of a path as WSGI gives it, or None."""
        match = self._mapper.match(path or "/")
        return None if match is None else self._by_path[match["action"]]
