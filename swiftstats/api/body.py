"""The body of a streamed answer: chunks that are read inside one snapshot, and cut in a way that shows where that fails."""

from __future__ import annotations

import logging
from typing import Callable, Iterator, Sequence

from webob import Response  # type: ignore[import-untyped]

from swiftstats.errors import StoreError

LOG = logging.getLogger(__name__)


class Body:
    """The chunks of an answer, the first of them read already, so that what fails at once is still an error and no broken answer.

    Closing it ends the snapshot, read to the end or not, and then calls `closed`. What fails later is logged and raised: the
    server then cuts the connection without the end of the body, which no client takes for the whole.
    """

    def __init__(self, chunks: Iterator[bytes], closed: Callable[[], None] = lambda: None) -> None:
        self._chunks, self._closed = chunks, closed
        self._first: bytes | None = next(chunks, None)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            chunk, self._first = self._first, None
            return chunk
        try:
            return next(self._chunks)
        except StoreError as error:
            LOG.error("an answer was cut off half-way: %s", error)
            raise

    def close(self) -> None:
        """End the snapshot; once, though a server whose client has gone closes the reader of this and then this."""
        closed, self._closed = self._closed, lambda: None
        try:
            self._chunks.close()  # type: ignore[attr-defined]
        finally:
            closed()


def streamed(body: Body, *, method: str, content_type: str, headers: Sequence[tuple[str, str]]) -> Response:
    """Return the response of a streamed body."""
    if method == "HEAD":
        # Read to the end for the length: without one, waitress frames the body that a HEAD does not have.
        length = sum(map(len, body))
        body.close()
        return respond(content_type, headers, content_length=length)
    return respond(content_type, headers, app_iter=body)


def respond(content_type: str, headers: Sequence[tuple[str, str]], **body: object) -> Response:
    """Return a response; `body` is what WebOb takes."""
    response = Response(**body)
    response.headers["Content-Type"] = content_type
    response.headers.extend(headers)
    return response
