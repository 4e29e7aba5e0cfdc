"""Why metered and logged may differ: the likely reasons, from what is known of the log, the site and its losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from swiftstats import periods
from swiftstats.store.losses import OF_AN_ACCOUNT, Loss


@dataclass(frozen=True)
class Circumstances:
    """What is known of both sides. `first` and `last`: the log's first and last moment; `server`: the one that is asked for."""

    begin: int
    end: int
    period_seconds: int
    first: float
    last: float
    bad_lines: int
    servers: int
    server: Optional[str]
    recorded_from: Optional[int]
    losses: Sequence[Loss]

    def reason(self, account: bytes | None, period: int | None, *, more: bool, moved: bool) -> str:
        """Say why a figure may differ: `more` was metered than logged, or less; `moved`: it is right together with others."""
        begin, end = (self.begin, self.end) if period is None else (period, period + self.period_seconds)
        if moved:
            return "the client was told another status than the log has (499 stands for any), or another method"
        found = self._more(begin, end) if more else self._less(account, begin, end)
        return "; or ".join(found)

    def _more(self, begin: int, end: int) -> list[str]:
        found = []
        if self.bad_lines:
            found.append(f"lines of the log could not be read ({self.bad_lines})")
        if begin <= self.first < end and self.first > begin + 1 and begin == self.begin:
            found.append(f"the log begins at {periods.format(int(self.first))}: the file before it is missing")
        if begin <= self.last < end and self.last < end - 1 and end == self.end:
            found.append(f"the log ends at {periods.format(int(self.last))}: the file after it is missing")
        if self.server is None and self.servers > 1:
            found.append(f"the logs of some of {self.servers} servers are missing (--server compares one)")
        return [*found, "a worker was killed: what had passed of a request is counted, and has no line", "syslog lost lines"]

    def _less(self, account: bytes | None, begin: int, end: int) -> list[str]:
        kinds = sorted({loss.kind for loss in self.losses if loss.begin < end and loss.end > begin
                        and (loss.kind not in OF_AN_ACCOUNT or account in (None, loss.subject))})
        if kinds:
            return [f"recorded as lost ({', '.join(kinds)}; see `swiftstats status`)"]
        if self.recorded_from is None or begin < self.recorded_from:
            since = "" if self.recorded_from is None else f" before {periods.format(self.recorded_from)}"
            return [f"nothing was metered{since}"]
        found = ["the log has lines of a proxy without the filter" + (", or of another server" if self.server else "")]
        return [*found, "a file was given twice", "a worker was killed in the middle of a transfer",
                "counted under (unknown), where the spool had no room for the name", "a defect of the metering: please report it"]
