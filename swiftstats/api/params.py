"""Read a request's parameters, from URL, form and headers, into a question; every fault at once.

URL and form are split on `&` and on `;`: the 2012 documentation separates by `;`, which Python's own parser has not split on
since 3.10. A parameter in the URL wins over the same one in a header. The same parameter twice is a fault, since either
could have been meant. A parameter that this service does not know is ignored: scripts of 2012 and caches add their own, and
nothing that changes an answer can be mistyped unnoticed but `format`, which shows. An empty header is as good as none; an
empty parameter in the URL is a value, and refused where it will not do.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from swiftstats.config import Config
from swiftstats.names import text_of
from swiftstats.query.question import Fault, Question, ask, fault
from swiftstats.represent import negotiate

#: parameter: its header. Faults name the parameter, wherever its value came from.
PARAMETERS = {
    "account_id": "X-Account-Id",
    "begin_time": "X-Begin-Time",
    "end_time": "X-End-Time",
    "format": "X-Format",
    "by": "X-By",
}
#: The most bytes of a form.
FORM_BYTES = 65536
FORM_TYPE = "application/x-www-form-urlencoded"


class BodyTooLarge(Exception):
    """A body of more than FORM_BYTES."""


class NotAForm(Exception):
    """A body that is no form."""


class Given:
    """What a request gives, read once.

    `values`: each parameter, as text; `faults`: what was wrong with reading them; `format`: how to answer, errors too;
    `acceptable`: whether the request's `Accept` lets us.
    """

    def __init__(self, environ: Mapping[str, Any], form: bytes = b"") -> None:
        self.values: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.accept: str | None = environ.get("HTTP_ACCEPT")
        sent: dict[str, list[bytes]] = {}
        for name, value in split(environ.get("QUERY_STRING", "").encode("latin-1")) + split(form):
            if name in PARAMETERS:
                sent.setdefault(name, []).append(value)
        for name, header in PARAMETERS.items():
            raw = environ.get(environ_name(header), "").encode("latin-1").strip()
            self._take(name, sent.get(name) or ([raw] if raw else []))
        self.acceptable = True
        self.format = self._format()

    @property
    def errors(self) -> negotiate.Format:
        """How to write errors."""
        return self.format

    def _take(self, name: str, values: Sequence[bytes]) -> None:
        """Keep a parameter that came once, in UTF-8."""
        if not values:
            return
        shown = " and ".join(text_of(value) for value in values)
        if len(values) > 1:
            self.faults.append(fault(name, shown, f"one {name}, not {len(values)}"))
            return
        try:
            self.values[name] = values[0].decode("utf-8")
        except UnicodeDecodeError:
            self.faults.append(fault(name, shown, "text in UTF-8"))

    def _format(self) -> negotiate.Format:
        asked = self.values.get("format")
        try:
            if asked is not None:
                return negotiate.named(asked)
            return negotiate.accepted(self.accept)
        except negotiate.UnknownFormat:
            self.faults.append(fault("format", asked or "", f"one of {', '.join(negotiate.FORMATS)}"))
        except negotiate.NotAcceptable:
            self.acceptable = False
        return negotiate.DEFAULT

    def question(self, config: Config, *, detail: bool, by: Sequence[str] = ()) -> Question:
        """Return the question that is asked; raise NotAcceptable, or BadQuestion with all faults.

        `by`: what this query can be broken down by.
        """
        if not self.acceptable:
            raise negotiate.NotAcceptable(self.accept or "")
        asked = self.values.get("by")
        if asked is not None and asked not in by:
            expected = f"one of {', '.join(by)}" if by else "nothing: only space_detail can be told by policy or container"
            self.faults.append(fault("by", asked, expected))
        return ask(self.values, prefixes=config.reseller_prefix, period_seconds=config.period_seconds,
                   max_periods=config.max_periods if detail else None, faults=self.faults)


def split(encoded: bytes) -> list[tuple[str, bytes]]:
    """Split a query string or form at `&` and `;`; decode `+` and percent-encoding. Names that are no ASCII are none of ours."""
    pairs = []
    for piece in re.split(rb"[&;]", encoded):
        name, _, value = piece.replace(b"+", b" ").partition(b"=")
        if piece:
            pairs.append((unquote_to_bytes(name).decode("ascii", "replace"), unquote_to_bytes(value)))
    return pairs


def read_form(environ: Mapping[str, Any]) -> bytes:
    """Return the body of a POST; raise NotAForm or BodyTooLarge. No body at all is an empty form."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > FORM_BYTES:
        raise BodyTooLarge(length)
    body: bytes = environ["wsgi.input"].read(int(length)) if int(length) else b""
    if body and environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise NotAForm(environ.get("CONTENT_TYPE", ""))
    return body


def environ_name(header: str) -> str:
    """Return the key that WSGI keeps a header under."""
    return "HTTP_" + header.upper().replace("-", "_")
