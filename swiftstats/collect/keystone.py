"""Keystone's v3 API through keystoneauth, for a user by password in a project: tokens, and the projects that there are.

Neither the password nor a token is ever logged, or part of a message; they go to the configured URL and to no other
host: redirects are not followed, and where Keystone's catalogue says that it is does not count.
"""

from __future__ import annotations

from typing import Any, Iterator
from urllib.parse import urlsplit

from swiftstats.config import Config
from swiftstats.errors import ConfigError, CrawlError, Unread

#: Projects of one page. Keystone gives no more than its `max_db_limit`, 1,000 by default; where nobody asks for a number it
#: gives as many and does not say that there are more (30.0).
PAGE = 1_000
#: What does not answer, or answers one of these, is asked again so often, after 0.5 s, then 1, then 2.
RETRIES, PASSING = 3, (500, 502, 503, 504)


class Keystone:
    """One Keystone. Called, it returns a new token. user_domain_name, project_domain_name: by name; timeout: of an answer (s)."""

    def __init__(self, *, auth_url: str, username: str, password: str, project_name: str, user_domain_name: str,
                 project_domain_name: str, timeout: float) -> None:
        try:
            from keystoneauth1 import session
            from keystoneauth1.identity import v3
        except ImportError:
            raise ConfigError("os_auth_url needs keystoneauth: pip install 'swiftstats[keystone]'") from None
        self._url, self._username, self._project = auth_url, username, project_name
        # As keystoneauth takes it: with the version, or without.
        base = auth_url.rstrip("/")
        self._projects_url = (base if base.endswith("/v3") else base + "/v3") + "/projects"
        user: dict[str, Any] = {"auth_url": auth_url, "username": username, "password": password,
                                "user_domain_name": user_domain_name, "reauthenticate": True}

        def session_of(**scope: Any) -> Any:
            return session.Session(v3.Password(**user, **scope), timeout=timeout, user_agent="swiftstats", redirect=False)

        in_project = {"project_name": project_name, "project_domain_name": project_domain_name}
        self._session = session_of(**in_project)
        # Those that list projects are for one thread, and do not renew what others use.
        self._in_project, self._in_system = session_of(**in_project), session_of(system_scope="all")

    def __call__(self) -> str:
        from keystoneauth1.exceptions import ClientException

        # It keeps a token until shortly before it expires; this one was refused.
        self._session.invalidate()
        try:
            return str(self._session.get_token())
        except ClientException as error:
            # Its messages hold URL and status, and not what was sent.
            raise CrawlError(f"{self._url} gives no token: {type(error).__name__}: {error}") from None

    def projects(self, *, domains: bool = False) -> Iterator[str | Unread]:
        """Yield the id of each project, disabled ones and those of every domain included; or of each domain, itself a project.

        They come in order. Where Keystone cuts its list off, an Unread comes last. Raises CrawlError where it gives no list.
        """
        query = f"is_domain={str(domains).lower()}&limit={PAGE}"
        while query:
            page = self._page(query)
            try:
                # A Keystone without pages (before 2025) has them in any order.
                yield from sorted(str(project["id"]) for project in page["projects"])
                following = urlsplit((page.get("links") or {}).get("next") or "").query
            except (KeyError, TypeError, AttributeError):
                raise CrawlError(f"{self._projects_url} answers what is no list of projects") from None
            if not following and page.get("truncated"):
                yield Unread("Keystone's list of projects", f"it is cut off after {len(page['projects'])}, without further "
                             "pages: raise list_limit in [resource] of Keystone's configuration", lasting=True)
            if following == query:
                raise CrawlError(f"{self._projects_url} names the same page as its own next one")
            # Only the query: behind a load balancer Keystone may not know under which name it is reached.
            query = following

    def _page(self, query: str) -> Any:
        """Return a page of the list: by the project's token, or where Keystone refuses that by one for the whole system."""
        from keystoneauth1.exceptions import Forbidden, Unauthorized

        try:
            return self._get(self._in_project, query)
        except Forbidden:
            pass
        try:
            return self._get(self._in_system, query)
        except (Forbidden, Unauthorized):
            raise CrawlError(f"{self._projects_url} lists no projects for user {self._username}, who needs the role reader in "
                             f"the whole system, or admin in project {self._project}") from None

    def _get(self, session: Any, query: str) -> Any:
        from keystoneauth1.exceptions import ClientException, Forbidden, Unauthorized

        try:
            return session.get(f"{self._projects_url}?{query}", connect_retries=RETRIES,
                               status_code_retries=RETRIES, retriable_status_codes=PASSING).json()
        except ClientException as error:
            # Who has no role in the whole system gets no token for it either.
            if isinstance(error, Forbidden) or session is self._in_system and isinstance(error, Unauthorized):
                raise
            raise CrawlError(f"{self._projects_url} lists no projects: {type(error).__name__}: {error}") from None
        except ValueError:
            raise CrawlError(f"{self._projects_url} answers what is no list of projects") from None


def keystone_of(config: Config) -> Keystone:
    """Return the Keystone that the configuration names; raise ConfigError where an option is missing."""
    return Keystone(
        auth_url=config.require("os_auth_url"), username=config.require("os_username"), password=config.require("os_password"),
        project_name=config.require("os_project_name"), user_domain_name=config.os_user_domain_name,
        project_domain_name=config.os_project_domain_name, timeout=config.timeout,
    )
