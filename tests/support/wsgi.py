"""A WSGI server of a few lines that records all that a client, or a server, could see of an answer; and environs for it.

It drives an application as eventlet's does: the answer's iterable to its end or to a cut, then close, whatever happened.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any


def environ(method: str = "GET", path: str = "/v1/AUTH_a/c/o", body: bytes | None = None, **more: Any) -> dict[str, Any]:
    """Return a request's environ; with `body` it has a Content-Length."""
    found: dict[str, Any] = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost", "SERVER_PORT": "8080", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body or b""), "wsgi.errors": io.StringIO(), "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }
    if body is not None:
        found["CONTENT_LENGTH"] = str(len(body))
    return {**found, **more}


@dataclass
class Seen:
    """What came of a request: every call of start_response, every chunk, what was raised where."""

    starts: list[tuple[str, list[tuple[str, str]], bool]] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    raised: BaseException | None = None
    sized: int | None = None


class ClientGone(OSError):
    """What a server raises when it writes to a client that left."""


def serve(app: Any, env: dict[str, Any], *, chunks: int | None = None, iterate: bool = True, close: bool = True,
          refuse_write: bool = False) -> Seen:
    """Serve one request; hand out `chunks` of its chunks (None: all), or none at all without `iterate`."""
    seen = Seen()

    def write(data: bytes) -> None:
        if refuse_write:
            raise ClientGone("the client left")
        seen.written.append(data)

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        seen.starts.append((status, list(headers), exc_info is not None))
        return write

    answer = None
    try:
        answer = app(env, start_response)
        if hasattr(answer, "__len__"):
            seen.sized = len(answer)
        if iterate:
            iterator = iter(answer)
            while chunks is None or len(seen.chunks) < chunks:
                try:
                    seen.chunks.append(next(iterator))
                except StopIteration:
                    break
    except BaseException as error:  # noqa: B036, a server survives whatever an application raises
        seen.raised = error
    finally:
        if close and hasattr(answer, "close"):
            answer.close()
    return seen
