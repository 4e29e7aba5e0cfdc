"""Turn what went wrong into an HTTP answer; the one module that knows which error is which status.

An answer never holds a traceback, a piece of SQL or a token: of the store's errors and of unexpected ones it shows the
status alone, and the log shows the rest.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Sequence

from webob import Response  # type: ignore[import-untyped]

from swiftstats.api import params
from swiftstats.api.auth.caller import AccountNeeded, AuthAway, Forbidden, TooManyFailures, Unauthenticated
from swiftstats.errors import DatabaseAway, DatabaseBusy, SchemaError
from swiftstats.query.question import BadQuestion, Fault, fault
from swiftstats.query.table_header import NotFinal
from swiftstats.represent import negotiate, table_csv

LOG = logging.getLogger(__name__)

#: What is refused for who asks, and stands in the audit log.
AUDITED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
#: error: the seconds after which a client should try again
RETRY_AFTER = ((DatabaseAway, 10), (DatabaseBusy, 1), (SchemaError, 60), (AuthAway, 10))


class Refused(Exception):
    """A request that is refused for what it is: status, faults, and headers that go with it."""

    def __init__(self, status: HTTPStatus, faults: Sequence[Fault] = (), headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(status.phrase)
        self.status, self.faults, self.headers = status, tuple(faults), tuple(headers)


def unknown_path(path: str, routes: Sequence[str]) -> Refused:
    """Refuse a path that there is not."""
    return Refused(HTTPStatus.NOT_FOUND, [fault("path", path, "one of " + ", ".join(routes))])


def wrong_method(method: str, allowed: Sequence[str]) -> Refused:
    """Refuse a method, and say in `Allow` which would do."""
    listed = ", ".join(allowed)
    return Refused(HTTPStatus.METHOD_NOT_ALLOWED, [fault("method", method, "one of " + listed)], [("Allow", listed)])


def unknown_query(name: str, queries: Sequence[str]) -> Refused:
    """Refuse a name in `X-Query-Method` that is none of the queries."""
    return Refused(HTTPStatus.BAD_REQUEST, [fault("X-Query-Method", name, "one of " + ", ".join(queries))])


def refusal(error: Exception) -> Refused:
    """Return what to answer to an error; what should have been seen by an operator is logged."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, BadQuestion):
        return Refused(HTTPStatus.BAD_REQUEST, error.faults)
    if isinstance(error, negotiate.NotAcceptable):
        types = ", ".join(each.content_type for each in negotiate.FORMATS.values())
        return Refused(HTTPStatus.NOT_ACCEPTABLE, [fault("Accept", str(error), types)])
    if isinstance(error, NotFinal):
        return Refused(HTTPStatus.CONFLICT, [fault("final", "required", str(error))], table_csv.headers(error.header))
    if isinstance(error, params.BodyTooLarge):
        expected = f"at most {params.FORM_BYTES} bytes, with Content-Length"
        return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, [Fault("body", "", expected)])
    if isinstance(error, params.NotAForm):
        return Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, [fault("Content-Type", str(error), params.FORM_TYPE)])
    if isinstance(error, (Unauthenticated, AccountNeeded)):
        needed = [Fault("X-Auth-Token", "", "a token that this service knows")]
        if isinstance(error, AccountNeeded):
            needed.append(Fault("account", "", "with a token of Swift's, the account that it is for"))
        return Refused(HTTPStatus.UNAUTHORIZED, needed, [("WWW-Authenticate", each) for each in error.challenges])
    if isinstance(error, Forbidden):
        return Refused(HTTPStatus.FORBIDDEN, [fault("account_id", error.asked, "an account that this token may read")])
    if isinstance(error, TooManyFailures):
        fewer = Fault("X-Auth-Token", "", "fewer tokens that nobody knows from this address")
        return Refused(HTTPStatus.TOO_MANY_REQUESTS, [fewer], [("Retry-After", str(math.ceil(error.seconds)))])
    for kind, seconds in RETRY_AFTER:
        if isinstance(error, kind):
            LOG.error("answering 503: %s", error)
            return Refused(HTTPStatus.SERVICE_UNAVAILABLE, headers=[("Retry-After", str(seconds))])
    LOG.error("answering 500 to an unexpected error", exc_info=error)
    return Refused(HTTPStatus.INTERNAL_SERVER_ERROR)


def response(refused: Refused, form: negotiate.Format) -> Response:
    """Write a refusal in a format."""
    title = refused.status.phrase
    answer = Response(status=f"{refused.status.value} {title}", body=form.error(refused.status.value, title, refused.faults))
    answer.headers["Content-Type"] = form.content_type
    answer.headers.extend(refused.headers)
    return answer
