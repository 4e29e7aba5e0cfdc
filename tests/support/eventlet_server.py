"""A program: eventlet's WSGI server, as Swift's proxy runs it, with the filter before a small application.

    python -m tests.support.eventlet_server SPOOL

Prints its port. The last word of the path says what a request does: `read` its body and answer 201, `refuse` it unread, answer
499 where reading it fails (`careful`), `give-N` times 64 KiB with their length or `pour-N` without, `raise`, `die` half-way.
Sockets are green, as in Swift; time and os are not.
"""

from __future__ import annotations

import sys

import eventlet

eventlet.monkey_patch(all=False, socket=True, select=True, thread=True)

from typing import Any  # noqa: E402

import eventlet.wsgi  # noqa: E402

from swiftstats.collect.filter import Filter  # noqa: E402
from swiftstats.collect.meter import Meter  # noqa: E402

CHUNK = b"x" * 65536


def application(environ: dict[str, Any], start_response: Any) -> Any:
    word, _, number = environ["PATH_INFO"].rpartition("/")[2].partition("-")
    source = environ["wsgi.input"]
    if word == "refuse":
        start_response("401 Unauthorized", [("Content-Length", "2")])
        return [b"no"]
    if word in ("read", "careful"):
        source.set_hundred_continue_response_headers([("X-Early", "yes")])
        try:
            while source.read(65536):
                pass
        except (OSError, ValueError):
            if word == "read":
                raise
            start_response("499 Client Disconnect", [("Content-Length", "0")])
            return [b""]
        start_response("201 Created", [("Content-Length", "0")])
        return [b""]
    if word == "raise":
        raise RuntimeError("as asked for")
    headers = [("Content-Length", str(len(CHUNK) * int(number or 9)))] if word in ("give", "die") else []
    return pour(start_response, headers, 1 if word == "die" else int(number or 0), word == "die")


def pour(start_response: Any, headers: list[tuple[str, str]], times: int, dies: bool) -> Any:
    start_response("200 OK", headers)
    for _ in range(times):
        yield CHUNK
    if dies:
        raise RuntimeError("as asked for")


def main(spool: str) -> None:
    listener = eventlet.listen(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    meter = Meter(spool=spool, server="proxy-1")
    eventlet.wsgi.server(listener, Filter(application, meter), log_output=False, debug=False, socket_timeout=30)


if __name__ == "__main__":
    main(sys.argv[1])
