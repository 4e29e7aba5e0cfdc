"""The audit log: a line for each refusal, and for each read of every account. Logger `swiftstats.audit`.

    refused status=403 who=tokens:alice address=10.0.0.7 request=GET%20/io_sum asked=AUTH_b
    read who=tokens:billing address=10.0.0.7 request=GET%20/usage begin=2012-10-01T00:00:00Z end=2012-11-01T00:00:00Z rows=41

Values are percent-encoded, so that nobody writes lines or fields of their own into it. Tokens are in no line.
"""

from __future__ import annotations

import logging
from typing import Any, Mapping
from urllib.parse import quote

from swiftstats import periods
from swiftstats.api.auth.caller import Caller

LOG = logging.getLogger("swiftstats.audit")
#: Where a request's environ keeps the Caller, once known, and the client's address.
CALLER, ADDRESS = "swiftstats.caller", "swiftstats.address"
#: The most of a value that is written, in characters.
_SHOWN = 300


def refused(environ: Mapping[str, Any], status: int, asked: str = "") -> None:
    """Note a request that was refused for who asks. asked: the account, as it was asked for."""
    LOG.info("refused %s", _fields(environ, status=status, asked=asked))


def read(environ: Mapping[str, Any], *, begin: int | None, end: int | None, rows: int) -> None:
    """Note a read of every account. begin, end: in seconds since 1970, None where there is no range; rows: how many were sent.

    To be called when the last row has gone, or the client: with as many as went.
    """
    LOG.info("read %s", _fields(environ, begin="" if begin is None else periods.iso(begin),
                                end="" if end is None else periods.iso(end), rows=rows))


def _fields(environ: Mapping[str, Any], **given: object) -> str:
    caller: Caller | None = environ.get(CALLER)
    values = {
        **({"status": given.pop("status")} if "status" in given else {}),
        "who": "-" if caller is None else caller.who,
        "address": environ.get(ADDRESS) or environ.get("REMOTE_ADDR") or "-",
        "request": f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}",
        **given,
    }
    return " ".join(f"{name}={_quoted(str(value))}" for name, value in values.items() if value != "")


def _quoted(value: str) -> str:
    shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    return quote(shown, safe="/:@_.-()[],", errors="backslashreplace")
