"""What the service says of itself: versions and routes, whether it is there, its version; and how it does, to who may know."""

from __future__ import annotations

import json

from webob import Response  # type: ignore[import-untyped]

import swiftstats
from swiftstats.api import routes
from swiftstats.api.body import respond
from swiftstats.api.params import Given
from swiftstats.api.service import Environ, Service
from swiftstats.errors import StoreError
from swiftstats.store import engine as store


def root(service: Service, environ: Environ, given: Given) -> Response:
    """List versions and routes. (Whoever prefers text/html is sent to a page.)"""
    listed = [{"path": route.path, "methods": list(route.methods), "help": route.help} for route in routes.ROUTES]
    versions = [{"id": "1", "status": "current", "version": swiftstats.__version__}]
    return _json({"name": "swift-stats", "versions": versions, "queries": list(routes.QUERIES), "routes": listed})


def healthcheck(service: Service, environ: Environ, given: Given) -> Response:
    """Answer as Swift's own does."""
    return Response(body=b"OK", content_type="text/plain", charset="UTF-8")


def version(service: Service, environ: Environ, given: Given) -> Response:
    """Name the version, and the revision of the schema."""
    try:
        revision = store.revision(service.engine)
    except StoreError:
        revision = None
    return _json({"version": swiftstats.__version__, "schema": revision})


def metrics(service: Service, environ: Environ, given: Given) -> Response:
    """Tell Prometheus how the service and the site do, as far as the caller may know."""
    body, content_type = service.metrics.answer(environ, service.now)
    return respond(content_type, [], body=body)


def _json(value: object) -> Response:
    return respond("application/json", [], body=(json.dumps(value) + "\n").encode())
