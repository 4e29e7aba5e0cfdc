"""Space in a Keystone cloud: a real Swift behind a real Keystone, whose projects the crawler finds by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest
from sqlalchemy import Engine

from swiftstats import migrations
from swiftstats.demo.processes import wait_for
from swiftstats.demo.swift import Swift
from swiftstats.store import engine as engines
from swiftstats.store import space
from tests.support import keystone_pipeline
from tests.support.crawler import Crawler, reading
from tests.support.keystone import DEFAULT_DOMAIN_NAME, Keystone, Person
from tests.support.service import HOUR, Client, make

pytestmark = [pytest.mark.swift, pytest.mark.keystone, pytest.mark.timeout(300)]

#: What the updater has to bring the accounts up to date (s).
UPDATED_SECONDS = 60


class Cloud(NamedTuple):
    """Swift behind Keystone; `crawler` is a reader of the system and reseller admin in project `of_crawler`, called usage."""

    swift: Swift
    keystone: Keystone
    crawler: Person
    of_crawler: str

    def account(self, name: str, **given: Any) -> str:
        """Return the account of a new project."""
        return "AUTH_" + self.keystone.create_project(name, **given)

    def client(self, account: str) -> Any:
        """Return a client of an account, as a reseller admin."""
        from swiftclient import Connection

        token = self.keystone.token(self.crawler, project=self.of_crawler)
        return Connection(preauthurl=f"{self.swift.url}/v1/{account}", preauthtoken=token, retries=0)

    def fill(self, account: str, *sizes: int) -> None:
        """Store objects, and return when Swift tells of them."""
        client = self.client(account)
        client.put_container("c")
        for number, size in enumerate(sizes):
            client.put_object("c", f"o{number}", b"x" * size)
        wait_for(lambda: client.head_account()["x-account-bytes-used"] == str(sum(sizes)), seconds=UPDATED_SECONDS, what=account)


@pytest.fixture(scope="module")
def cloud(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    project, person = keystone.create_project("usage"), keystone.create_user("crawler")
    keystone.grant("ResellerAdmin", person, project=project)
    keystone.system_grant("reader", person)
    folder = tmp_path_factory.mktemp("space-keystone")
    with Swift(folder, workers=1, instead=keystone_pipeline.instead(keystone)) as swift:
        yield Cloud(swift, keystone, person, project)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A fresh database with a schema."""
    made = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(made, ("AUTH_", "SERVICE_"))
    return made


def crawler(cloud: Cloud, folder: Path, person: Person | None = None, **options: str) -> Crawler:
    """Return a crawler of Keystone's projects as a person, who is the cloud's crawler where nobody is given."""
    person = person or cloud.crawler
    return Crawler(folder / "space.conf", database=f"sqlite:///{folder}/usage.db", server="usage-host", prefixes="AUTH, SERVICE",
                   options={"method": "proxy", "proxy_url": cloud.swift.url, "accounts_from": "keystone",
                            "os_auth_url": cloud.keystone.url, "os_username": person.name, "os_password": person.password,
                            "os_project_name": "usage", "os_user_domain_name": DEFAULT_DOMAIN_NAME, **options})


def found(engine: Engine, account: str) -> tuple[str, int, int, int]:
    """Return status, containers, objects and bytes of an account's only reading."""
    one = reading(engine, account)
    return one.status, one.containers, one.objects, one.bytes


def detail(folder: Path, account: str) -> tuple[int, ...]:
    """Return the figures that /space_detail answers for an account in the only period that was read."""
    now = time.time()
    app = make(f"sqlite:///{folder}/usage.db", now=now, reseller_prefix=("AUTH_", "SERVICE_"))
    times = {name: time.strftime("%Y-%m-%d %H:00:00", time.gmtime(now + shift)) for name, shift in
             (("begin_time", -HOUR), ("end_time", HOUR))}
    answer = Client(app).get("/space_detail", {"account_id": account, **times})
    (figures,) = (tuple(each.values()) for each in json.loads(answer.body)[1].values() if None not in each.values())
    return figures


def test_every_project_is_read(cloud: Cloud, engine: Engine, tmp_path: Path) -> None:
    """Projects of every domain, disabled ones, their SERVICE_ accounts and those of deleted projects: each has its reading."""
    keystone = cloud.keystone
    domain = keystone.create_domain("elsewhere")
    usual, foreign = cloud.account("usual"), cloud.account("foreign", domain=domain)
    disabled, deleted, unused = cloud.account("disabled"), cloud.account("deleted"), cloud.account("unused")
    service = usual.replace("AUTH_", "SERVICE_")
    for account, sizes in ((usual, [1000, 24]), (foreign, [7]), (disabled, [100]), (deleted, [55]), (service, [300, 1])):
        cloud.fill(account, *sizes)
    keystone.disable("projects", disabled.removeprefix("AUTH_"))
    said = crawler(cloud, tmp_path).crawl()
    assert " 0 failed" in said and "complete" in said and "not complete" not in said
    expected = {usual: ("active", 1, 2, 1024), foreign: ("active", 1, 1, 7), disabled: ("active", 1, 1, 100),
                deleted: ("active", 1, 1, 55), service: ("active", 1, 2, 301), unused: ("missing", 0, 0, 0)}
    assert {account: found(engine, account) for account in expected} == expected
    for account, (_status, containers, objects, size) in expected.items():
        assert detail(tmp_path, account) == (containers, objects, size)

    # The database knows it, and it takes space as before.
    keystone.delete("projects", deleted.removeprefix("AUTH_"))
    with engines.write(engine) as connection:
        connection.exec_driver_sql("DELETE FROM space_readings")
    crawler(cloud, tmp_path).crawl()
    assert found(engine, deleted) == ("active", 1, 1, 55)
    with engines.read(engine) as connection:
        assert space.complete_through(connection) is not None


def test_without_the_roles_it_is_said(cloud: Cloud, engine: Engine, tmp_path: Path) -> None:
    """Who may not list projects is told what to grant, who may not read accounts too; a wrong password is refused."""
    person = cloud.keystone.create_user("nobody")
    cloud.keystone.grant("member", person, project=cloud.of_crawler)
    said = crawler(cloud, tmp_path, person).crawl(status=1)
    assert "user nobody, who needs the role reader in the whole system, or admin in project usage" in said
    cloud.keystone.system_grant("reader", person)
    said = crawler(cloud, tmp_path, person).crawl(status=1)
    assert "the proxy answers 403: the credentials must be a reseller admin's" in said
    wrong = person._replace(password="wrong")
    said = crawler(cloud, tmp_path, wrong).crawl(status=1)
    assert "gives no token: Unauthorized" in said and "wrong" not in said
    assert person.password not in said


def test_keystone_away_loses_nothing(cloud: Cloud, engine: Engine, tmp_path: Path) -> None:
    """While Keystone is away a crawl fails and says so, what was read before stands, and the next one reads all again."""
    account = cloud.account("patient")
    cloud.fill(account, 9)
    crawler(cloud, tmp_path).crawl()
    cloud.keystone.stop()
    try:
        assert "gives no token: ConnectFailure" in crawler(cloud, tmp_path).crawl(status=1)
        assert found(engine, account) == ("active", 1, 1, 9)
    finally:
        cloud.keystone.start()
    assert " 0 failed" in crawler(cloud, tmp_path).crawl()
    assert found(engine, account) == ("active", 1, 1, 9)
