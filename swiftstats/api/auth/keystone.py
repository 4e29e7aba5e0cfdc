"""`auth = keystone`: who Keystone says, as keystonemiddleware's `authtoken` found out.

Identity is believed only where that filter really ran. It says so in the environ's `keystone.token_auth`, which no client can
set: of what a client sends, every name in the environ begins with HTTP_. Identity is then read from `keystone.token_info`,
Keystone's own answer about the token, and never from the headers X-Roles, X-Project-Id and the like. Of those that
filter leaves some as the client sent them, and others beside.

The filter runs in one of two places, or both:

- to the left of the service, in a PasteDeploy pipeline, as before every OpenStack API;
- here (`Guard`), with the options of the section [keystone_authtoken], for requests that no rule before this one knows. Tokens of
  the tokens file are then never shown to Keystone, and what needs no token is answered while Keystone is away.
"""

from __future__ import annotations

import calendar
import configparser
import io
import json
import re
import time
from typing import Any, Callable, Collection, Iterable, Mapping, NamedTuple, Sequence

from swiftstats.api.auth.caller import TOKEN_LENGTH, AuthAway, Caller, Scope, digest_of, token_of
from swiftstats.api.auth.kept import Kept
from swiftstats.api.auth.password import Passwords
from swiftstats.api.auth.pipeline import authtoken_of
from swiftstats.config import KEYSTONE_SECTION, Config
from swiftstats.errors import ConfigError

#: What the filter puts into the environ, and documents.
TOKEN_AUTH, TOKEN_INFO = "keystone.token_auth", "keystone.token_info"
#: What of a request the filter is shown here: tokens, and what an application credential's access rules are about.
_SHOWN = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "HTTP_X_AUTH_TOKEN", "HTTP_X_SERVICE_TOKEN")
#: The role that reads where `system_reader = yes`; Keystone's member and admin imply it.
_READER = "reader"
NEITHER = ("auth = keystone needs keystonemiddleware's authtoken: a section [keystone_authtoken] in the configuration, or that "
           "filter to the left of the service in a PasteDeploy pipeline")
UNKNOWING = ("authtoken has no auth_type, and so nothing to ask Keystone with: it belongs into [keystone_authtoken] of the file "
             "that the filter reads, or into the filter's own section, with auth_url, username, password and project_name")
#: What the filter raises of itself where what answers is no Keystone, or redirects.
_NO_ANSWER = (json.JSONDecodeError, LookupError, TypeError, AttributeError)


class Said(NamedTuple):
    """What the filter says of a request: Keystone's answer about the token, or None; and its WWW-Authenticate."""

    info: Mapping[str, Any] | None
    challenge: str | None


class Guard:
    """The real `authtoken`, asked about a request as a function would be. Thread-safe.

    path: the file with [keystone_authtoken], or with the pipeline whose filter has `options`. It never defers its decision, so
    that a token that is refused (401) and a Keystone that is away (503) are two things; and keeps no tokens of its own.
    """

    def __init__(self, path: str, options: Mapping[str, str] | None = None) -> None:
        try:
            from keystoneauth1.exceptions import ClientException
            from keystonemiddleware import auth_token
            from oslo_config.cfg import Error
        except ImportError as error:
            raise ConfigError(f"auth = keystone: {error}; install with: pip install 'swiftstats[keystone]'", path=path) from None
        self._errors: tuple[type[Exception], ...] = (ClientException,)
        try:
            given = {"oslo_config_project": "swiftstats", "oslo_config_file": path} if options is None else options
            self._filter = auth_token.filter_factory(
                {}, **{**given, "delay_auth_decision": "false", "token_cache_time": "-1"})(_admitted)
            # It has no option for that. The token and the service's password go to the configured Keystone, not elsewhere.
            self._filter._session.redirect = False
        except (ClientException, Error, ValueError) as error:
            raise ConfigError(f"[{KEYSTONE_SECTION}] will not do: {error}", path=path) from None
        if self._filter._auth is None:
            raise ConfigError(UNKNOWING, path=path)

    def ask(self, environ: Mapping[str, Any]) -> Said:
        """Return what the filter says; raise AuthAway where Keystone does not answer."""
        shown = {
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.multithread": True,
            "wsgi.multiprocess": True, "wsgi.run_once": False,
            **{name: environ[name] for name in _SHOWN if name in environ},
        }
        answered: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            for _ in self._filter(shown, lambda status, headers, *_: answered.append((status, headers))):
                pass
        except self._errors as error:
            raise AuthAway(f"Keystone does not answer: {type(error).__name__}") from None
        except _NO_ANSWER as error:
            raise AuthAway(f"Keystone answers what is no token: {type(error).__name__}") from None
        except ValueError:
            return Said(None, None)  # a token that no header can carry
        status, headers = answered[-1]
        if status[:3] == "204":
            return Said(shown[TOKEN_INFO], None)
        if status[:3] == "401":
            return Said(None, dict(headers).get("WWW-Authenticate"))
        raise AuthAway(f"Keystone does not answer: authtoken says {status}")


def _admitted(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Be the application behind the filter, which is called where it admits."""
    start_response("204 No Content", [])
    return []


class KeystoneRule:
    """Knows whom `authtoken` has confirmed. Yes and no are kept for `cache_seconds`, by hash.

    guard: None where the filter can only be to the left. admin_roles: roles that read every account, in any case, as Swift's
    `reseller_admin_role`. passwords: for pages. `clock` gives seconds since 1970.
    """

    asks = True

    def __init__(self, guard: Guard | None, *, prefixes: Sequence[str], admin_roles: Collection[str], system_reader: bool,
                 cache_seconds: float, passwords: Passwords | None = None, clock: Callable[[], float] = time.time) -> None:
        self.passwords = passwords
        self._guard, self._prefixes, self._system_reader, self._clock = guard, prefixes, system_reader, clock
        self._admin_roles = frozenset(role.casefold() for role in admin_roles)
        self._kept: Kept[Said] = Kept(seconds=cache_seconds)

    def caller(self, environ: Mapping[str, Any], accounts: Sequence[bytes]) -> Caller | None:
        """Return whom the filter has confirmed, to the left or here."""
        left = environ.get(TOKEN_AUTH) is not None
        info = confirmed(environ) if left else None
        if info is None and self._guard is not None:
            info = self._ask(self._guard, environ)
        elif info is None and not left:
            raise AuthAway(NEITHER)
        return None if info is None else self._known(info["token"])

    def challenge(self, environ: Mapping[str, Any]) -> str | None:
        """Return where Keystone is; the filter says it by itself where it is to the left."""
        if environ.get(TOKEN_AUTH) is not None or self._guard is None:
            return None
        bare = {name: value for name, value in environ.items() if name not in ("HTTP_X_AUTH_TOKEN", "HTTP_X_SERVICE_TOKEN")}
        return self._guard.ask(bare).challenge

    def _ask(self, guard: Guard, environ: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what the filter says here, or said lately."""
        token, service = token_of(environ), environ.get("HTTP_X_SERVICE_TOKEN", "")
        if not token or len(token) > TOKEN_LENGTH or len(service) > TOKEN_LENGTH:
            return None
        # A token as such; and one that is good for this request or not, as application credentials with access rules are.
        everywhere = digest_of(token, service)
        here = digest_of(token, service, environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        said = self._kept.get(everywhere) or self._kept.get(here)
        if said is None:
            since = self._kept.now()
            said = guard.ask(environ)
            if said.info is None or "access_rules" in said.info["token"].get("application_credential", {}):
                self._kept.keep(here, said, since=since, at_most=self._left(said))
            else:
                self._kept.keep(everywhere, said, since=since, at_most=None if service else self._left(said))
        return said.info

    def _left(self, said: Said) -> float | None:
        """Return how many seconds a confirmed token has left."""
        expires = None if said.info is None else expiry(said.info["token"])
        return None if expires is None else expires - self._clock()

    def _known(self, token: Mapping[str, Any]) -> Caller:
        """Return who a token of Keystone's is, and what it may read."""
        roles = {role["name"].casefold() for role in token.get("roles", ())}
        project = token.get("project", {}).get("id")
        system = token.get("system", {}).get("all") is True
        # In a domain alone a role is no role over the cloud: neither reads all nor has an account.
        everything = (bool(roles & self._admin_roles) and (system or project is not None)) or (
            self._system_reader and system and _READER in roles)
        accounts = () if project is None else tuple((prefix + project).encode() for prefix in self._prefixes)
        place = project or ("system" if system else "-")
        return Caller("keystone", f"keystone:{token['user']['id']}@{place}", Scope(all=everything, accounts=accounts),
                      expiry(token))


def confirmed(environ: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return Keystone's answer about the token that the filter to the left has confirmed, or None.

    With `delay_auth_decision` that filter lets everything pass and says Invalid; a service token that is not good makes the
    whole request so. The filter overwrites the two headers that are read here, whatever a client sent.
    """
    info = environ.get(TOKEN_INFO)
    if not isinstance(info, dict) or environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
        return None
    if environ.get("HTTP_X_SERVICE_TOKEN") and environ.get("HTTP_X_SERVICE_IDENTITY_STATUS") != "Confirmed":
        return None
    return info


def expiry(token: Mapping[str, Any]) -> float | None:
    """Return when a token expires, in seconds since 1970."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", str(token.get("expires_at")))
    return None if found is None else float(calendar.timegm(time.strptime(found.group(1), "%Y-%m-%dT%H:%M:%S")))


def from_config(config: Config, *, pipeline: str | None) -> KeystoneRule:
    """Make the rule; raise ConfigError where no `authtoken` can be there, or the one to the left cannot ask Keystone anything.

    pipeline: as of rules.from_config.
    """
    passwords = None
    options = authtoken_of(pipeline) if pipeline else None
    # With delay_auth_decision that filter does not tell a token that is refused from a Keystone that is away: so ask here.
    guard = Guard(pipeline, options) if pipeline and options is not None else None
    if config.path is not None and has_section(config.path):
        guard, passwords = Guard(config.path), Passwords(config.path)
    elif pipeline is None:
        raise ConfigError(NEITHER, path=config.path)
    return KeystoneRule(guard, prefixes=config.reseller_prefix, admin_roles=config.admin_roles or (),
                        system_reader=config.system_reader, cache_seconds=config.auth_cache_seconds, passwords=passwords)


def has_section(path: str) -> bool:
    """Tell whether a configuration has options for `authtoken`."""
    parser = configparser.RawConfigParser(default_section="\x00none", strict=False)
    parser.read(path, encoding="utf-8")
    return parser.has_section(KEYSTONE_SECTION)
