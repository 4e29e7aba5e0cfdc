"""A WSGI server of a few lines that records all that a client, or a server, could see of an answer; and environs for it.

It drives an application as eventlet's does: the answer's iterable to its end or to a cut, then close, whatever happened.
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from typing import Any, Callable


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


class Endpoint:
    """An application that answers as it was told, in chunks; it reads the request's body first."""

    def __init__(self, *chunks: bytes, status: str = "200 OK", length: int | None = None, headers: Any = (), read: bool = True,
                 late: bool = False, error: BaseException | None = None, environ: dict[str, Any] | None = None) -> None:
        self.chunks, self.status, self.headers = chunks, status, list(headers)
        self.read, self.late, self.error = read, late, error
        self.sets = environ or {}
        if length is not None:
            self.headers.append(("Content-Length", str(length)))
        self.closed = 0

    def __call__(self, env: dict[str, Any], start_response: Any) -> Any:
        if self.read:
            env["wsgi.input"].read()
        env.update(self.sets)
        if self.late:
            return self.lately(start_response)
        start_response(self.status, self.headers)
        return self.body()

    def lately(self, start_response: Any) -> Any:
        # As Swift's proxy-logging does: the status comes with the first chunk.
        start_response(self.status, self.headers)
        yield from self.body()

    def body(self) -> Any:
        try:
            yield from self.chunks
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1


class Trouble(Exception):
    pass


def in_threads(work: Callable[[], None], count: int = 32) -> None:
    """Run `work` in so many threads at once, and wait for all of them."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
