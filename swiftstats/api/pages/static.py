"""The pages' own files, under a path that holds a hash of them: browsers keep each for ever, and a new version is a new path."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Optional

from webob import Response  # type: ignore[import-untyped]

_FOLDER = Path(__file__).with_name("static")
_TYPES = {"style.css": "text/css; charset=UTF-8", "script.js": "text/javascript; charset=UTF-8", "icon.svg": "image/svg+xml"}
NAMES = tuple(_TYPES)
_FILES = {name: (_FOLDER / name).read_bytes() for name in _TYPES}
_HASH = hashlib.sha256(b"".join(_FILES[name] for name in sorted(_FILES))).hexdigest()[:16]


def path(name: str) -> str:
    """Return where a file is found, below the root."""
    assert name in _FILES
    return f"/static/{_HASH}/{name}"


def answer(asked: str) -> Optional[Response]:
    """Return the file at a path below the root; None where there is none, also of an older hash."""
    name = asked.rpartition("/")[2]
    if name not in _FILES or asked != path(name):
        return None
    response = Response(body=_FILES[name])
    response.headers["Content-Type"] = _TYPES[name]
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
