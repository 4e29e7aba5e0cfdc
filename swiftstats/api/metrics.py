"""`/metrics`: how the service does, how the site stands, and where it is wanted the busiest accounts, for Prometheus.

What the service counts is of this process since its start. Requests are told by route, and never by a path that somebody sent;
a request lasts until the last byte of its answer was handed over. With the database away a scrape is answered all the same.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Iterable, Iterator, MutableMapping

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from sqlalchemy import Connection, Engine

import swiftstats
from swiftstats.api import audit
from swiftstats.api.auth.rules import Rules
from swiftstats.config import Config
from swiftstats.errors import StoreError, SwiftStatsError
from swiftstats.query import busiest, site
from swiftstats.query.busiest import Busiest
from swiftstats.represent import as_metrics
from swiftstats.represent.as_metrics import Watched
from swiftstats.store import engine as store
from swiftstats.store import losses

LOG = logging.getLogger(__name__)

#: Where a request's environ keeps its route's path, once it is known; the methods that are told apart.
ROUTE = "swiftstats.route"
METHODS = ("GET", "HEAD", "POST")
#: What is none of our routes or methods.
OTHER = "other"
#: Upper bounds of a request's seconds: a page's 30 ms, a month's seconds, a stream's minutes.
BUCKETS = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 300.0)
_BEARER = "Bearer "


class Metrics:
    """Counts this process's requests, and reads the rest when it is scraped; thread-safe."""

    def __init__(self, config: Config, engine: Engine, rules: Rules) -> None:
        self._config, self._engine, self._rules = config, engine, rules
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        build = Gauge("swiftstats_build_info", "1, by the version of the service.", ["version"], registry=self._registry)
        build.labels(swiftstats.__version__).set(1)
        self._seconds = Histogram("swiftstats_http_request_duration_seconds", "Requests, until the last byte of the answer.",
                                  ["route", "method", "status"], buckets=BUCKETS, registry=self._registry)
        self._database_up = Gauge("swiftstats_database_up", "1: the database answered this scrape.", registry=self._registry)
        self._busiest: Busiest | None = None
        self._reading = threading.Lock()

    def timed(self, environ: MutableMapping[str, Any], status: int, body: Iterable[bytes], began: float) -> Iterable[bytes]:
        """Return the body of an answer to a request that came at `began` (time.monotonic); at its end it is counted."""
        method = environ["REQUEST_METHOD"]
        seconds = self._seconds.labels(environ.get(ROUTE) or OTHER, method if method in METHODS else OTHER, str(status))
        return _Timed(body, lambda: seconds.observe(time.monotonic() - began))

    def answer(self, environ: MutableMapping[str, Any], now: Callable[[Connection], float]) -> tuple[bytes, str]:
        """Return the metrics and their content type; raise what the rules do, and Forbidden to who may not read every account.

        now: the time, with a connection to a database that may have a clock.
        """
        everything = self._may_read_everything(environ)
        parts: list[Iterable[Any]] = [self._registry.collect()]
        try:
            store.check_schema(self._engine)
            with store.read(self._engine) as connection:
                found = site.read(connection, now=int(now(connection)), days=0)
                parts.append(list(as_metrics.families(as_metrics.SITE, Watched(found, losses.lost(connection)))))
                if everything and self._config.metrics_accounts and (accounts := self._accounts(connection, found)):
                    parts.append(list(as_metrics.families(as_metrics.ACCOUNTS, accounts)))
                    audit.read(environ, begin=accounts.begin, end=accounts.end, rows=len(accounts.rows))
            self._database_up.set(1)
        except StoreError as error:
            LOG.warning("a scrape is answered without the database: %s", error)
            self._database_up.set(0)
        return as_metrics.write(parts, environ.get("HTTP_ACCEPT"))

    def _may_read_everything(self, environ: MutableMapping[str, Any]) -> bool:
        """Tell whether a scrape may name accounts; raise where it may not even be answered."""
        sent: str = environ.get("HTTP_AUTHORIZATION", "")
        if sent.startswith(_BEARER):  # Prometheus knows no other way to send a token
            environ["HTTP_X_AUTH_TOKEN"] = sent[len(_BEARER):]
        if self._config.metrics_anonymous and not environ.get("HTTP_X_AUTH_TOKEN"):
            return False
        try:
            self._rules.everything(environ, "every account")
            return True
        except SwiftStatsError:
            if self._config.metrics_anonymous:
                return False
            raise

    def _accounts(self, connection: Connection, found: site.Site) -> Busiest | None:
        """Return the busiest accounts of the last complete period, read once for each period."""
        through = found.freshness.complete_through
        if through is None:
            return None
        begin = through - self._config.period_seconds
        with self._reading:
            if self._busiest is None or self._busiest.end != through:
                self._busiest = busiest.busiest(connection, begin, through, limit=self._config.metrics_accounts)
            return self._busiest


class _Timed:
    """The chunks of an answer; `done` is called once: after the last of them, or when the server closes it before."""

    def __init__(self, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        self._chunks = chunks
        self._done: Callable[[], None] | None = done

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        self._end()

    def close(self) -> None:
        """Close the answer."""
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        finally:
            self._end()

    def _end(self) -> None:
        if self._done is not None:
            self._done()
            self._done = None
