"""`accounts_from = keystone` against a real Keystone that gives its lists in pages: every project, once, however short."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest

from swiftstats import migrations
from swiftstats.collect import keystone as keystones
from swiftstats.collect.account_names import OfKeystone
from swiftstats.store import engine as engines
from tests.support.keystone import DEFAULT_DOMAIN_NAME, Keystone, Person

pytestmark = [pytest.mark.keystone, pytest.mark.timeout(300)]

#: Projects of a page, where nobody asks for another number; and the most of a page, whatever is asked for.
PAGE, MOST = 2, 4


@pytest.fixture(scope="module")
def paged() -> Iterator[Keystone]:
    """A Keystone with list_limit = 2 and max_db_limit = 4, and more projects than pages: of two domains, one of them disabled."""
    with Keystone(list_limit=PAGE, max_db_limit=MOST) as server:
        domain = server.create_domain("elsewhere")
        for number in range(5):
            server.create_project(f"here-{number}")
            server.create_project(f"there-{number}", domain=domain)
        server.disable("projects", server.create_project("disabled"))
        yield server


def client(server: Keystone, person: Person, project: str, monkeypatch: pytest.MonkeyPatch, page: int) -> tuple[Any, list[str]]:
    """Return the crawler's client, which asks for pages of so many, and what it asks for."""
    monkeypatch.setattr(keystones, "PAGE", page)
    made = keystones.Keystone(auth_url=server.url, username=person.name, password=person.password, project_name=project,
                              user_domain_name=DEFAULT_DOMAIN_NAME, project_domain_name=DEFAULT_DOMAIN_NAME, timeout=60)
    asked: list[str] = []
    ask = made._page
    monkeypatch.setattr(made, "_page", lambda query: (asked.append(query), ask(query))[1])
    return made, asked


def every(server: Keystone, kind: str) -> list[str]:
    """Return the ids of all projects, or of all domains, as Keystone's own list has them page by page."""
    found: list[str] = []
    path = f"/{kind}"
    while path:
        page = server.ask("GET", path)
        found += [each["id"] for each in page[kind]]
        path = (page["links"]["next"] or "").removeprefix(server.url)
    return sorted(found)


@pytest.mark.parametrize(("page", "pages"), [(PAGE, 7), (3, 5), (keystones.PAGE, 4)])
def test_every_project_of_every_page(paged: Keystone, monkeypatch: pytest.MonkeyPatch, page: int, pages: int) -> None:
    """Projects of all pages come in order, each once, whatever their number in a page: disabled ones, those of every domain."""
    made, asked = client(paged, paged.admin, "admin", monkeypatch, page)
    found = list(made.projects())
    assert found == every(paged, "projects") and len(found) == len(set(found)) == 13
    assert len(asked) in (pages, pages + 1)  # a last page that is full may be followed by an empty one
    assert list(made.projects(domains=True)) == every(paged, "domains")


def test_accounts_of_every_page(paged: Keystone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The crawler's list of accounts has every project's and every domain's, with each prefix, and nothing that was not read."""
    engine = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(engine, ("AUTH_",))
    made, _ = client(paged, paged.admin, "admin", monkeypatch, PAGE)
    ids = every(paged, "projects") + every(paged, "domains")
    found = list(OfKeystone(made, engine, ("AUTH_", "SERVICE_")))
    assert found == [(prefix + each).encode() for prefix in ("AUTH_", "SERVICE_") for each in sorted(ids)]


def test_a_reader_of_the_system_has_every_page(paged: Keystone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may look and not touch gets every page too, though its project's token is refused for each of them."""
    project, person = paged.create_project("crawler"), paged.create_user("crawler")
    paged.grant("member", person, project=project)
    paged.system_grant("reader", person)
    try:
        made, asked = client(paged, person, "crawler", monkeypatch, PAGE)
        assert list(made.projects()) == every(paged, "projects") and len(asked) >= 7
    finally:
        paged.delete("projects", project)
