"""Let a sweep die at a place of choice: before or after any step that leaves a trace, or at any edge of a transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from swiftstats.flush.shipping import engines
from swiftstats.journal import period_file, snapshot
from swiftstats.journal.control import Control
from swiftstats.journal.snapshot import Snapshot

STEPS: Sequence[tuple[Any, str]] = (
    (os, "rename"), (os, "unlink"), (os, "fsync"), (Control, "set"), (Control, "raise_to"), (Control, "sync"),
    (snapshot, "seal"), (Snapshot, "save"), (period_file, "write"))


class Killed(BaseException):
    """SIGKILL, as far as one process can play it: nothing catches it, and nothing after it runs."""


@contextmanager
def dying_at(number: int, error: Callable[[], BaseException] = Killed, steps: Sequence[tuple[Any, str]] = STEPS,
             ) -> Iterator[list[int]]:
    """Raise at the `number`-th place; the list holds how many places were passed."""
    passed = [0]
    write = engines.write

    def step() -> None:
        passed[0] += 1
        if passed[0] == number:
            raise error()

    @contextmanager
    def transaction(engine: Engine) -> Iterator[Connection]:
        step()
        with write(engine) as connection:
            yield connection
            step()
        step()

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            step()
            result = function(*args, **kwargs)
            step()
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in steps:
            patch.setattr(owner, name, around(getattr(owner, name)))
        patch.setattr(engines, "write", transaction)
        yield passed
