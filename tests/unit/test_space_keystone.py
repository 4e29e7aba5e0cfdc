"""Accounts of Keystone's projects: all pages, all of them in order and once, and what Keystone refuses is said."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from random import Random
from typing import Any, Callable, Iterator
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from sqlalchemy import Engine

from swiftstats import migrations
from swiftstats.collect import keystone as keystones
from swiftstats.collect.account_names import OfKeystone
from swiftstats.collect.keystone import Keystone
from swiftstats.errors import CrawlError, Unread
from swiftstats.store import engine as engines
from swiftstats.store import space
from swiftstats.store.space import Report

#: What nobody may read in a log or a message.
SECRET = "hush-hush"


class Cloud:
    """A Keystone of a few projects: tokens are called by their scope; tests set what else it does."""

    def __init__(self) -> None:
        self.projects = [f"p{number}" for number in range(7)]
        self.domains = ["default", "m"]
        self.pages: int | None = 3  #: of so many projects; None: a Keystone that has none
        self.cut: int | None = None  #: of a Keystone without pages: it gives no more
        self.scopes = {"project"}  #: whose tokens may list projects
        self.failures: list[str] = []  #: statuses of the next answers
        self.asked: list[str] = []
        self.answer: Callable[[dict[str, Any]], Any] = lambda page: page

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/v3/auth/tokens":
            scope = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["auth"]["scope"]
            name = next(iter(scope))
            if name == "system" and "none" in self.scopes:
                return _answer(start_response, "401 Unauthorized", {"error": {"message": "no role", "code": 401, "title": "no"}})
            token = {"methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z", "user": {"id": "u", "name": "crawler"},
                     "issued_at": "2020-01-01T00:00:00.000000Z"}
            return _answer(start_response, "201 Created", {"token": token}, [("X-Subject-Token", f"{SECRET}-{name}")])
        assert environ["PATH_INFO"] == "/v3/projects"
        if self.failures:
            return _answer(start_response, self.failures.pop(0), {})
        if environ["HTTP_X_AUTH_TOKEN"].removeprefix(f"{SECRET}-") not in self.scopes:
            return _answer(start_response, "403 Forbidden", {"error": {"message": "no", "code": 403, "title": "no"}})
        self.asked.append(environ["QUERY_STRING"])
        return _answer(start_response, "200 OK", self.answer(self.page(parse_qs(environ["QUERY_STRING"]))))

    def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return a page, as Keystone 30 gives it; in another order and without a link, as those without pages do."""
        ids = {"true": self.domains, "false": self.projects}[query["is_domain"][0]]
        following = None
        if self.pages is None:
            ids = [*reversed(ids)][:self.cut]
        else:
            assert int(query["limit"][0]) == keystones.PAGE
            ids = [each for each in ids if each > query.get("marker", [""])[0]][:self.pages]
            if len(ids) == self.pages:
                # Under a name that only Keystone knows itself by.
                following = f"http://keystone.invalid/v3/projects?is_domain={query['is_domain'][0]}&limit=1000&marker={ids[-1]}"
        return {"projects": [{"id": each, "enabled": each != "p3"} for each in ids], "links": {"next": following},
                **({"truncated": True} if following or self.cut else {})}


def _answer(start_response: Any, status: str, body: Any, headers: Any = ()) -> list[bytes]:
    start_response(status, [("Content-Type", "application/json"), *headers])
    return [json.dumps(body).encode()]


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def served() -> Iterator[tuple[Cloud, str]]:
    cloud = Cloud()
    server = make_server("127.0.0.1", 0, cloud, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield cloud, f"http://127.0.0.1:{server.server_port}/v3"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(made, ("AUTH_",))
    return made


def client(url: str) -> Keystone:
    return Keystone(auth_url=url, username="crawler", password=SECRET, project_name="service", user_domain_name="Default",
                    project_domain_name="Default", timeout=20)


def know(engine: Engine, *names: str) -> None:
    """Let the store know accounts."""
    with engines.write(engine) as connection:
        space.add_reports(connection, period=0, now=0,
                          reports=[Report(name.encode(), "proxy", 0, 0, "active", 1, 2, 3) for name in names])


@pytest.mark.parametrize("pages", [1, 3, 7, 100, None])
def test_every_project_of_every_page_is_asked_once(served: tuple[Cloud, str], engine: Engine, pages: int | None) -> None:
    """Projects of all pages, disabled ones and domains included, with each prefix; and what only the store knows; each once."""
    cloud, url = served
    cloud.pages = pages
    know(engine, "AUTH_deleted", "AUTH_p2", "AUTH_z", "SERVICE_p2", "SERVICE_x", "OTHER_a")
    for given in (url, url.removesuffix("/v3")):  # as keystoneauth takes it
        found = list(OfKeystone(client(given), engine, ("AUTH_", "SERVICE_"), page=2))
        projects = ["default", "m", *cloud.projects]
        assert found == [name.encode() for name in (
            *sorted(["AUTH_deleted", "AUTH_z", *("AUTH_" + each for each in projects)]),
            *sorted(["SERVICE_x", *("SERVICE_" + each for each in projects)]))]


def test_the_share_of_the_projects_is_known(served: tuple[Cloud, str], engine: Engine) -> None:
    """How far the crawl is shows by Keystone's own ids, which are random: within a few percent, whatever the store knows."""
    cloud, url = served
    random = Random(5)
    cloud.projects = sorted(f"{random.getrandbits(128):032x}" for _ in range(1000))
    cloud.pages, cloud.domains = 300, ["default", cloud.projects[0][::-1]]
    know(engine, "AUTH_a-team", "AUTH_zoo")
    asked = OfKeystone(client(url), engine, ("AUTH_", "SERVICE_"))
    assert asked.share() is None
    shares = [asked.share() or 0.0 for _ in asked]
    assert shares == sorted(shares) and len(shares) == 2006 and asked.share() == 1
    assert all(abs(share - number / len(shares)) < 0.05 for number, share in enumerate(shares))


def test_an_empty_prefix_has_the_other_prefixes_accounts_asked_once(served: tuple[Cloud, str], engine: Engine) -> None:
    """With an empty prefix beside another, what the store knows is asked under the longer of the two only."""
    know(engine, "AUTH_z", "z")
    found = list(OfKeystone(client(served[1]), engine, ("", "AUTH_")))
    assert len(found) == len(set(found)) and {b"AUTH_z", b"z", b"p0", b"AUTH_p0"} < set(found)


def test_a_list_that_is_cut_off_is_said(served: tuple[Cloud, str], engine: Engine) -> None:
    """What a Keystone without pages cuts off is named as a failure that lasts, once; the projects that it gave are asked."""
    served[0].pages, served[0].cut = None, 2
    found = list(OfKeystone(client(served[1]), engine, ("AUTH_", "SERVICE_")))
    assert found[:-1] == [b"AUTH_default", b"AUTH_m", b"AUTH_p5", b"AUTH_p6",
                          b"SERVICE_default", b"SERVICE_m", b"SERVICE_p5", b"SERVICE_p6"]
    (refused,) = (each for each in found if isinstance(each, Unread))
    assert refused.lasting and "cut off after 2" in str(refused) and "list_limit" in str(refused)


def test_an_id_that_is_no_name_is_put_aside(served: tuple[Cloud, str], engine: Engine) -> None:
    """A project whose id cannot be an account's is named, and the others are asked."""
    served[0].projects = ["a/b", "p" * 300, "p1"]
    found = list(OfKeystone(client(served[1]), engine, ("AUTH_",)))
    assert b"AUTH_p1" in found
    assert sum(isinstance(each, Unread) and each.lasting and "no account's name" in each.reason for each in found) == 2


def test_the_system_s_token_lists_where_the_project_s_may_not(served: tuple[Cloud, str]) -> None:
    """A user who may not list projects in a project lists them as a reader of the system; without both, is told what to grant."""
    cloud, url = served
    cloud.scopes = {"system"}
    assert list(client(url).projects()) == cloud.projects
    for cloud.scopes in (set(), {"none"}):
        with pytest.raises(CrawlError, match="user crawler, who needs the role reader in the whole system, or admin in"):
            list(client(url).projects())


def test_keystone_away_is_asked_again(served: tuple[Cloud, str], monkeypatch: pytest.MonkeyPatch,
                                      caplog: pytest.LogCaptureFixture) -> None:
    """A Keystone that fails for a moment is asked again; one that stays away ends the crawl, and nothing secret is said."""
    caplog.set_level(logging.INFO)
    cloud, url = served
    cloud.failures = ["503 Service Unavailable"]
    assert list(client(url).projects()) == cloud.projects
    monkeypatch.setattr(keystones, "RETRIES", 0)
    for failures, told in ((["503 Service Unavailable"], "503"), (["302 Found"], "no list"), (["404 Not Found"], "404")):
        cloud.failures = failures
        with pytest.raises(CrawlError, match=told):
            list(client(url).projects())
    with pytest.raises(CrawlError, match="lists no projects: ConnectFailure") as caught:
        list(client("http://127.0.0.1:1/v3").projects())
    assert SECRET not in str(caught.value) + caplog.text


@pytest.mark.parametrize("answer", [
    lambda page: [], lambda page: {}, lambda page: {"projects": [{}]}, lambda page: {"projects": 3},
    lambda page: {**page, "links": 7}, lambda page: "x"])
def test_what_is_no_list_ends_the_crawl(served: tuple[Cloud, str], answer: Any) -> None:
    """An answer of another form is an error, and not an empty list."""
    served[0].answer = answer
    with pytest.raises(CrawlError, match="answers what is no list of projects"):
        list(client(served[1]).projects())


def test_a_page_that_follows_itself_ends_the_crawl(served: tuple[Cloud, str]) -> None:
    """A list that goes round in a circle is not followed for ever."""
    served[0].answer = lambda page: {**page, "links": {"next": f"http://x/v3/projects?{served[0].asked[-1]}"}}
    with pytest.raises(CrawlError, match="as its own next one"):
        list(client(served[1]).projects())
