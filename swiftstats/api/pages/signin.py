"""Signing in and out: a token becomes a session, once; where a browser is sent next is always a page of ours."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

from webob import Response  # type: ignore[import-untyped]

from swiftstats.api import audit, faults
from swiftstats.api.auth.caller import AccountNeeded, Caller, TooManyFailures, Unauthenticated
from swiftstats.api.auth.rules import Rules
from swiftstats.api.auth.session import SessionTooLarge, same_origin
from swiftstats.api.pages.shell import Shell, page, redirect
from swiftstats.api.params import read_form
from swiftstats.config import Config
from swiftstats.query.question import resolve


def place(asked: str, root: str) -> str:
    """Return the path of ours that a browser asked to be sent to afterwards; the first page for anything else."""
    try:
        parts = urlsplit(asked)
    except ValueError:
        return root + "/"
    # A browser takes `\` for `/`, and drops tabs and line ends: `/\evil` and `//evil` are other hosts.
    ours = asked.startswith(root + "/") and not asked.startswith("//") and not parts.netloc and not parts.scheme
    if not ours or "\\" in asked or not asked.isascii() or not asked.isprintable() or " " in asked:
        return root + "/"
    return asked


def location(root: str, environ: Mapping[str, Any]) -> str:
    """Return where somebody who has to sign in is sent, to come back to what they asked for."""
    asked = quote(root + environ.get("PATH_INFO", ""), safe="/:@!$&'()*+,;=~-._", encoding="latin-1")
    if environ.get("QUERY_STRING"):
        asked += "?" + environ["QUERY_STRING"]
    return f"{root}/login?next={quote(asked, safe='')}"


class SignIn:
    """The form, what it sends, and the way out."""

    def __init__(self, config: Config, rules: Rules) -> None:
        self._rules, self._prefixes = rules, config.reseller_prefix
        self._auth: tuple[str, ...] = config.auth or ()

    def form(self, environ: Mapping[str, Any], root: str) -> Response:
        """Show the form."""
        given = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        return self._page(root, place(given.get("next", ""), root))

    def sign_in(self, environ: Mapping[str, Any], root: str) -> Response:
        """Begin a session with the token, or the password, that was sent, and go where the browser wanted to be."""
        if not same_origin(environ):
            self._refused(environ, 403)
            return self._page(root, root + "/", "That form did not come from here. Sign in with this one.", status=403)
        given = dict(parse_qsl(read_form(environ).decode("utf-8", "replace"), keep_blank_values=True))
        after = place(given.get("next", ""), root)
        more: Sequence[tuple[str, str]] = ()
        try:
            headers = self._rules.sessions.begin(environ, self._caller(environ, given))
        except Unauthenticated:
            trouble, status = "Nobody knows that: it may be mistyped, revoked or expired.", 403
        except AccountNeeded:
            trouble, status = "With a token of Swift, name the account that it is for.", 400
        except ValueError as error:
            trouble, status = f"Account: expected {error}.", 400
        except SessionTooLarge as error:
            trouble, status = f"{error}.", 403
        except TooManyFailures as error:
            trouble, status = f"Too many that nobody knows came from here; try again in {math.ceil(error.seconds)} seconds.", 429
            more = faults.refusal(error).headers
        else:
            return redirect(after, headers)
        self._refused(environ, status)
        return self._page(root, after, trouble, given, status, more)

    def sign_out(self, environ: Mapping[str, Any], root: str) -> Response:
        """End the session."""
        if not same_origin(environ):
            self._refused(environ, 403)
            return self._page(root, root + "/", "That did not come from a page of ours; you are still signed in.", status=403)
        return redirect(root + "/login", self._rules.sessions.end(environ))

    def _refused(self, environ: Mapping[str, Any], status: int) -> None:
        audit.refused({**environ, audit.ADDRESS: self._rules.addresses.client(environ)}, status)

    def _caller(self, environ: Mapping[str, Any], given: Mapping[str, str]) -> Caller:
        """Return who the token is of; raise Unauthenticated, AccountNeeded, TooManyFailures, AuthAway, or ValueError."""
        token, account, user = (given.get(name, "").strip() for name in ("token", "account", "user"))
        accounts = (resolve(account, self._prefixes),) if account else ()
        # A copy, so that neither the token nor a session that is there already takes part in anything else.
        asked = {**environ, "HTTP_X_AUTH_TOKEN": token}
        asked.pop("HTTP_COOKIE", None)
        if user and not token:
            asked["HTTP_X_AUTH_TOKEN"] = token = self._rules.token(
                asked, user=user, password=given.get("password", ""), project=given.get("project", "").strip(),
                **{name: given[name].strip() for name in ("user_domain", "project_domain") if given.get(name, "").strip()})
        if not token:
            raise Unauthenticated()
        return self._rules.caller(asked, accounts)

    def _page(self, root: str, after: str, trouble: str = "", given: Mapping[str, str] = MappingProxyType({}),
              status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Response:
        return page("login.html", status=status, headers=headers, shell=Shell(root, here="/login"), next=after, trouble=trouble,
                    given={name: given.get(name, "") for name in ("account", "user", "project", "user_domain", "project_domain")},
                    account_asked="swift" in self._auth, tokens="tokens" in self._auth, passwords=self._rules.takes_passwords)
