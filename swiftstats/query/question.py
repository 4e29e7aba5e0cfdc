"""One question about one account's usage: read from text, checked, with every fault listed at once.

The HTTP service and the command line ask through here, so the same range is refused by both, in the same words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from swiftstats import fields, periods
from swiftstats.errors import SwiftStatsError, TimeError

#: How much of a refused value is shown again, in characters.
SHOWN = 200

_LOST_PLUS = re.compile(r":\d\d \d\d:?\d\d\Z", re.ASCII)
_FRACTION = re.compile(r"(:\d\d)[.,]\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request: which parameter, its value, and what would have done."""

    parameter: str
    value: str
    expected: str


class BadQuestion(SwiftStatsError):
    """A question that cannot be answered; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{each.parameter}: {each.value!r} will not do; expected {each.expected}" for each in faults))


@dataclass(frozen=True)
class Question:
    """What is asked: `asked` is the name as it was given, `account` the raw name as it is stored; begin <= t < end, in UTC."""

    asked: str
    account: bytes
    begin: int
    end: int
    period_seconds: int


def fault(parameter: str, value: str, expected: str) -> Fault:
    """Make a fault whose value is short enough to be shown."""
    return Fault(parameter, value if len(value) <= SHOWN else value[:SHOWN] + "…", expected)


def resolve(asked: str, prefixes: Sequence[str]) -> bytes:
    """Return the stored name of an account: as it stands with a reseller prefix or as `(unknown)`, else under the first prefix.

    Raises ValueError, with what was expected, for a name that no account can have.
    """
    name = asked if asked == fields.UNKNOWN or asked.startswith(tuple(prefixes)) else prefixes[0] + asked
    if not asked or "/" in asked or "\0" in asked:
        raise ValueError("an account's name or id, without / or NUL")
    try:
        raw = name.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a name in UTF-8") from None
    if len(raw) > fields.NAME_BYTES:
        raise ValueError(f"a name of at most {fields.NAME_BYTES} bytes, the reseller prefix included")
    return raw


def ask(given: Mapping[str, str], *, prefixes: Sequence[str], period_seconds: int, max_periods: int | None = None,
        faults: Sequence[Fault] = ()) -> Question:
    """Check `account_id`, `begin_time` and `end_time`, as text, and return the question; raise BadQuestion with all faults.

    `max_periods` bounds the range of a detail query. `faults` are those that were found already; what they name is not
    checked again.
    """
    found = list(faults)
    known = {each.parameter for each in found}
    account = b""
    if "account_id" in given:
        try:
            account = resolve(given["account_id"], prefixes)
        except ValueError as error:
            found.append(fault("account_id", given["account_id"], str(error)))
    elif "account_id" not in known:
        found.append(Fault("account_id", "", "the account; it is needed"))
    begin, end = (_moment(given, name, period_seconds, known, found) for name in ("begin_time", "end_time"))
    if begin is not None and end is not None:
        if end <= begin:
            found.append(fault("end_time", given["end_time"], _later(begin, period_seconds)))
        elif max_periods is not None and end - begin > max_periods * period_seconds:
            bound = f"at most {max_periods} periods of {period_seconds} seconds"
            last = periods.format(begin + max_periods * period_seconds)
            found.append(fault("end_time", given["end_time"], f"{bound}: {last} or before"))
    if found or begin is None or end is None:
        raise BadQuestion(found)
    return Question(given["account_id"], account, begin, end, period_seconds)


def _moment(given: Mapping[str, str], name: str, period_seconds: int, known: set[str], found: list[Fault]) -> int | None:
    """Return the moment of one end of the range, or None and a fault more."""
    if name not in given:
        if name not in known:
            found.append(Fault(name, "", f"{periods.EXPECTED}; it is needed"))
        return None
    text = given[name]
    try:
        moment = periods.parse(text)
    except TimeError as error:
        try:
            whole = periods.parse(_FRACTION.sub(r"\1", text))
        except TimeError:
            hint = " (in a URL, + is written %2B)" if _LOST_PLUS.search(text) else ""
            found.append(fault(name, text, error.expected + hint))
        else:
            found.append(fault(name, text, boundary(whole, period_seconds)))
        return None
    if moment % period_seconds:
        found.append(fault(name, text, boundary(moment, period_seconds)))
        return None
    return moment


def boundary(moment: int, period_seconds: int) -> str:
    """Say which boundaries lie nearest to a moment that is none."""
    before = periods.floor(moment, period_seconds)
    near = [periods.format(each) for each in (before, before + period_seconds) if each <= periods.LAST]
    return f"the boundary of a period of {period_seconds} seconds; nearest: {' or '.join(near)}"


def _later(begin: int, period_seconds: int) -> str:
    after = begin + period_seconds
    return f"a time after begin_time: {periods.format(after)} or later" if after <= periods.LAST else "a time after begin_time"
