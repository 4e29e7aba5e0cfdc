"""docs/security.md as a test: its matrix, every route as every kind of caller, and its three recipes, as they are written."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Iterator, Mapping, NamedTuple

import pytest

from swiftstats import fields
from swiftstats.api import routes
from swiftstats.api.pages import site, static
from swiftstats.api.routes import Route
from swiftstats.demo.confs import User
from swiftstats.demo.processes import free_port, wait_for
from swiftstats.demo.swift import Swift
from tests.docs.documents import fenced, read
from tests.functional.test_keystone import spellings
from tests.support.api_server import ROOT, Answer, ApiServer, environment
from tests.support.caller import token_of
from tests.support.keystone import Keystone, Person
from tests.support.service import RANGE, T, close, count, fresh, sqlite

pytestmark = [pytest.mark.keystone, pytest.mark.swift, pytest.mark.timeout(600)]

CONFIGURATION = """\
[DEFAULT]
database = {database}

[api]
auth = tokens, keystone, swift
tokens_file = {folder}/tokens
swift_url = {swift}
admin_roles = usage_admin
system_reader = yes
auth_failures_per_minute = 100000

[keystone_authtoken]
{authtoken}
"""
UNKNOWN = fields.UNKNOWN
#: The range of RANGE, as resources of many accounts take it.
MANY = {"begin": "2012-10-22T08:00:00Z", "end": "2012-10-22T10:00:00Z"}
SYSTEMCTL = """\
#!/bin/sh
# Stands for systemd: starts what the unit's ExecStart does, and waits until it answers.
test "$*" = "enable --now swiftstats-api" || exit 1
swiftstats api >>api.log 2>&1 &
echo $! >api.pid
curl -sSf -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$PORT/healthcheck"
"""


class Means(NamedTuple):
    """One way to ask: a token, and headers."""

    token: str | None = None
    headers: Mapping[str, str] = {}


class Place(NamedTuple):
    """Keystone with a member of a project, and a Swift of its own users whose one account has the project's id."""

    keystone: Keystone
    swift: Swift
    project: str
    other: str
    member: Person

    @property
    def own(self) -> str:
        return "AUTH_" + self.project


@pytest.fixture(scope="module")
def place(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    project, other = keystone.create_project("matrix-a"), keystone.create_project("matrix-b")
    member = keystone.create_user("matrix-member")
    keystone.grant("member", member, project=project)
    users = (User(project, "user", "key"), User(other, "user", "key"))
    with Swift(tmp_path_factory.mktemp("swift"), workers=1, users=users) as swift:
        yield Place(keystone, swift, project, other, member)


def seeded(folder: Path, place: Place) -> str:
    """Return the URL of a database with usage of both accounts, and of (unknown)."""
    engine = fresh(sqlite(folder))
    for account in (place.own, "AUTH_" + place.other, UNKNOWN):
        writer = count(engine, account=account.encode(), get_count=1)
    close(engine, writer, through=T + 7200)
    engine.dispose()
    return sqlite(folder)


def authtoken(keystone: Keystone) -> dict[str, str]:
    return {key: value.replace("$", "$$") for key, value in keystone.authtoken().items() if key != "paste.filter_factory"}


@pytest.fixture(scope="module")
def service(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The service with every rule at once."""
    folder = tmp_path_factory.mktemp("service")
    prepared = ApiServer(folder, CONFIGURATION.format(
        database=seeded(folder, place), folder=folder, swift=place.swift.proxy.url,
        authtoken="\n".join(f"{key} = {value}" for key, value in authtoken(place.keystone).items())))
    prepared.command("token", "create", "--name", "first", "--all")
    with prepared as running:
        yield running


@pytest.fixture(scope="module")
def callers(place: Place, service: ApiServer) -> dict[str, list[Means]]:
    """Each kind of caller of the matrix: every way that there is to be one."""
    keystone = place.keystone

    def ours(name: str, *scope: str) -> Means:
        return Means(service.command("token", "create", "--name", name, *scope).strip())

    admin, system = keystone.create_user("matrix-admin"), keystone.create_user("matrix-system")
    keystone.grant("usage_admin", admin, project=place.other)
    keystone.grant("usage_admin", admin, domain="default")
    keystone.system_grant("reader", system)
    revoked = keystone.token(place.member, project=place.project)
    keystone.revoke(revoked)
    gone = [ours("revoked", "--all"), ours("rotated", "--all"), ours("expired", "--all", "--expires", "2012-10-22")]
    service.command("token", "revoke", "revoked")
    service.command("token", "rotate", "rotated")
    return {
        "no token": [Means(), *(Means(None, forged) for forged in spellings(place.project))],
        "unknown": [Means("garbage"), Means("swst_" + "x" * 43), Means("AUTH_tk" + "0" * 32), *gone, Means(revoked),
                    Means(keystone.expired_token(place.member, project=place.project)),
                    *(Means("garbage", forged) for forged in spellings(place.project)[:1])],
        "file: account": [ours("account", "--account", place.own)],
        "file: prefix": [ours("prefix", "--account-prefix", place.own[:-4])],
        "file: all": [ours("all", "--all")],
        "project": [Means(keystone.token(place.member, project=place.project)),
                    Means(keystone.token(place.member, project=place.project), spellings(place.other)[0])],
        "no project": [Means(keystone.token(place.member)), Means(keystone.token(admin, domain="default"))],
        "admin role": [Means(keystone.token(admin, project=place.other))],
        "system reader": [Means(keystone.token(system, system=True))],
        "cluster's": [Means(token_of(place.swift, place.swift.users[0]))],
    }


def matrix(first: str = "route") -> dict[str, dict[str, str]]:
    """Return a table of docs/security.md, by the title of its first column: route or page, kind of caller, cell."""
    section = read("docs/security.md").split("\n## The matrix\n")[1]
    lines = re.search(rf"\n\n(\| {first} .*?)\n\n", section, re.DOTALL)
    assert lines is not None
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.group(1).splitlines()]
    return {row[0].strip("`"): dict(zip(head[1:], row[1:])) for row in rows}


def of_one_account(service: ApiServer, route: Route, means: Means, place: Place, path: str, more: Mapping[str, str]) -> str:
    """Return the cell that a query of one account gives: whose accounts it answers."""
    headers = {**means.headers, **more}
    accounts = (place.project, place.own, place.other, UNKNOWN)
    got = [service.get(path, {**RANGE, "account_id": each}, token=means.token, headers=headers).status for each in accounts]
    for method in set(route.methods) - {"GET"}:
        for each, status in zip(accounts, got):
            asked = service.get(path, {**RANGE, "account_id": each}, token=means.token, headers=headers, method=method)
            assert asked.status == status, f"{method} {path} of {each}"
    cells = {(200, 200, 200, 200): "all", (200, 200, 403, 403): "own", (200, 200, 403, 401): "own*", (403,) * 4: "403",
             (401,) * 4: "401"}
    return cells.get(tuple(got), str(got))


def of_many(service: ApiServer, path: str, means: Means, place: Place) -> str:
    """Return the cell that a resource of many accounts gives: which accounts are in it."""
    asked = {**MANY, "limit": "1000"} if path == "/usage" else {}
    answer = service.get(path, asked, token=means.token, headers=means.headers)
    head = service.get(path, asked, token=means.token, headers=means.headers, method="HEAD")
    assert (head.status, head.body) == (answer.status, b""), f"HEAD {path}"
    named = [service.get(path, {**asked, "account": each}, token=means.token, headers=means.headers)
             for each in (place.own, "AUTH_" + place.other)] if path == "/usage" else []
    if answer.status == 401 and named and all(each.status == status for each, status in zip(named, (200, 403))):
        return "named"
    if answer.status != 200:
        return str(answer.status) if all(each.status == answer.status for each in named) else "mixed"
    names = set(re.findall(r"AUTH_[0-9a-f]+|\(unknown\)", answer.body.decode()))
    if names == {place.own} and all(each.status == status for each, status in zip(named, (200, 403))):
        return "own"
    return "all" if {place.own, "AUTH_" + place.other} < names and all(each.status == 200 for each in named) else str(names)


def cell(service: ApiServer, route: Route, means: Means, place: Place, expected: str) -> str:
    """Return what a route's cell is for one caller."""
    if route.query is not None:
        return of_one_account(service, route, means, place, route.path, {})
    if route.path in ("/usage", "/accounts"):
        return of_many(service, route.path, means, place)
    statuses = {service.get(route.path, token=means.token, headers=means.headers, method=method).status
                for method in route.methods if method != "POST"}
    if statuses == {200}:
        return expected if expected in ("open", "all") else "200"
    return "/".join(map(str, sorted(statuses)))


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.path)
def test_matrix(route: Route, service: ApiServer, callers: dict[str, list[Means]], place: Place) -> None:
    """A route answers every kind of caller just as docs/security.md says, with every method."""
    assert route.path in matrix(), f"docs/security.md: the matrix lacks {route.path}"
    expected = matrix()[route.path]
    assert list(expected) == list(callers)
    found = {kind: {cell(service, route, means, place, expected[kind]) for means in means} for kind, means in callers.items()}
    assert found == {kind: {each} for kind, each in expected.items()}


def test_no_route_is_promised_that_there_is_not() -> None:
    """The matrix has no route that is gone."""
    assert set(matrix()) <= {route.path for route in routes.ROUTES}


@pytest.mark.parametrize("query", list(routes.QUERIES))
def test_matrix_by_header(query: str, service: ApiServer, callers: dict[str, list[Means]], place: Place) -> None:
    """`/` with X-Query-Method is as closed as the query that it names."""
    route = routes.QUERIES[query]
    for kind, means in callers.items():
        got = of_one_account(service, route, means[0], place, "/", {"X-Query-Method": query})
        assert got == matrix()[route.path][kind], kind


def shown(service: ApiServer, page: str, means: Means, place: Place) -> str:
    """Return the cell that a page gives."""
    below = {"/accounts/": place.own, "/servers/": "proxy-01", "/static/": static.path("style.css").removeprefix("/static/")}
    headers = {"Accept": "text/html", **means.headers}

    def got(path: str, **parameters: str) -> Answer:
        return service.get(path, parameters, token=means.token, headers=headers, method="POST" if page == "/logout" else "GET")

    answer = got(page + below.get(page, ""))
    if page != "/logout":
        head = service.get(page + below.get(page, ""), token=means.token, headers=headers, method="HEAD")
        assert (head.status, head.body) == (answer.status, b""), f"HEAD {page}"
        assert [head.header(name) for name in ("Location", "Content-Type")] == [
            answer.header(name) for name in ("Location", "Content-Type")], f"HEAD {page}"
    if answer.status == 303 and "/login" in answer.header("Location")[0]:
        return "login"
    if answer.status not in (200, 303):
        return str(answer.status)
    if page == "/usage":
        others = [got(page, account=each).status for each in (place.own, "AUTH_" + place.other)]
    elif page == "/accounts/":
        others = [got(page + each).status for each in (place.own, "AUTH_" + place.other)]
    else:
        return "open"
    return {(200, 200): "all", (200, 403): "own"}.get(tuple(others), str(others))


@pytest.mark.parametrize("page", list(site.PAGES))
def test_matrix_of_pages(page: str, service: ApiServer, callers: dict[str, list[Means]], place: Place) -> None:
    """A page shows every kind of caller just what docs/security.md says, with a token and after signing in with it."""
    expected = matrix("page")[page]
    for kind, means in callers.items():
        sessions = [] if kind in ("no token", "unknown", "cluster's") else [signed_in(service, each) for each in means[:1]]
        assert {shown(service, page, each, place) for each in (*means, *sessions)} == {expected[kind]}, kind


def signed_in(service: ApiServer, means: Means) -> Means:
    """Sign in with a token; return the browser's means from then on."""
    answer = service.get("/login", method="POST", form={"token": means.token or ""})
    assert answer.status == 303, answer
    return Means(None, {"Cookie": answer.header("Set-Cookie")[0].partition(";")[0]})


def recipe(heading: str) -> tuple[str, str]:
    """Return configuration and commands of a recipe of docs/security.md."""
    section = read("docs/security.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (configuration,), (commands,) = fenced(section, "ini"), fenced(section, "sh")
    return configuration, commands


class Ran(NamedTuple):
    """A recipe that was followed: what its commands printed, and the port that the service listens on."""

    printed: str
    service: ApiServer


@contextlib.contextmanager
def followed(heading: str, folder: Path, place: Place, **variables: str) -> Iterator[Ran]:
    """Follow a recipe, with this place's addresses and passwords where it has examples; stop the service afterwards."""
    configuration, commands = recipe(heading)
    port = free_port()
    given = authtoken(place.keystone)
    for example, ours in {
        "mysql+pymysql://swiftstats_read:PASSWORD@db.example.org/swiftstats": seeded(folder, place),
        "/etc/swiftstats/tokens": f"{folder}/tokens", "https://keystone.example.org:5000/v3": place.keystone.url,
        "https://swift.example.org": place.swift.proxy.url, "username = swiftstats": f"username = {given['username']}",
        "password = PASSWORD": f"password = {given['password']}", "[api]": f"[api]\nbind_port = {port}",
    }.items():
        configuration = configuration.replace(example, ours)
    service = ApiServer(folder, configuration)
    service.port = port
    programs = folder / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    known = environment()
    known |= {"PATH": f"{programs}:{known['PATH']}", "SWIFTSTATS_CONFIG": str(service.configuration), "PORT": str(port),
              "PYTHONPATH": str(ROOT), **variables}
    try:
        done = subprocess.run(["sh", "-eu", "-c", commands.replace("127.0.0.1:8070", f"127.0.0.1:{port}")], cwd=folder, env=known,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr + (folder / "api.log").read_text() if (folder / "api.log").exists() else done.stderr
        assert done.returncode == 0, said
        yield Ran(done.stdout, service)
    finally:
        _stop(folder / "api.pid")


def _stop(written: Path) -> None:
    """End the service that a recipe started, and see that it has."""
    if not written.exists():
        return
    pid = int(written.read_text())
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not _lives(pid), seconds=30, what=f"the end of process {pid}")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""  # of a process that has ended, and whom nobody has waited for
    except (FileNotFoundError, ProcessLookupError):
        return False


def check(ran: Ran, place: Place, tenant: str) -> None:
    """See that the recipe does what it says: the tenant reads its own, the billing system all, nobody else anything."""
    billing, answer = ran.printed.split()[0], ran.printed[ran.printed.index("["):]
    assert json.loads(answer)[1]["GET"] == 1, answer

    def status(account: str, token: str | None) -> int:
        return ran.service.get("/io_sum", {**RANGE, "account_id": account}, token=token).status

    assert [status(account, billing) for account in (place.own, place.other, UNKNOWN)] == [200, 200, 200]
    assert status(place.other, tenant) == 403
    assert [status(place.own, token) for token in (None, "garbage")] == [401, 401]


def test_recipe_of_a_keystone_cloud(place: Place, tmp_path: Path) -> None:
    """The recipe for a Keystone cloud, as it is written, meters out usage to whom it says."""
    token = place.keystone.token(place.member, project=place.project)
    with followed("A Keystone cloud", tmp_path, place, OS_PROJECT_ID=place.project, OS_TOKEN=token) as ran:
        check(ran, place, token)


def test_recipe_of_a_tempauth_cluster(place: Place, tmp_path: Path) -> None:
    """The recipe for a cluster of its own users does so too."""
    token = token_of(place.swift, place.swift.users[0])
    with followed("A tempauth cluster", tmp_path, place, ACCOUNT=place.own, SWIFT_TOKEN=token) as ran:
        check(ran, place, token)


def test_recipe_of_neither(place: Place, tmp_path: Path) -> None:
    """And the one for neither, with the account that it has for an example."""
    named = place._replace(project="alice")
    with followed("Neither", tmp_path, named) as ran:
        check(ran, named, ran.service.command("token", "rotate", "alice").strip())
