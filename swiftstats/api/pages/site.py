"""The pages of the service: which there are, who may see which, and what is shown where one cannot be.

Each request is answered whole, from one snapshot of the database. An error is a page in the same style that says what to do.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import Iterator, Mapping, Optional, Sequence

from sqlalchemy import Connection
from webob import Request, Response  # type: ignore[import-untyped]
from webob.acceptparse import create_accept_header  # type: ignore[import-untyped]

from swiftstats import fields, periods
from swiftstats.api import audit, faults, many_accounts, routes
from swiftstats.api.auth.caller import AccountNeeded, Caller, Forbidden, Scope, Unauthenticated
from swiftstats.api.pages import account, asked, signin, static, status, usage
from swiftstats.api.pages.shell import Shell, page, redirect
from swiftstats.api.params import environ_name, split
from swiftstats.api.service import Environ, Service
from swiftstats.errors import SwiftStatsError
from swiftstats.names import text_of
from swiftstats.query import selection, table_question
from swiftstats.query.question import BadQuestion, fault
from swiftstats.query.standing import Standing, standing
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import by_server
from swiftstats.store import engine as store

#: path, or its beginning where it ends in a slash: what it shows, as docs/pages.md has it
PAGES = {
    "/": "To the usage of all accounts, or of the only one that you may read.",
    "/login": "Sign in with a token.",
    "/logout": "End the session.",
    "/usage": "A row per account, or a column per server; what it adds up to.",
    "/accounts/": "One account: plots, sums, and the numbers beneath.",
    "/status": "Who holds up completeness; backlog, losses, crawlers, the busiest accounts. For operators.",
    "/servers/": "One server and its writers. For operators.",
    "/help": "What each figure means.",
    "/static/": "Style, script and icon of the pages.",
}
#: What is shown to a browser at a path where there is nothing.
NOWHERE = "(nowhere)"
#: Methods of a page that takes others than GET and HEAD.
METHODS = {"/login": ("GET", "HEAD", "POST"), "/logout": ("POST",)}
_TITLES = {HTTPStatus.BAD_REQUEST: "That cannot be shown", HTTPStatus.FORBIDDEN: "Not yours to see",
           HTTPStatus.NOT_FOUND: "There is no such page", HTTPStatus.SERVICE_UNAVAILABLE: "Not reachable just now",
           HTTPStatus.CONFLICT: "Not final yet"}
_ADVICE = {
    HTTPStatus.BAD_REQUEST: "Something in this page's address will not do:",
    HTTPStatus.FORBIDDEN: "You are signed in, and may not see this.",
    HTTPStatus.NOT_FOUND: "There is nothing here.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many tokens that nobody knows came from here. Wait a minute, and load this page again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database, or what knows the tokens, does not answer now. Counting goes on, and "
                                    "nothing is lost: load this page again in a moment. An operator finds out why in the "
                                    "service's log.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something unexpected happened. An operator finds it in the service's log.",
}


class Pages:
    """Answers requests for pages; thread-safe."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._data = routes.Table()
        self._sign_in = signin.SignIn(service.config, service.rules)
        self._busiest = status.Busiest()

    def find(self, environ: Environ) -> Optional[str]:
        """Return which of PAGES a request is for; None where it is for data."""
        path = environ.get("PATH_INFO", "") or "/"
        if path in ("/", "/usage") and not prefers_html(environ):
            return None
        if path in PAGES:
            return path
        below = next((page for page in PAGES if page.endswith("/") and page != "/" and path.startswith(page)), None)
        return NOWHERE if below is None and prefers_html(environ) and self._data.find(path) is None else below

    def answer(self, environ: Environ, page: str) -> Response:
        """Answer a request for a page, whatever comes of it."""
        root, path = environ.get("SCRIPT_NAME", "").rstrip("/"), environ.get("PATH_INFO", "") or "/"
        try:
            return self._answer(environ, root, page, path[len(page):] if page.endswith("/") else "")
        except (Unauthenticated, AccountNeeded):
            audit.refused(environ, HTTPStatus.SEE_OTHER)
            return redirect(signin.location(root, environ))
        except Exception as error:
            return self._refused(error, environ, root)

    def _answer(self, environ: Environ, root: str, page: str, rest: str) -> Response:
        if page == NOWHERE:
            raise faults.unknown_path(_shown(environ), list(PAGES))
        method = environ["REQUEST_METHOD"]
        allowed = METHODS.get(page, ("GET", "HEAD"))
        if method not in allowed:
            raise faults.wrong_method(method, allowed)
        if page == "/logout":
            return self._sign_in.sign_out(environ, root)
        if page == "/login":
            return self._sign_in.sign_in(environ, root) if method == "POST" else self._sign_in.form(environ, root)
        if page == "/static/":
            found = static.answer(page + rest)
            if found is None:
                raise faults.unknown_path(page + rest, [static.path(name) for name in static.NAMES])
            return found
        if page == "/help":
            return self._help(environ, root)
        if page == "/accounts/":
            return self._account(environ, root, rest)
        if page in ("/status", "/servers/"):
            self._service.rules.everything(environ, page + rest)
            return self._status(environ, root) if page == "/status" else self._server(environ, root, rest)
        return self._usage(environ, root) if page == "/usage" else redirect(root + home(self._service.rules.scope(environ)))

    def _usage(self, environ: Environ, root: str) -> Response:
        given = asked.read(environ)
        values = dict(given.given)
        if values.get("by", ("account",))[0] in ("account,server", "server,account"):
            values.setdefault("fields", (",".join(by_server.USAGE),))
        if values.get("order", ("account",)) != ("account",) or values.get("by") not in (("server",),):
            values.setdefault("limit", (str(usage.LIMIT),))
        with self._read() as (connection, now):
            question = self._question(values, now)
            if question.by_group and question.by_server:
                raise BadQuestion([fault("by", ",".join(question.by), "group alone on a page; both are in files, as format=csv")])
            scope, chosen = many_accounts.permitted(self._service, environ, question)
            if question.by_server and not scope.all:
                raise Forbidden("by=server")
            found = usage.shown(connection, question, chosen, given, self._standing(connection, now), operator=scope.all,
                                petnames=_are_called(connection, scope), now=now)
        if scope.all:
            audit.read(environ, begin=question.begin, end=question.end, rows=len(found["lines"]))
        return page("usage.html", shell=self._shell(environ, root, scope, "/usage"), **found)

    def _account(self, environ: Environ, root: str, rest: str) -> Response:
        name = text_of(rest.encode("latin-1"))
        given = asked.read(environ, known=account.PARAMETERS if name else (*account.PARAMETERS, "account"))
        name = name or given.text("account") or ""
        with self._read() as (connection, now):
            question = account.stepped(self._question({**given.given, "account": (name,)}, now))
            scope, _ = many_accounts.permitted(self._service, environ, question)
            found = account.shown(connection, question, given, self._standing(connection, now), name=name,
                                  operator=scope.all, now=now, origin=self._origin(environ) + root)
            called = _are_called(connection, scope)
        shell = self._shell(environ, root, scope, "" if scope.all else asked.account_path(name))
        return page("account.html", shell=shell, here=root + asked.account_path(name).partition("?")[0], petnames=called,
                    **found)

    def _status(self, environ: Environ, root: str) -> Response:
        asked.read(environ, known=())
        with self._read() as (connection, now):
            found = status.shown(connection, self._standing(connection, now), self._busiest)
        hour, busiest = found["hour"], found["busiest"]
        audit.read(environ, begin=None if hour is None else hour - periods.HOUR, end=hour, rows=len(busiest))
        return page("status.html", shell=self._shell(environ, root, Scope(all=True), "/status"), **found)

    def _server(self, environ: Environ, root: str, rest: str) -> Response:
        asked.read(environ, known=())
        name = rest.encode("latin-1").decode("utf-8", "surrogateescape")
        with self._read() as (connection, now):
            found = status.of_server(connection, self._standing(connection, now), name)
        if found is None:
            raise faults.Refused(HTTPStatus.NOT_FOUND, [fault("server", name, "a server that /status lists")])
        return page("server.html", shell=self._shell(environ, root, Scope(all=True), ""), **found)

    def _help(self, environ: Environ, root: str) -> Response:
        """Show what figures mean; to anybody, since it says nothing of anybody."""
        try:
            scope: Optional[Scope] = self._service.rules.scope(environ)
        except SwiftStatsError:
            scope = None
        io = [column for column in fields.COLUMNS if column not in fields.SPACE_COLUMNS]
        return page("help.html", shell=self._shell(environ, root, scope, "/help"), io=io,
                    space=(*fields.SPACE_COLUMNS, *fields.SPACE_COUNTS),
                    period_seconds=self._service.config.period_seconds, origin=self._origin(environ))

    def _origin(self, environ: Environ) -> str:
        """Return scheme and host by which the client reached us, for commands to paste."""
        secure = self._service.rules.addresses.secure(environ)
        return f"{'https' if secure else 'http'}://{Request(environ).host}"

    @contextmanager
    def _read(self) -> Iterator[tuple[Connection, float]]:
        """Open one snapshot for a page; yield it, and the time."""
        self._service.check_schema()
        with store.read(self._service.engine) as connection:
            yield connection, self._service.now(connection)

    def _question(self, given: Mapping[str, Sequence[str]], now: float) -> TableQuestion:
        config = self._service.config
        return table_question.ask(given, prefixes=config.reseller_prefix, period_seconds=config.period_seconds,
                                  max_periods=config.max_periods, now=now)

    def _standing(self, connection: Connection, now: float) -> Standing:
        return standing(connection, now=int(now), period_seconds=self._service.config.period_seconds)

    def _shell(self, environ: Environ, root: str, scope: Optional[Scope], here: str) -> Shell:
        caller: Optional[Caller] = environ.get(audit.CALLER)
        if scope is None or caller is None:
            return Shell(root, here=here)
        operator = scope.all
        who = caller.who.partition(":")[2] or caller.who
        return Shell(root, who=f"{who} (operator)" if operator else who, operator=operator, here=here,
                     sign_out="HTTP_COOKIE" in environ, home=home(scope))

    def _refused(self, error: Exception, environ: Environ, root: str) -> Response:
        """Show what went wrong, and what to do about it."""
        refused = faults.refusal(error)
        if refused.status in faults.AUDITED:
            audit.refused(environ, refused.status, getattr(error, "asked", ""))
        caller: Optional[Caller] = environ.get(audit.CALLER)
        shell = self._shell(environ, root, None if caller is None else caller.scope, "")
        link = (home(caller.scope), "To the usage") if caller is not None and refused.status < 500 else None
        return page("error.html", status=refused.status.value, headers=refused.headers, shell=shell, code=refused.status.value,
                    title=_TITLES.get(refused.status, refused.status.phrase), advice=_ADVICE.get(refused.status, ""),
                    faults=refused.faults if refused.status != HTTPStatus.FORBIDDEN else (), link=link)


def _shown(environ: Environ) -> str:
    """Return a request's path as text."""
    path: str = environ.get("PATH_INFO", "")
    return text_of(path.encode("latin-1"))


def _are_called(connection: Connection, scope: Scope) -> bool:
    """Tell whether any of the accounts that somebody may read has a petname: what others have shows in nothing."""
    return selection.any_petname(connection, everything=scope.all, accounts=scope.accounts, prefixes=scope.prefixes)


def home(scope: Scope) -> str:
    """Return the first page of somebody: all that may be read, or the only account."""
    if not scope.all and len(scope.accounts) == 1 and not scope.prefixes:
        return asked.account_path(text_of(scope.accounts[0]))
    return "/usage"


def prefers_html(environ: Environ) -> bool:
    """Tell whether a request asks for HTML, by `format`, or in its Accept more than for data."""
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD") or environ.get(environ_name("X-Query-Method")):
        return False
    given = dict(split(environ.get("QUERY_STRING", "").encode("latin-1")))
    if "format" in given or "t" in given:
        return given.get("format") == b"html"
    offers = ["application/json", "application/xml", "text/csv", "application/x-ndjson", "text/html"]
    best = create_accept_header(environ.get("HTTP_ACCEPT")).acceptable_offers(offers)
    return bool(best) and best[0][0] == "text/html"
