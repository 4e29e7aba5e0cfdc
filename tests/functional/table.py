"""The table of functional cases: counting.md's "Cases that must come out right", each as code.

A case is a function of a `Caller`. It does what its docstring says, and returns the fields that this adds to its account, by
the titles of the API; or, where it concerns several accounts, such fields by account. What is not named must be 0. A number may
be a pair, the least and the most that will do, where a client that went away cannot know it better.
"""

from __future__ import annotations

from typing import Any, Callable

from tests.support.caller import Caller, Numbers

UNKNOWN = "(unknown)"
MB = 1_000_000

Case = Callable[[Caller], "dict[str, Any]"]
CASES: list[Case] = []


def case(function: Case) -> Case:
    """Put a case into the table."""
    CASES.append(function)
    return function


def numbers_of(outcome: dict[str, Any], account: str) -> Numbers:
    """Return what a case says, per account."""
    if outcome and all(isinstance(value, dict) for value in outcome.values()):
        return outcome
    return {account: outcome}
