"""A filter for the proxy's pipeline that fails when a request's headers ask for it; stands just right of ours."""

from __future__ import annotations

from typing import Any, Callable, Iterator


class Faulty:
    """X-Test-Raise: an exception before the answer. X-Test-Die-After: N: one after N bytes of its body were handed out."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def __call__(self, env: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if "HTTP_X_TEST_RAISE" in env:
            raise RuntimeError("asked for by the test")
        body = self.app(env, start_response)
        if "HTTP_X_TEST_DIE_AFTER" in env:
            return _dies(body, int(env["HTTP_X_TEST_DIE_AFTER"]))
        return body


def _dies(body: Any, after: int) -> Iterator[bytes]:
    given = 0
    for chunk in body:
        yield chunk[:after - given]
        given += len(chunk)
        if given >= after:
            raise RuntimeError("asked for by the test")


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[Any], Faulty]:
    """Be paste's factory."""
    return Faulty
