"""Tokens for the crawler's proxy method: from a file, from Swift's own v1 authentication, or from Keystone.

Several threads ask at once; one of them renews a token that was refused, and the others take the new one. Neither tokens nor
keys are ever logged, or part of a message; they go to the configured URL and nowhere else: redirects are not followed.
"""

from __future__ import annotations

import http.client
import os
import stat
import threading
from contextlib import closing
from typing import Callable
from urllib.parse import urlsplit, urlunsplit

from swiftstats.collect.keystone import keystone_of
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
        return Tokens(keystone_of(config))
    raise ConfigError("method = proxy needs credentials in [space]: token_file, or auth_url, auth_user and auth_key (Swift's v1),"
                      " or os_auth_url, os_username, os_password and os_project_name (Keystone)", path=config.path)


def from_file(path: str) -> str:
    """Return the token that a file holds, which nobody but its owner may read; raise CrawlError."""
    try:
        with open(path, encoding="ascii") as file:
            mode, token = stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CrawlError(f"token_file {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not ASCII'}") from None
    if mode & 0o077:
        raise CrawlError(f"mode {mode:04o} lets others at the token: chmod 600 {path}")
    if not token or len(token.split()) != 1:
        raise CrawlError(f"token_file {path} holds no token")
    return token


def from_swift(url: str, user: str, key: str, *, timeout: float) -> str:
    """Return a token that Swift's v1 authentication gives for user and key; raise CrawlError."""
    # Headers are sent as latin-1; Swift takes their bytes for UTF-8.
    sent = {name: value.encode().decode("latin-1") for name, value in (("X-Auth-User", user), ("X-Auth-Key", key))}
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        # It follows no redirect: whoever is there must not be told the key.
        with closing(kind(parts.hostname, parts.port, timeout=timeout)) as connection:
            path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request("GET", path, headers={**sent, "User-Agent": "swiftstats"})
            answer = connection.getresponse()
            status, reason, token = answer.status, answer.reason, answer.getheader("X-Auth-Token")
    except (OSError, http.client.HTTPException) as error:
        raise CrawlError(f"{url} gives no token: {error}") from None
    except ValueError:  # whose message may hold the key
        raise CrawlError(f"{url} cannot be asked for a token: the URL, user or key cannot be sent as they are") from None
    if not 200 <= status < 300:
        raise CrawlError(f"{url} gives user {user} no token: {status} {reason}")
    if not token:
        raise CrawlError(f"{url} gives no token: its answer has no X-Auth-Token")
    return token
