"""`auth = keystone` against a real Keystone: whom it lets in, whom it does not, and what no client can pretend."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest

from swiftstats import config
from swiftstats.api.auth import rules
from swiftstats.api.auth.caller import TooManyFailures, Unauthenticated
from tests.support.api_server import Answer, ApiServer
from tests.support.keystone import Keystone, Person
from tests.support.service import RANGE, fresh, sqlite

pytestmark = [pytest.mark.keystone, pytest.mark.timeout(300)]

API = """\
[DEFAULT]
database = {database}
reseller_prefix = AUTH, SERVICE

[api]
auth = {auth}
tokens_file = {folder}/tokens
admin_roles = Usage_Admin
auth_cache_seconds = {cache}
system_reader = {system_reader}
auth_failures_per_minute = 1000

"""
PIPELINE = """\
[pipeline:main]
pipeline = {pipeline}

[app:swiftstats]
use = egg:swiftstats#api

[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
oslo_config_project = swiftstats
oslo_config_file = {file}
delay_auth_decision = {delay}
token_cache_time = -1

"""
#: What a client invents that authtoken says of whom it has confirmed, and in which spellings.
FORGED = {
    "X-Identity-Status": "Confirmed", "X-Service-Identity-Status": "Confirmed", "X-Roles": "Usage_Admin,admin,reader",
    "X-Role": "Usage_Admin", "X-Is-Admin-Project": "True", "OpenStack-System-Scope": "all", "X-User-Id": "root",
    "keystone.token_info": "{}", "keystone.token_auth": "x", "swiftstats.caller": "x", "X-Forwarded-User": "admin",
}


def spellings(project: str) -> list[dict[str, str]]:
    """Return the forged headers as they are written, in lower case, in capitals, with underscores, and named as in an environ."""
    plain = {**FORGED, "X-Project-Id": project, "X-Tenant-Id": project, "X-Tenant": project}
    return [plain, *({change(name): value for name, value in plain.items()} for change in (
        str.lower, str.upper, lambda name: name.replace("-", "_"), lambda name: "HTTP_" + name.upper().replace("-", "_")))]


class People(NamedTuple):
    """Who is in Keystone, and the projects: two of tenants, one of the operator."""

    keystone: Keystone
    project: str
    other: str
    office: str
    member: Person
    admin: Person
    system: Person
    expired: str  #: a token of the member's for its project


@pytest.fixture(scope="module")
def people(keystone: Keystone) -> People:
    """A member of a project, an admin of usage in a third one, a reader of the system."""
    project, other, office = (keystone.create_project(f"auth-{name}") for name in ("a", "b", "office"))
    member, admin, system = (keystone.create_user(f"auth-{name}") for name in ("member", "admin", "system"))
    keystone.grant("member", member, project=project)
    keystone.grant("usage_admin", admin, project=office)
    keystone.grant("usage_admin", member, domain="default")
    keystone.system_grant("reader", system)
    return People(keystone, project, other, office, member, admin, system,
                  keystone.expired_token(member, project=project))


def options(people: People) -> str:
    """Return [keystone_authtoken]."""
    return options_of(people.keystone)


def options_of(keystone: Keystone) -> str:
    """Return [keystone_authtoken]; a Keystone that is away is not waited for."""
    given = {key: value for key, value in keystone.authtoken().items() if key != "paste.filter_factory"}
    lines = [f"{key} = {value.replace('$', '$$')}" for key, value in {**given, "http_request_max_retries": "0"}.items()]
    return "\n".join(["[keystone_authtoken]", *lines, ""])


def server(folder: Path, more: str, *, auth: str = "keystone", cache: int = 60, system_reader: str = "no") -> ApiServer:
    """Return a service that is not yet started, on a database of its own."""
    fresh(sqlite(folder))
    return ApiServer(folder, API.format(database=sqlite(folder), folder=folder, auth=auth, cache=cache,
                                        system_reader=system_reader) + more)


def ask(service: ApiServer, account: str, token: str | None = None, **request: Any) -> Answer:
    return service.get("/io_sum", {**RANGE, "account_id": account}, token=token, **request)


@pytest.fixture(scope="module")
def service(people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The service with [keystone_authtoken] and tokens of the file."""
    prepared = server(tmp_path_factory.mktemp("keystone"), options(people), auth="tokens, keystone")
    prepared.command("token", "create", "--name", "first", "--all")
    with prepared as running:
        yield running


@pytest.fixture(scope="module", params=["by itself", "to the left, deciding", "to the left, delayed"])
def either(request: pytest.FixtureRequest, people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The service that runs authtoken itself, and with authtoken to its left, which decides or lets the service decide."""
    if request.param == "by itself":
        yield request.getfixturevalue("service")
        return
    folder = tmp_path_factory.mktemp("pipeline")
    delay = "true" if request.param.endswith("delayed") else "false"
    paste = PIPELINE.format(pipeline="authtoken swiftstats", file=folder / "swiftstats.conf", delay=delay)
    with server(folder, paste + options(people)) as running:
        yield running


def test_a_member_reads_its_project(either: ApiServer, people: People) -> None:
    """A token for a project reads its account under each prefix, with or without the prefix, and no other one."""
    token = people.keystone.token(people.member, project=people.project)
    for account in (people.project, "AUTH_" + people.project, "SERVICE_" + people.project):
        assert ask(either, account, token).status == 200
    for account in (people.other, "AUTH_" + people.other, "SERVICE_" + people.other, people.project[:-1], people.project + "x",
                    "(unknown)"):
        assert ask(either, account, token).status == 403


def test_admin_roles(either: ApiServer, people: People) -> None:
    """A role of admin_roles reads every account, in any case and from whatever project; in a domain alone it reads nothing."""
    token = people.keystone.token(people.admin, project=people.office)
    for account in (people.project, people.other, "SERVICE_x", "(unknown)"):
        assert ask(either, account, token).status == 200
    in_domain = people.keystone.token(people.member, domain="default")
    assert [ask(either, account, in_domain).status for account in (people.project, "(unknown)")] == [403, 403]


def test_a_token_for_nothing_reads_nothing(either: ApiServer, people: People) -> None:
    """A token without a scope, and one for the system where system_reader is not set, are known and read nothing."""
    for token in (people.keystone.token(people.member), people.keystone.token(people.system, system=True)):
        assert ask(either, people.project, token).status == 403


def test_system_reader(people: People, tmp_path: Path) -> None:
    """With system_reader = yes the role reader in the system reads every account."""
    with server(tmp_path, options(people), system_reader="yes") as running:
        token = people.keystone.token(people.system, system=True)
        for account in (people.project, "(unknown)"):
            assert ask(running, account, token).status == 200
        assert ask(running, people.other, people.keystone.token(people.member, project=people.project)).status == 403


def test_tokens_that_are_no_good(either: ApiServer, people: People) -> None:
    """No token, garbage, an expired and a revoked one are 401, and the answer says where Keystone is, once."""
    revoked = people.keystone.token(people.member, project=people.project)
    people.keystone.revoke(revoked)
    for token in (None, "", "garbage", "\xff\xfe", "a" * 300, revoked, people.expired, "x" * 5000):
        answer = ask(either, people.project, token)
        assert answer.status == 401, token
        challenges = [value for value in answer.header("WWW-Authenticate") if value.startswith("Keystone")]
        assert challenges == [f'Keystone uri="{people.keystone.url}"']


def test_nobody_is_believed_what_they_say_of_themselves(either: ApiServer, people: People) -> None:
    """Identity headers that a client sends never count, in any spelling: without a token, with garbage, with another's token."""
    token = people.keystone.token(people.member, project=people.project)
    for forged in spellings(people.other):
        for sent, status in ((None, 401), ("garbage", 401), (token, 403)):
            assert ask(either, people.other, sent, headers=forged).status == status, forged
        assert ask(either, people.project, token, headers=forged).status == 200


def test_service_tokens(either: ApiServer, people: People) -> None:
    """A service token that is no good makes the request 401; a good one lets the user's have expired, and adds no rights."""
    good = people.keystone.token(people.keystone.service, project=people.keystone.service_project)
    token = people.keystone.token(people.member, project=people.project)
    assert ask(either, people.project, token, headers={"X-Service-Token": "garbage"}).status == 401
    for user in (token, people.expired):
        assert ask(either, people.project, user, headers={"X-Service-Token": good}).status == 200
        assert ask(either, people.other, user, headers={"X-Service-Token": good}).status == 403
    assert ask(either, people.project, headers={"X-Service-Token": good}).status == 401


def test_keystone_away(service: ApiServer, people: People, tmp_path: Path) -> None:
    """Without Keystone its tokens are 503; tokens of the file, and what needs no token, are answered; then all is well again."""
    token = people.keystone.token(people.member, project=people.project)
    ours = service.command("token", "create", "--name", "away", "--account", people.project).strip()
    paste = PIPELINE.format(pipeline="authtoken swiftstats", file=tmp_path / "swiftstats.conf", delay="true")
    with server(tmp_path, paste + options(people)) as delayed:
        people.keystone.stop()
        try:
            for running in (service, delayed):
                answer = ask(running, people.project, token)
                assert answer.status == 503 and answer.header("Retry-After"), running.logged()
                assert running.get("/healthcheck").status == 200
            assert ask(service, people.project, ours).status == 200
            assert ask(service, people.other, ours).status == 403
        finally:
            people.keystone.start()
        assert [ask(running, people.project, token).status for running in (service, delayed)] == [200, 200]


def test_what_keystone_says_is_remembered(people: People, tmp_path: Path) -> None:
    """Yes and no are asked once in auth_cache_seconds, and each time where that is 0: both stand while Keystone is away."""
    (uncached := tmp_path / "uncached").mkdir()
    token, revoked = (people.keystone.token(people.member, project=people.project) for _ in range(2))
    with server(tmp_path, options(people), cache=600) as running, server(uncached, options(people), cache=0) as forgetful:
        assert [ask(each, people.project, revoked).status for each in (running, forgetful)] == [200, 200]
        people.keystone.revoke(revoked)
        assert [ask(each, people.project, revoked).status for each in (running, forgetful)] == [200, 401]
        assert [ask(running, people.project, each).status for each in (token, "garbage")] == [200, 401]
        people.keystone.stop()
        try:
            assert [ask(running, people.project, each).status for each in (token, "garbage", "other")] == [200, 401, 503]
        finally:
            people.keystone.start()


def test_without_authtoken(people: People, tmp_path: Path) -> None:
    """Without authtoken anywhere the service refuses to start; in a pipeline, where it cannot know, it refuses to serve."""
    assert "authtoken" in server(tmp_path, "").refused()
    (tmp_path / "usage.db").unlink()
    paste = PIPELINE.format(pipeline="swiftstats", file=tmp_path / "swiftstats.conf", delay="true")
    with server(tmp_path, paste) as running:
        token = people.keystone.token(people.member, project=people.project)
        for forged in ({}, *spellings(people.project)):
            for sent in (None, token):
                assert ask(running, people.project, sent, headers=forged).status == 503
        assert "authtoken" in running.logged()


def test_options_that_will_not_do(tmp_path: Path) -> None:
    """Options of authtoken that it does not take refuse to start."""
    assert "keystone_authtoken" in server(tmp_path, "[keystone_authtoken]\nauth_type = nonsense\n").refused()


def test_sign_in_with_a_password(people: People, tmp_path: Path) -> None:
    """User name, password and project get a token of that project; a wrong one gets none, and guesses are bounded."""
    path = tmp_path / "swiftstats.conf"
    path.write_text(API.format(database=sqlite(tmp_path), folder=tmp_path, auth="keystone", cache=60, system_reader="no").replace(
        "per_minute = 1000", "per_minute = 3") + options(people))
    known = rules.from_config(config.load(str(path)))
    member = {"user": people.member.name, "password": people.member.password, "project": "auth-a"}
    assert known.takes_passwords
    token = known.token({}, **member)
    assert known.scope({"HTTP_X_AUTH_TOKEN": token, "REQUEST_METHOD": "GET"}).accounts[0] == b"AUTH_" + people.project.encode()
    wrong: list[dict[str, str]] = [{"password": "wrong"}, {"project": "auth-b"}, {"user": "nobody"}]
    for change in wrong:
        with pytest.raises(Unauthenticated):
            known.token({}, **{**member, **change})
    with pytest.raises(TooManyFailures):
        known.token({}, **member)
    assert known.token({"REMOTE_ADDR": "192.0.2.1"}, **member)


def test_nothing_of_a_token_is_logged(service: ApiServer, people: People) -> None:
    """The log has who was refused and what they asked for, and no token."""
    token = people.keystone.token(people.member, project=people.project)
    assert ask(service, people.other, token).status == 403
    assert ask(service, people.other, "garbage-that-is-secret").status == 401
    log = service.logged()
    assert token not in log and "garbage-that-is-secret" not in log
    assert f"refused status=403 who=keystone:{people.member.id}@{people.project} address=127.0.0.1" in log
    assert f"asked={people.other}" in log
