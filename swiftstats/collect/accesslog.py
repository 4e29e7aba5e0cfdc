"""Read one line of Swift's proxy access log: pure functions, for whoever takes usage from such a log or compares with it.

`proxy-logging` writes a line per request when it has ended, in the words of its default `log_msg_template` (Swift 2.38.3,
proxy_logging.py), parted by single spaces:

    client_ip remote_addr end_time.datetime method path protocol status_int referer user_agent auth_token bytes_recvd bytes_sent
    client_etag transaction_id headers request_time source log_info start_time end_time policy_index access_user_id

`access_user_id` is new in 2.36 or so; without it a line is read too. Each word is percent-encoded, the path, which is
encoded already, once more; `-` stands for what is missing or zero. `status_int` is 499 where the client went away and 500 where
an exception passed, whatever the client was told. Whatever stands before the line (syslog's time, host and program) is passed
over. A custom template is refused: there is no telling what its words mean.

A site's log holds the requests that Swift makes for itself too (`source`); `is_client` tells them apart.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional
from urllib.parse import unquote, unquote_to_bytes

from swiftstats.errors import LogLineError

#: Words of a line from the time on, without and with `access_user_id`; two stand before the time.
WORDS_AFTER = (19, 20)

#: `source` of a request that a client made, though Swift marks it: a PUT into a container with versions is marked in the
#: client's own environ (object_versioning.py), and has a client's address where Swift's own has none.
MARKED_SOURCES = ("OV",)

#: How far request_time may be from end_time - start_time (s): four digits, rounded.
ROUNDING_SECONDS = 0.001

_TIME = re.compile(r"\d\d/[^/\s]+/\d{4}/\d\d/\d\d/\d\d\Z")
_NONE = "-"


class AccessLine(NamedTuple):
    """One request. Paths and names are as WSGI has them: bytes decoded as latin-1."""

    has_address: bool  #: of a client; what Swift asks itself has none
    method: str
    path: str
    query: str  #: still percent-encoded
    status: int
    has_token: bool
    bytes_in: int
    bytes_out: int
    transaction: str
    source: str  #: "" for a client's
    info: str
    start: float  #: seconds, UTC
    end: float
    user: Optional[str]  #: "" where there is none, None where the log is of a Swift that does not say


def parse(text: str) -> AccessLine:
    """Return what a line says; raise LogLineError for one that is no line of proxy-logging's, torn, or of a custom template."""
    words = text.split(" ")
    count = next((count for count in WORDS_AFTER[::-1] if len(words) >= count + 2 and _TIME.match(words[-count])), 0)
    if not count:
        raise LogLineError(_reason(words))
    (_, method, path, _, status, _, _, token, received, sent, _, transaction, _, took, source, info, start, end, _,
     ) = words[-count:len(words) - count + WORDS_AFTER[0]]
    if not path.startswith("/"):
        raise LogLineError("its path is anonymised: whose request it was cannot be told" if path.startswith("{")
                           else f"{path[:40]!r} stands where the default log_msg_template has the path")
    raw_path, _, query = unquote(path, "latin-1").partition("?")
    try:
        began, ended = float(start), float(end)
        if abs(ended - began - float(took)) > ROUNDING_SECONDS or not 100 <= int(status) <= 999:
            raise ValueError
        return AccessLine(
            has_address=words[-count - 1] != _NONE, method=unquote(method), path=unquote_to_bytes(raw_path).decode("latin-1"),
            query=query, status=int(status), has_token=token != _NONE, bytes_in=_number(received), bytes_out=_number(sent),
            transaction=_text(transaction), source=_text(source), info=_text(info), start=began, end=ended,
            user=None if count == WORDS_AFTER[0] else _text(words[-1]))
    except ValueError:
        raise LogLineError("its status, times or bytes do not stand where the default log_msg_template has them: it is torn, or"
                           " of a custom template") from None


def is_client(line: AccessLine) -> bool:
    """Tell whether a client made the request, and not Swift itself for one that a client made."""
    return not line.source or (line.source in MARKED_SOURCES and line.has_address)


def _reason(words: list[str]) -> str:
    after = next((len(words) - at for at, word in enumerate(words) if _TIME.match(word)), 0)
    if not after:
        return "it is no line of proxy-logging's"
    return (f"it has {after - 1} words after the time, and the default log_msg_template {WORDS_AFTER[0] - 1} or"
            f" {WORDS_AFTER[1] - 1}: it is torn, or of a custom template")


def _text(word: str) -> str:
    return "" if word == _NONE else unquote(word)


def _number(word: str) -> int:
    number = 0 if word == _NONE else int(word)
    if number < 0:
        raise ValueError(word)
    return number
