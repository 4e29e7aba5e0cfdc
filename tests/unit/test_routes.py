"""The service as a whole: every route and every page answers beside the others, with the status that belongs to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftstats.api import app, routes
from swiftstats.api.pages import static
from swiftstats.api.pages.site import PAGES
from tests.support.service import HOUR, RANGE, Client, T, close, count, fresh, make, sqlite

#: What a page needs below its path.
BELOW = {"/accounts/": "AUTH_7f6a", "/servers/": "proxy-01", "/static/": static.path("style.css").removeprefix("/static/")}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """One service over one closed hour, open to everybody."""
    url = sqlite(Path(tmp_path_factory.mktemp("service")))
    close(engine := fresh(url), count(engine, get_count=3), through=T + HOUR)
    return Client(make(url))


def test_routes_and_actions_are_the_same() -> None:
    """Each route has what answers it, and there is nothing that no route leads to."""
    assert {route.action for route in routes.ROUTES} == set(app.ACTIONS)


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.path)
def test_every_route_answers(client: Client, route: routes.Route) -> None:
    """Data comes at every route, though a page may have the same path; HEAD is as GET, without a body."""
    asked = RANGE if route.query else {}
    got, head = client.get(route.path, asked), client.get(route.path, asked, method="HEAD")
    assert (got.status_int, head.status_int, head.body) == (200, 200, b"")
    assert got.content_type in ("application/json", "text/plain", "application/openmetrics-text") and got.body
    assert not route.table or client.get(route.path, {"no_such": "1"}).status_int == 400


@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers(client: Client, page: str) -> None:
    """Pages come to a browser, none of them instead of data."""
    method = "POST" if page == "/logout" else "GET"
    answer = client.get(page + BELOW.get(page, ""), method=method, headers={"Accept": "text/html"})
    assert answer.status_int == (303 if page in ("/", "/logout") else 200), answer.text
    assert answer.status_int == 303 or answer.content_type in ("text/html", "text/css")
