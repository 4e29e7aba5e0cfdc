"""The bound on unknown tokens, over HTTP: whom it has wait, whom not, and by which address, with a proxy before the service."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

from tests.functional.test_keystone import options_of
from tests.support.api_server import Answer, ApiServer
from tests.support.keystone import Keystone, Person
from tests.support.service import RANGE, fresh, sqlite

pytestmark = [pytest.mark.keystone, pytest.mark.timeout(300)]

#: Where the trusted proxy asks from, which the others are beside: each test has clients of its own.
PROXY = "127.0.0.9"
#: Of a minute: so slow that no machine is slower than it drains.
LIMIT = 1
#: How many a flood sends, and what it gets.
SENT, HELD_UP = 4, [401, 429, 429, 429]
API = """\
[DEFAULT]
database = {database}

[api]
auth = tokens, keystone
tokens_file = {folder}/tokens
auth_failures_per_minute = {limit}
trusted_proxies = {proxy}

"""


class Site(NamedTuple):
    """The service, and a member of a project."""

    service: ApiServer
    keystone: Keystone
    project: str
    member: Person
    ours: str  #: a token of the file, for the project's account

    def token(self) -> str:
        """Return a token that the service has not seen yet."""
        return self.keystone.token(self.member, project=self.project)

    def ask(self, token: str, source: str, forwarded: str = "") -> Answer:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        return self.service.get("/io_sum", {**RANGE, "account_id": self.project}, token=token, source=source, headers=headers)

    def flood(self, source: str, *forwarded: str) -> list[int]:
        """Send more invented tokens than are let pass, and return the statuses."""
        sent = forwarded or ("",) * SENT
        return [self.ask(f"garbage-{number}", source, each).status for number, each in enumerate(sent)]




@pytest.fixture(scope="module")
def site(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("unknown-tokens")
    project, member = keystone.create_project("unknown-tokens"), keystone.create_user("unknown-tokens")
    keystone.grant("member", member, project=project)
    fresh(sqlite(folder))
    configuration = API.format(database=sqlite(folder), folder=folder, limit=LIMIT, proxy=PROXY)
    service = ApiServer(folder, configuration + options_of(keystone))
    ours = service.command("token", "create", "--name", "ours", "--account", "AUTH_" + project).strip()
    with service:
        yield Site(service, keystone, project, member, ours)


def test_who_floods_waits(site: Site) -> None:
    """Who sent as many unknown tokens as are let pass gets 429, and is told for how long; it stands in the audit log."""
    source = "127.0.0.20"
    known = site.token()
    assert site.ask(known, source).status == 200
    assert site.flood(source) == HELD_UP
    answer = site.ask("another", source)
    assert answer.status == 429 and answer.json()["error"]["code"] == 429
    (after,) = answer.header("Retry-After")
    assert 0 < int(after) <= 60
    assert site.ask(site.token(), source).status == 429  # a newcomer, who may try again when a minute's share has drained
    assert [site.ask(token, source).status for token in (known, site.ours)] == [200, 200]
    assert site.ask("", source).status == 401
    assert f"refused status=429 who=- address={source} request=GET%20/io_sum" in site.service.logged()
    assert "garbage-" not in site.service.logged()


def test_others_go_on(site: Site) -> None:
    """Another address is not held up."""
    assert site.flood("127.0.0.21") == HELD_UP
    assert site.ask(site.token(), "127.0.0.22").status == 200


def test_a_header_of_the_client_s_own_is_not_believed(site: Site) -> None:
    """Who is no trusted proxy neither slips through under other addresses, nor has the owner of one wait."""
    source, victim = "127.0.0.23", "203.0.113.23"
    assert site.flood(source, *(f"203.0.113.{number}" for number in range(100, 100 + SENT))) == HELD_UP
    assert site.flood("127.0.0.24", *(victim,) * SENT) == HELD_UP
    assert site.ask(site.token(), PROXY, victim).status == 200
    assert f"refused status=429 who=- address={source}" in site.service.logged()
    assert "address=203.0.113.100" not in site.service.logged()


def test_one_client_behind_a_proxy_does_not_lock_out_others(site: Site) -> None:
    """Behind a trusted proxy each client waits for itself; what it wrote into the header before the proxy did does not count."""
    client, victim = "203.0.113.30", "203.0.113.31"
    assert site.flood(PROXY, *(f"{victim}, {client}",) * SENT) == HELD_UP
    assert site.ask(site.token(), PROXY, client).status == 429
    assert [site.ask(site.token(), PROXY, each).status for each in (victim, "2001:db8::31", "")] == [200, 200, 200]
    assert f"refused status=429 who=- address={client} " in site.service.logged()


def test_passwords_are_bounded_too(site: Site) -> None:
    """Who guesses passwords on the page waits, in the same way, and nobody else behind the proxy."""
    def sign_in(password: str, forwarded: str) -> Answer:
        form = {"user": site.member.name, "password": password, "project": "unknown-tokens"}
        return site.service.get("/login", method="POST", form=form, source=PROXY, headers={"X-Forwarded-For": forwarded})

    guesses = [sign_in("wrong", "203.0.113.40") for _ in range(SENT)]
    assert [answer.status for answer in guesses] == [403, 429, 429, 429]
    assert 0 < int(guesses[-1].header("Retry-After")[0]) <= 60
    assert sign_in(site.member.password, "203.0.113.40").status == 429
    assert sign_in(site.member.password, "203.0.113.41").status == 303
    assert "refused status=429 who=- address=203.0.113.40 request=POST%20/login" in site.service.logged()
