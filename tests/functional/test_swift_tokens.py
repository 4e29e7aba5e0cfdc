"""`auth = swift` where the cluster's own tokens are Keystone's: a real Swift behind a real Keystone, asked by the service."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

from swiftstats.demo.swift import Swift
from tests.functional.test_keystone import options_of
from tests.support import keystone_pipeline
from tests.support.api_server import ApiServer
from tests.support.caller import request
from tests.support.keystone import Keystone, Person
from tests.support.service import RANGE, fresh, sqlite

pytestmark = [pytest.mark.keystone, pytest.mark.swift, pytest.mark.timeout(300)]

API = """\
[DEFAULT]
database = {database}
reseller_prefix = AUTH, SERVICE

[api]
auth = swift
swift_url = {swift}
auth_cache_seconds = 600
"""


class Cloud(NamedTuple):
    """The service, Swift, Keystone, two projects, a member of the first."""

    service: ApiServer
    swift: Swift
    keystone: Keystone
    project: str
    other: str
    member: Person

    def status(self, account: str, token: str | None) -> int:
        return self.service.get("/io_sum", {**RANGE, "account_id": account}, token=token).status

    def in_swift(self, token: str) -> int:
        """Return the status of HEAD on the project's account in Swift itself."""
        return request(self.swift.proxy.port, "HEAD", f"/v1/AUTH_{self.project}", headers={"X-Auth-Token": token}).status


@pytest.fixture(scope="module")
def cloud(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    project, other = keystone.create_project("cluster-a"), keystone.create_project("cluster-b")
    member = keystone.create_user("cluster-member")
    keystone.grant("member", member, project=project)
    folder: Path = tmp_path_factory.mktemp("service")
    fresh(sqlite(folder))
    with Swift(tmp_path_factory.mktemp("swift"), workers=1, instead=keystone_pipeline.instead(keystone)) as swift:
        with ApiServer(folder, API.format(database=sqlite(folder), swift=swift.url)) as service:
            yield Cloud(service, swift, keystone, project, other, member)


def test_what_the_cluster_says(cloud: Cloud) -> None:
    """Who may read an account in Swift may read its usage: a member its project's, a reseller admin any, nobody else."""
    token = cloud.keystone.token(cloud.member, project=cloud.project)
    admin = cloud.keystone.create_user("cluster-admin")
    cloud.keystone.grant("ResellerAdmin", admin, project=cloud.other)
    for account, status in ((cloud.project, 200), ("AUTH_" + cloud.project, 200), (cloud.other, 403), ("(unknown)", 401)):
        assert cloud.status(account, token) == status, account
    for account in (cloud.project, cloud.other):
        assert cloud.status(account, cloud.keystone.token(admin, project=cloud.other)) == 200
    revoked = cloud.keystone.token(cloud.member, project=cloud.project)
    cloud.keystone.revoke(revoked)
    for nobody in (None, "garbage", revoked):
        assert cloud.status(cloud.project, nobody) == 401


def test_the_proxy_is_away(cloud: Cloud) -> None:
    """Without the proxy what it said of a token stands for a while, yes as no; others are 503, not 401."""
    known, unknown = (cloud.keystone.token(cloud.member, project=cloud.project) for _ in range(2))
    assert [cloud.status(cloud.project, token) for token in (known, "no-token")] == [200, 401]
    cloud.swift.proxy.stop()
    try:
        assert [cloud.status(cloud.project, token) for token in (known, "no-token", unknown)] == [200, 401, 503]
        assert cloud.status(cloud.project, None) == 401
    finally:
        cloud.swift.proxy.start()
    assert cloud.status(cloud.project, unknown) == 200
    assert unknown not in cloud.service.logged()


def test_keystone_behind_the_cluster_is_away(cloud: Cloud, tmp_path: Path) -> None:
    """Without Keystone the cluster knows the tokens that it has seen, and says 401 of others; 503 where we ask Keystone too."""
    known, seen, unknown = (cloud.keystone.token(cloud.member, project=cloud.project) for _ in range(3))
    fresh(sqlite(tmp_path))
    configuration = API.format(database=sqlite(tmp_path), swift=cloud.swift.url).replace("auth = swift", "auth = keystone, swift")
    with ApiServer(tmp_path, configuration + options_of(cloud.keystone)) as service:
        both = cloud._replace(service=service)

        def statuses() -> list[list[int]]:
            sent = (known, seen, unknown, "garbage-2")
            return [[each.status(cloud.project, token) for token in sent] for each in (cloud, both)]

        assert cloud.status(cloud.project, known) == 200
        assert cloud.in_swift(seen) == 200
        cloud.keystone.stop()
        try:
            assert [cloud.in_swift(token) for token in (known, seen, unknown)] == [200, 200, 401]
            assert statuses() == [[200, 200, 401, 401], [200, 200, 503, 503]]
        finally:
            cloud.keystone.start()
        assert cloud.in_swift(unknown) == 200
        # What the cluster said is kept for auth_cache_seconds.
        assert statuses() == [[200, 200, 401, 401], [200, 200, 200, 401]]
        for running in (cloud.service, service):
            assert not [token for token in (known, seen, unknown) if token in running.logged()]
