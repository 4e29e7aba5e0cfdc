"""Tokens for the crawler's proxy method: from a file, from Swift's own v1 authentication, or from Keystone.

Several threads ask at once; one of them renews a token that was refused, and the others take the new one. Neither tokens nor
keys are ever logged, or part of a message.
"""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from typing import Any, Callable

from swiftstats.config import Config
from swiftstats.errors import ConfigError, CrawlError


class Tokens:
    """A token, had when it is first needed and again when it is refused; `fetch` gets one, and raises CrawlError."""

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch, self._lock = fetch, threading.Lock()
        self._token = ""

    def current(self) -> str:
        """Return the token; raise CrawlError where there is none to be had."""
        return self._token or self.renew("")

    def renew(self, refused: str) -> str:
        """Return another token than the one that was refused, if there is another one by now or to be had."""
        with self._lock:
            if self._token == refused:
                self._token = self._fetch()
            return self._token


def tokens_of(config: Config) -> Tokens:
    """Return the tokens that the configuration names the source of; raise ConfigError where it names none, or half of one."""
    if config.token_file:
        path = config.token_file
        return Tokens(lambda: from_file(path))
    if config.auth_url:
        url, user, key = config.auth_url, config.require("auth_user"), config.require("auth_key")
        return Tokens(lambda: from_swift(url, user, key, timeout=config.timeout))
    if config.os_auth_url:
        return Tokens(Keystone(
            auth_url=config.os_auth_url, username=config.require("os_username"), password=config.require("os_password"),
            project_name=config.require("os_project_name"), user_domain_name=config.os_user_domain_name,
            project_domain_name=config.os_project_domain_name, timeout=config.timeout,
        ))
    raise ConfigError("method = proxy needs credentials in [space]: token_file, or auth_url, auth_user and auth_key (Swift's v1),"
                      " or os_auth_url, os_username, os_password and os_project_name (Keystone)", path=config.path)


def from_file(path: str) -> str:
    """Return the token that a file holds; raise CrawlError."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CrawlError(f"token_file {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not ASCII'}") from None
    if not token or len(token.split()) != 1:
        raise CrawlError(f"token_file {path} holds no token")
    return token


def from_swift(url: str, user: str, key: str, *, timeout: float) -> str:
    """Return a token that Swift's v1 authentication gives for user and key; raise CrawlError."""
    # Headers are sent as latin-1; Swift takes their bytes for UTF-8.
    sent = {name: value.encode().decode("latin-1") for name, value in (("X-Auth-User", user), ("X-Auth-Key", key))}
    try:
        request = urllib.request.Request(url, headers={**sent, "User-Agent": "swiftstats"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            token = answer.headers.get("X-Auth-Token")
    except urllib.error.HTTPError as error:
        error.close()
        raise CrawlError(f"{url} gives user {user} no token: {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise CrawlError(f"{url} gives no token: {getattr(error, 'reason', error)}") from None
    except ValueError:  # whose message may hold the key
        raise CrawlError(f"{url} cannot be asked for a token: the URL, user or key cannot be sent as they are") from None
    if not token:
        raise CrawlError(f"{url} gives no token: its answer has no X-Auth-Token")
    return str(token)


class Keystone:
    """Tokens of Keystone's v3 API through keystoneauth, for a user by password in a project. Called, it returns a new one."""

    def __init__(self, *, auth_url: str, username: str, password: str, project_name: str, user_domain_name: str,
                 project_domain_name: str, timeout: float) -> None:
        try:
            from keystoneauth1 import session
            from keystoneauth1.identity import v3
        except ImportError:
            raise ConfigError("os_auth_url needs keystoneauth: pip install 'swiftstats[keystone]'") from None
        self._url = auth_url
        self._session: Any = session.Session(
            v3.Password(auth_url=auth_url, username=username, password=password, project_name=project_name,
                        user_domain_name=user_domain_name, project_domain_name=project_domain_name, reauthenticate=True),
            timeout=timeout, user_agent="swiftstats")

    def __call__(self) -> str:
        from keystoneauth1.exceptions import ClientException

        # It keeps a token until shortly before it expires; this one was refused.
        self._session.invalidate()
        try:
            return str(self._session.get_token())
        except ClientException as error:
            # Its messages hold URL and status, and not what was sent.
            raise CrawlError(f"{self._url} gives no token: {type(error).__name__}: {error}") from None
