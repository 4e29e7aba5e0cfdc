"""A real Keystone in a temporary folder of its own: SQLite, fernet tokens, on a free port of the loopback.

The package `keystone`, as pip installs it, served by waitress. What tests make in it (domains, projects, users, roles) they make
through its own v3 API, as its administrator.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping, NamedTuple
from urllib.parse import quote

from keystoneauth1.exceptions import HttpError
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from swiftstats.demo.processes import DemoError, Process, free_port, listening, wait_for

ROOT = Path(__file__).resolve().parents[2]
#: The domain that is always there: its id, and its name.
DEFAULT_DOMAIN, DEFAULT_DOMAIN_NAME = "default", "Default"
#: From nothing to serving: 5 s on a quiet machine.
START_SECONDS = 120
CONFIGURATION = """\
[DEFAULT]
log_file = {folder}/keystone-{port}.log
{max_db_limit}
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
expiration = {token_seconds}
[fernet_tokens]
key_repository = {folder}/keys
[fernet_receipts]
key_repository = {folder}/keys
[credential]
key_repository = {folder}/keys
[identity]
password_hash_rounds = 4
[resource]
{list_limit}
"""


class Person(NamedTuple):
    """A user: what logs in by id, or by name and domain, with a password."""

    id: str
    name: str
    password: str
    domain: str = DEFAULT_DOMAIN  #: its id


class Keystone:
    """One Keystone; a context manager that starts it and closes it.

    token_seconds: how long tokens last. list_limit: the most projects or domains that a page of their list holds
    where nobody asks for a number, None for all; max_db_limit: the most that it holds whatever is asked for, None for 1,000.
    `admin` has the role admin in the project `admin_project`; `service` is who validates tokens for others (authtoken), with the
    role service in `service_project`. Domains, projects and users are named by their ids.
    """

    def __init__(self, *, token_seconds: int = 3600, list_limit: int | None = None, max_db_limit: int | None = None) -> None:
        if importlib.util.find_spec("keystone") is None:
            raise DemoError(f"{sys.executable} has no keystone; install with: pip install -e '.[test]'")
        self.folder = Path(tempfile.mkdtemp(prefix="swiftstats-keystone-"))
        self.port = free_port()
        self._admin_password = secrets.token_urlsafe()
        self._configuration = self._configure(self.port, token_seconds, list_limit=list_limit, max_db_limit=max_db_limit)
        self._server = self._process(self.port, self._configuration)
        self._session: Session | None = None
        self._roles: dict[str, str] = {}
        self.admin = self.service = Person("", "", "")
        self.admin_project = self.service_project = ""

    @property
    def url(self) -> str:
        """Its v3 API."""
        return f"http://127.0.0.1:{self.port}/v3"

    @property
    def pid(self) -> int:
        return self._server.pid

    def start(self) -> Keystone:
        """Start it, the first time with all that a Keystone needs; return when it answers. Raises DemoError."""
        try:
            first = self._session is None
            self._server = self._process(self.port, self._configuration, *(self._setup() if first else ()))
            self._serve(self._server, self.port)
            if first:
                self._know_itself()
        except BaseException:
            self.close()
            raise
        return self

    def stop(self) -> None:
        """Stop it; what it holds stays, and `start` brings it back on the same port."""
        self._server.stop()

    def close(self) -> None:
        """Stop it, and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Keystone:
        return self.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    # -- what is in it ---------------------------------------------------------------------------------------------------

    def create_domain(self, name: str) -> str:
        """Return the id of a new domain."""
        return str(self.ask("POST", "/domains", {"domain": {"name": name}})["domain"]["id"])

    def create_project(self, name: str, *, domain: str = DEFAULT_DOMAIN, enabled: bool = True) -> str:
        """Return the id of a new project."""
        given = {"name": name, "domain_id": domain, "enabled": enabled}
        return str(self.ask("POST", "/projects", {"project": given})["project"]["id"])

    def create_user(self, name: str, *, domain: str = DEFAULT_DOMAIN) -> Person:
        """Return a new user with a password of its own."""
        password = secrets.token_urlsafe()
        given = {"name": name, "password": password, "domain_id": domain}
        return Person(self.ask("POST", "/users", {"user": given})["user"]["id"], name, password, domain)

    def grant(self, role: str, person: Person, *, project: str | None = None, domain: str | None = None) -> None:
        """Give a role, made where it is not there yet, in a project or a domain."""
        where = f"/projects/{project}" if project else f"/domains/{domain}"
        self.ask("PUT", f"{where}/users/{person.id}/roles/{self._role(role)}")

    def grant_in_all(self, role: str, person: Person, *, domain: str) -> None:
        """Give a role in every project of a domain, those to come included."""
        self.ask("PUT", f"/OS-INHERIT/domains/{domain}/users/{person.id}/roles/{self._role(role)}/inherited_to_projects")

    def system_grant(self, role: str, person: Person) -> None:
        """Give a role in the whole system."""
        self.ask("PUT", f"/system/users/{person.id}/roles/{self._role(role)}")

    def disable(self, kind: str, id: str) -> None:
        """Disable one of the `users`, `projects` or `domains`."""
        self.ask("PATCH", f"/{kind}/{id}", {kind.rstrip("s"): {"enabled": False}})

    def enable(self, kind: str, id: str) -> None:
        """Enable it again."""
        self.ask("PATCH", f"/{kind}/{id}", {kind.rstrip("s"): {"enabled": True}})

    def delete(self, kind: str, id: str) -> None:
        """Delete one of the `users`, `projects` or (disabled) `domains`."""
        self.ask("DELETE", f"/{kind}/{id}")

    def key_pair(self, person: Person, project: str) -> tuple[str, str]:
        """Return a new access key and its secret for S3."""
        made = self.ask("POST", f"/users/{person.id}/credentials/OS-EC2", {"tenant_id": project})["credential"]
        return made["access"], made["secret"]

    # -- tokens ----------------------------------------------------------------------------------------------------------

    def token(self, person: Person, *, project: str | None = None, domain: str | None = None, system: bool = False) -> str:
        """Return a token in a project, in a domain, in the system, or without a scope."""
        return _token(self.url, person, project=project, domain=domain, system=system)

    def expired_token(self, person: Person, *, project: str | None = None) -> str:
        """Return a token that has expired: had from a second server on the same database, whose tokens last a second."""
        port = free_port()
        server = self._process(port, self._configure(port, 1))
        try:
            self._serve(server, port)
            token = _token(f"http://127.0.0.1:{port}/v3", person, project=project)
        finally:
            server.stop()
        wait_for(lambda: not self.is_valid(token), seconds=30, what="a token to expire")
        return token

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self.ask("DELETE", "/auth/tokens", headers={"X-Subject-Token": token})

    def is_valid(self, token: str) -> bool:
        """Tell what Keystone says of a token."""
        try:
            self.ask("GET", "/auth/tokens", headers={"X-Subject-Token": token})
        except HttpError as error:
            if error.http_status != 404:
                raise
            return False
        return True

    def authtoken(self) -> dict[str, str]:
        """Return the options of keystonemiddleware's `authtoken` with which it validates tokens here."""
        return {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory", "www_authenticate_uri": self.url,
            "auth_url": self.url, "auth_type": "password", "username": self.service.name, "password": self.service.password,
            "project_name": "service", "user_domain_id": DEFAULT_DOMAIN, "project_domain_id": DEFAULT_DOMAIN,
        }

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *,
            headers: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of an answer to the administrator; raises keystoneauth's HttpError."""
        assert self._session is not None, "it has not been started"
        answer = self._session.request(self.url + path, method, json=body, headers=dict(headers or {}))
        return answer.json() if answer.content else None

    # -- how it is run ---------------------------------------------------------------------------------------------------

    def _setup(self) -> tuple[str, ...]:
        """Return the commands of keystone-manage that fill an empty database and folder."""
        (self.folder / "keys").mkdir(mode=0o700)
        catalog = " ".join(f"--bootstrap-{interface}-url {self.url}" for interface in ("public", "internal", "admin"))
        return ("db_sync", f"fernet_setup --keystone-user {os.geteuid()} --keystone-group {os.getegid()}",
                f"bootstrap --bootstrap-region-id RegionOne {catalog}")

    def _know_itself(self) -> None:
        """Log in as the administrator, and make the user that validates tokens."""
        auth = v3.Password(auth_url=self.url, username="admin", password=self._admin_password, project_name="admin",
                           user_domain_id=DEFAULT_DOMAIN, project_domain_id=DEFAULT_DOMAIN)
        self._session = Session(auth, timeout=60)
        self.admin = Person(str(self._session.get_user_id()), "admin", self._admin_password)
        self.admin_project = str(self._session.get_project_id())
        self.service_project = self.create_project("service")
        self.service = self.create_user("authtoken")
        self.grant("service", self.service, project=self.service_project)

    def _role(self, name: str) -> str:
        if name not in self._roles:
            found = self.ask("GET", f"/roles?name={quote(name)}")["roles"]
            self._roles[name] = (found or [self.ask("POST", "/roles", {"role": {"name": name}})["role"]])[0]["id"]
        return self._roles[name]

    def _configure(self, port: int, token_seconds: int, **limits: int | None) -> Path:
        path = self.folder / f"keystone-{port}.conf"
        lines = {name: f"{name} = {limits[name]}" if limits.get(name) else "" for name in ("list_limit", "max_db_limit")}
        path.write_text(CONFIGURATION.format(folder=self.folder, port=port, token_seconds=token_seconds, **lines))
        return path

    def _process(self, port: int, configuration: Path, *commands: str) -> Process:
        return Process(
            "keystone", [sys.executable, "-m", "tests.support.keystone_server", str(port), str(configuration), *commands],
            self.folder / f"keystone-{port}.log", directory=ROOT,
            # By the environment, because everybody on this machine can see a command line.
            environment={**os.environ, "OS_BOOTSTRAP_PASSWORD": self._admin_password})

    def _serve(self, server: Process, port: int) -> None:
        server.start()
        server.wait_ready(lambda: listening(port), seconds=START_SECONDS)


def _token(url: str, person: Person, *, project: str | None, domain: str | None = None, system: bool = False) -> str:
    auth = v3.Password(auth_url=url, user_id=person.id, password=person.password, project_id=project, domain_id=domain,
                       system_scope="all" if system else None)
    return str(Session(auth, timeout=60).get_token())
