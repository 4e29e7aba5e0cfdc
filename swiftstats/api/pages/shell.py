"""What all pages share: the templates, what they may call, and the headers that go with each page."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from webob import Response  # type: ignore[import-untyped]

from swiftstats.api.pages import asked, static
from swiftstats.query.steps import iso
from swiftstats.represent import people, plots

#: Nothing from another origin, no script or style in the page itself, and no page of ours in somebody else's frame.
#: `no-referrer` would make Chromium send `Origin: null` with our own forms.
HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                                "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Vary", "Accept, Cookie, X-Auth-Token"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
CONTENT_TYPE = "text/html; charset=UTF-8"


def _environment() -> Environment:
    made = Environment(loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True)
    made.filters.update(count=people.count, size=people.size, duration=people.duration, moment=people.moment, iso=iso)
    made.globals.update(plural=people.plural, patterns=Markup(plots.PATTERNS), static=static.path, utc=timezone.utc,
                        link_of=asked.account_path)
    return made


_TEMPLATES = _environment()


def page(template: str, *, status: int = 200, headers: Sequence[tuple[str, str]] = (), **context: Any) -> Response:
    """Render a page."""
    response = Response(status=status, body=_TEMPLATES.get_template(template).render(context).encode("utf-8", "replace"))
    response.headers["Content-Type"] = CONTENT_TYPE
    response.headers.extend([*HEADERS, *headers])
    return response


class _Redirect(Response):  # type: ignore[misc]
    """An answer whose Location stays the path that it is (RFC 9110, section 10.2.2).

    WebOb would put scheme and host before it, as they look from here: behind a proxy that ends TLS, http.
    """

    def _abs_headerlist(self, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        return list(self.headerlist)


def redirect(location: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Send the browser to another page of ours, by GET."""
    response = _Redirect(status=303)
    response.headers["Location"] = location
    response.headers.extend([*HEADERS, *headers])
    return response


class Shell:
    """What the frame of a page shows: where the service is mounted, who is signed in, which page this is.

    `operator`: who may read every account sees all pages; a tenant its own account and the help.
    """

    def __init__(self, root: str, *, who: Optional[str] = None, operator: bool = False, here: str = "",
                 sign_out: bool = False, home: str = "/usage") -> None:
        self.root, self.who, self.operator, self.here, self.sign_out, self.home = root, who, operator, here, sign_out, home
