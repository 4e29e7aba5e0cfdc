"""Whose a request is, what it counts as, and whether it proves its account real. Pure functions and their tables.

The rules stand in docs/counting.md. Account names and paths are as WSGI gives them: bytes decoded as latin-1.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import unquote_plus

from swiftstats.fields import CELL_INDEX, NAME_BYTES, UNKNOWN

#: Method, exactly so written, and the cell of its billable requests. Every other method is OTHER.
METHOD_CELLS = {
    "GET": CELL_INDEX["get_count"],
    "PUT": CELL_INDEX["put_count"],
    "HEAD": CELL_INDEX["head_count"],
    "POST": CELL_INDEX["post_count"],
    "DELETE": CELL_INDEX["delete_count"],
    "OPTIONS": CELL_INDEX["other_count"],
    "OTHER": CELL_INDEX["other_count"],
}
#: Method, and how METHOD_CELLS knows it: `KINDS.get(method, "OTHER")`.
KINDS = {method: method for method in METHOD_CELLS}

_DENIED = CELL_INDEX["denied"]
_CLIENT_ERRORS = CELL_INDEX["client_errors"]
_SERVER_ERRORS = CELL_INDEX["server_errors"]
_DISCONNECTS = CELL_INDEX["disconnects"]

#: Where Swift's API begins. The account is what follows, up to the next slash.
API_ROOTS = ("/v1/", "/v1.0/")

DENIED = (401, 403)
GONE = (408, 499)  # client_timeout, and proxy-logging's word for a client that went away
#: Errors that Swift answers only to somebody who may touch the account.
PROVING_ERRORS = (404, 408, 409, 416, 422, 499)

#: How far an answer proves that its account is real.
NEVER = 0
FROM_S3 = 1  #: only where the S3 layer answered
UNBORROWED = 2  #: unless it may be another request's answer; see is_borrowed
ALWAYS = 3


class Outcome(NamedTuple):
    """What a request of some method and status adds: cell, amount, cell, amount, …; and what that means for its bytes."""

    increments: Tuple[int, ...]
    billable: bool
    proof: int


#: What a status line says: the status; what the request adds, or None where that must be looked at; and whether there is no body.
#: PERF: bench/filter.py; a NamedTuple is taken apart slowly.
Line = Tuple[int, Optional[Tuple[int, ...]], bool]


def is_empty(method: str, status: int) -> bool:
    """Tell whether an answer has no body, whatever its headers say (RFC 9110, 6.4.1)."""
    return method == "HEAD" or status == 204 or status == 304


@cache  # bounded: seven kinds, some statuses, two ends
def outcome(kind: str, status: int, cut: bool) -> Outcome:
    """Return what a request counts as. `cut`: the client left before the last byte was handed out.

    What is no HTTP status counts as a failure of the server.
    """
    if status in DENIED:
        return Outcome((_DENIED, 1), False, NEVER)
    if not 100 <= status <= 499:
        return Outcome((_SERVER_ERRORS, 1), False, NEVER)
    increments: Tuple[int, ...] = (METHOD_CELLS[kind], 1)
    if status >= 400 and status not in GONE:
        increments += (_CLIENT_ERRORS, 1)
    if cut or status in GONE:
        increments += (_DISCONNECTS, 1)
    return Outcome(increments, True, _proof(kind, status))


def _proof(kind: str, status: int) -> int:
    # An anonymous OPTIONS on any name answers 200.
    if kind == "OPTIONS" or (status >= 400 and status not in PROVING_ERRORS):
        return NEVER
    if kind in ("GET", "HEAD"):
        return ALWAYS
    # Before it looks at anybody's rights Swift answers 200 to bulk and multipart deletes and to archives, whose real outcome
    # stands in the body, and 303 to a form with a redirect (bulk.py, slo.py, formpost.py of Swift 2.38.3).
    if status in (200, 303):
        return FROM_S3
    return ALWAYS if status in (201, 204) else UNBORROWED


def _line(method: str, status: int) -> Line:
    increments, billable, proof = outcome(method, status, False)
    is_plain = len(increments) == 2 and billable and proof == ALWAYS
    return status, increments if is_plain else None, is_empty(method, status)


#: By method, and by status line as the standards have it, the Line that it is. It has increments for what nearly all requests
#: are: such as are billable and add one to one cell alone, and whose answer always proves the account real. PERF:
#: bench/filter.py; any other line is read, and any other request looked at.
LINES: Dict[str, Dict[str, Line]] = {
    method: {f"{status.value} {status.phrase}": _line(method, status.value) for status in HTTPStatus}
    for method in METHOD_CELLS if method != "OTHER"}


def answered(method: str, line: str) -> Line:
    """Return what an answer's status line says; raise ValueError for one that says nothing."""
    status = int(line[:3])
    return status, None, is_empty(method, status)


def is_borrowed(environ: Mapping[str, Any], method: str) -> bool:
    """Tell whether the answer to a write may say nothing about its own account.

    A copy answers with what happened to its source, which may be anybody's public object; a large object's manifest is
    answered (202 with a heartbeat, 422) before rights are looked at (copy.py, slo.py of Swift 2.38.3).
    """
    if method == "COPY" or "HTTP_X_COPY_FROM" in environ:
        return True
    return "multipart-manifest" in unquote_plus(environ.get("QUERY_STRING") or "")


def proves(proof: int, environ: Mapping[str, Any], method: str, status: int, path: str, from_s3: bool) -> bool:
    """Tell whether an answer, of an Outcome's `proof`, is evidence that the account is real and the caller had a right there.

    Anybody can type any name, and garbage must not fill the tables: what Swift answers to everybody proves nothing.
    """
    if from_s3 or proof == NEVER:
        return proof != NEVER
    if status == 404 and "//" in path and is_malformed(path):
        return False
    return proof == ALWAYS or (proof == UNBORROWED and not is_borrowed(environ, method))


def is_malformed(path: str) -> bool:
    """Tell whether Swift's split_path refuses `path` for an empty container: 404, for anybody and any account."""
    name = account_in(path)
    return bool(name) and path.startswith("//", path.index("/", 1) + 1 + len(name or ""))


def account_in(path: str) -> Optional[str]:
    """Return the account that a path of Swift's API names; '' for an empty one, None for any other path."""
    if path.startswith("/v1/"):
        start = 4
    elif path.startswith("/v1.0/"):
        start = 6
    else:
        return None
    end = path.find("/", start)
    return path[start:] if end < 0 else path[start:end]


def whose(method: str, arrived: str, left: str, backend: Optional[str], from_s3: bool,
          prefixes: Tuple[str, ...]) -> Optional[str]:
    """Return the account that a request is counted in; None where it is nobody's (`/info`, `/auth/v1.0`, …).

    `arrived` and `left` are PATH_INFO before the application was called and now, `backend` is `swift.backend_path`;
    `from_s3` tells that the S3 layer answered. `prefixes` are the reseller prefixes, with their underscores.
    """
    if backend is not None or from_s3:
        # For a bad signature the path holds the raw access key, which anybody can type; and where the S3 layer answered, the
        # path that arrived is bucket and key, even where it looks like somebody's Swift path.
        name = account_in(backend or "")
        if not name or not name.startswith(prefixes):
            return UNKNOWN
    else:
        name = account_in(arrived)
        if left != arrived:
            name = _remapped(method, name, arrived, left)
        if not name:
            return None
    return name if len(name) <= NAME_BYTES else UNKNOWN


def _remapped(method: str, name: Optional[str], arrived: str, left: str) -> Optional[str]:
    if not name:
        # tempauth shifts a segment into SCRIPT_NAME, and what is left of /auth/v1/NAME/auth is no account's.
        return None if arrived.endswith(left) else account_in(left)
    # domain_remap puts account and container of the host name before the path, even before /v1/AUTH_other/… (which it may strip
    # of its root). COPY rewrites the path to its destination, which is not the account in its URL.
    if method != "COPY" and (left.endswith(arrived) or left.endswith(arrived[arrived.index("/", 1):])):
        return account_in(left) or name
    return name


def may_be_s3(environ: Mapping[str, Any]) -> bool:
    """Tell whether s3api would take a request for its own: until it has answered, nobody knows whose it is."""
    if "HTTP_AUTHORIZATION" in environ:
        return True
    query = environ.get("QUERY_STRING") or ""
    return bool(query) and any(key in unquote_plus(query) for key in ("AWSAccessKeyId", "X-Amz-Credential"))
