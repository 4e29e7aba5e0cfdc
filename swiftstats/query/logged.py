"""What an access log adds up to, per account, period and figure: at least, and at most, as far as the log tells.

A request is counted between its start and its end, by the clock that its line was written by, one second more or less. So one
that lasted over the end of a period may stand on either side of it, and its bytes on both; in the sum over the range it stands
exactly. Memory does not grow with the number of lines.
"""

from __future__ import annotations

from typing import Sequence

from swiftstats import periods
from swiftstats.collect.accesslog import AccessLine, is_client
from swiftstats.collect.logged_accounts import LoggedAccounts
from swiftstats.fields import UNKNOWN
from swiftstats.query.bounds import WIDTH, Figures, bounds, spread
from swiftstats.query.tally import Tally

#: How far the clock that a request was counted by may be from its line's (s).
EDGE_SECONDS = 1

#: In the place of a period: the whole range.
TOTAL = -1
#: In the place of an account, which is never empty and holds no slash: anybody's requests; everybody's.
ANYBODY, EVERYBODY = b"", b"/"
UNKNOWN_ROW = UNKNOWN.encode()

NOTHING: Figures = (0,) * WIDTH


class Logged:
    """Adds up lines whose requests may have been counted in [begin, end).

    Each row holds three figures of each: at least, where the account is known to be admitted wherever it was metered; at least,
    where it is not, so that what proves nothing may stand under `(unknown)`; at most.
    """

    def __init__(self, *, prefixes: Sequence[str], period_seconds: int, begin: int, end: int) -> None:
        self.seconds, self.begin, self.end = period_seconds, begin, end
        self.sums = Tally()
        self.clients = self.own = self.unmetered = self.outside = 0
        #: Of the lines that were added: the first request's start, and the last one's end.
        self.first: float | None = None
        self.last = 0.0
        self._accounts = LoggedAccounts(prefixes)

    @property
    def range(self) -> tuple[int, int]:
        """The periods that can be compared: [begin, end); empty where no line was added."""
        if self.first is None:
            return self.begin, self.begin
        return (max(self.begin, periods.floor(self.first, self.seconds)),
                min(self.end, periods.floor(self.last, self.seconds) + self.seconds))

    def add(self, line: AccessLine) -> None:
        """Add a line; what Swift asked itself only helps to tell whose a client's request is."""
        if not is_client(line):
            self.own += 1
            self._accounts.note(line)
            return
        claim = self._accounts.claim(line)
        if claim is None:
            self.unmetered += 1
            return
        # The clock may have been set back meanwhile, and the line end before it starts.
        first = periods.floor(min(line.start, line.end) - EDGE_SECONDS, self.seconds)
        last = periods.floor(max(line.start, line.end) + EDGE_SECONDS, self.seconds)
        if last < self.begin or first >= self.end:
            self.outside += 1
            return
        self.clients += 1
        self.first = line.start if self.first is None else min(self.first, line.start)
        self.last = max(self.last, line.end)
        found = bounds(line)
        several = last > first
        if several:
            found = spread(found)
        inside = self.begin <= first and last < self.end
        names = [name.encode("latin-1", "replace") for name in claim.accounts]
        is_known = claim.sure and found.proven and not several
        places = [(period, not several) for period in range(first, last + 1, self.seconds) if self.begin <= period < self.end]
        for period, certain in [*places, (TOTAL, inside)]:
            least = found.low if certain and claim.sure else NOTHING
            for name in names or [ANYBODY]:
                self.sums.add(name, period, (*least, *(least if is_known or name == UNKNOWN_ROW else NOTHING), *found.high))
            if not is_known and UNKNOWN_ROW not in names:
                self.sums.add(UNKNOWN_ROW, period, (*NOTHING, *NOTHING, *found.high))
            least = found.low if certain and claim.metered else NOTHING
            self.sums.add(EVERYBODY, period, (*least, *least, *found.high))


def split(row: Sequence[int]) -> tuple[Figures, Figures, Figures]:
    """Return a row's three: at least with the account admitted, at least without, at most."""
    return tuple(row[:WIDTH]), tuple(row[WIDTH:2 * WIDTH]), tuple(row[2 * WIDTH:])
