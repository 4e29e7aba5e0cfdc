"""The table's cases run against a site, and what was metered of them, against what they say must come out."""

from __future__ import annotations

import time
import traceback
from typing import Sequence

from swiftstats import periods
from swiftstats.demo.check import wait_complete
from swiftstats.demo.site import Site
from tests.functional.table import UNKNOWN, Case, numbers_of
from tests.support.caller import Caller, Numbers
from tests.support.cluster import Asker, mismatches
from tests.support.users import Users
from tests.support.witness import examine, shown

#: Short enough that (unknown), which is shipped when a period closes, is soon there.
PERIOD = 10
#: Swift's own minute is too long to wait for in a test; shorter, a machine with much to do would look like a stalled client.
CLIENT_TIMEOUT = 10


class Outcome:
    """What the cases said must come out, and what went wrong while they ran."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.expected: dict[str, Numbers] = {}
        self.failed: dict[str, str] = {}

    def check(self, case: Case) -> None:
        """See that a case came out as it must, in JSON and in XML, as a sum and in detail."""
        name = name_of(case)
        assert name not in self.failed, f"{case.__doc__}\n{self.failed[name]}"
        wrong = []
        for account, expected in self.expected[name].items():
            if account == UNKNOWN:
                continue  # one row of many cases; its own check adds them up
            for form, found in self.asker.every_form(account).items():
                wrong += [f"{account}, {form}: {line}" for line in mismatches(found, expected)]
        assert not wrong, "\n".join([case.__doc__ or name, *wrong])

    def check_unknown(self) -> None:
        """See that under (unknown) stands what the cases expect there, all together, and nothing else."""
        assert not self.failed, f"its cases did not all run: {', '.join(self.failed)}"
        expected: Numbers = {}
        for numbers in self.expected.values():
            expected = _add(expected, {UNKNOWN: numbers[UNKNOWN]} if UNKNOWN in numbers else {})
        for form, found in self.asker.every_form(UNKNOWN).items():
            assert not mismatches(found, expected[UNKNOWN]), form

    def check_complete(self) -> None:
        """See that no server is waited for, and that no period has a loss or a correction."""
        header, _figures = self.asker.json(next(iter(self.expected["small-object"])))
        assert not {"Waiting For", "Incomplete", "Corrected"} & set(header), header

    def check_log(self) -> None:
        """See that Swift's own access log has, per account, period and figure, what was metered."""
        said = examine(self.asker.site)
        assert not said["differences"], shown(said["differences"])
        assert said["requests"] > 250 and said["own_requests"] > 250, "the log is not of these cases"


def name_of(case: Case) -> str:
    return case.__name__.replace("_", "-")


def run(site: Site, cases: Sequence[Case], users: Users | None = None) -> Outcome:
    """Run every case, each in an account of its own; return when what they counted is complete. users: tempauth's, or others."""
    outcome = Outcome(Asker(site, site.token, periods.floor(time.time(), PERIOD), 0))
    for case in cases:
        name = name_of(case)
        caller = Caller(site.swift, name, users)
        try:
            expected = numbers_of(case(caller), caller.account)
        except Exception:  # said in that case's own test
            outcome.failed[name] = traceback.format_exc()
        else:
            outcome.expected[name] = _add(caller.prepared, expected)
    asker = outcome.asker
    asker.end = periods.floor(time.time(), PERIOD) + PERIOD
    wait_complete(site, asker.begin, asker.end, seconds=PERIOD + 60)
    return outcome


def _add(prepared: Numbers, expected: Numbers) -> Numbers:
    """Return the sums of what was prepared and what the case is about, for each account."""
    result: Numbers = {}
    for account in {*prepared, *expected}:
        row = dict(expected.get(account, {}))
        for title, amount in prepared.get(account, {}).items():
            row[title] = _plus(row.get(title, 0), amount)
        result[account] = row
    return result


def _plus(one: int | tuple[int, int], other: int | tuple[int, int]) -> int | tuple[int, int]:
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    low, high = (value if isinstance(value, tuple) else (value, value) for value in (one, other))
    return low[0] + high[0], low[1] + high[1]
