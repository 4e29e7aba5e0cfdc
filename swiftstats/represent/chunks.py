"""Join many small pieces of an answer into chunks worth sending, and never let a broken answer look whole."""

from __future__ import annotations

from typing import Iterable, Iterator

#: The least that is sent at once, in characters; memory stays at about this, however long the answer is.
CHUNK = 16384
#: The most, in bytes: waitress writes what it is given beyond a MiB to a file first.
MOST = 1 << 18


def chunks(pieces: Iterable[str], *, cut: str = "") -> Iterator[bytes]:
    """Yield `pieces` as UTF-8 in chunks from about CHUNK to MOST.

    Where they fail half-way, this yields `cut` and raises what they raised. `cut` is for formats that look whole when their
    end is missing: it makes them malformed, since a proxy that speaks HTTP/1.0 with the service cannot tell an early end from the
    end.
    """
    waiting: list[str] = []
    size = 0
    try:
        for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield from _sliced("".join(waiting).encode())
                waiting, size = [], 0
    except Exception:
        if cut:
            yield ("".join(waiting) + cut).encode()
        raise
    if waiting:
        yield "".join(waiting).encode()


def _sliced(text: bytes) -> Iterator[bytes]:
    for start in range(0, len(text), MOST):
        yield text[start:start + MOST]
