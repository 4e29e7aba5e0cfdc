"""Compare what was metered with what Swift's own access log says: every difference, per account, period and figure.

For each account what was metered has to lie between the least and the most that the log allows, in each period and over the
whole range; and so do the sums over all accounts, where nothing is uncertain but the edges of periods.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import groupby
from typing import Iterator, Mapping, Optional, Sequence

from sqlalchemy import Connection

from swiftstats import periods
from swiftstats.fields import CELL_COUNT
from swiftstats.query.bounds import FIGURES, PARTS, WHOLE, Figures, figures
from swiftstats.query.likely import Circumstances
from swiftstats.query.logged import ANYBODY, EVERYBODY, NOTHING, TOTAL, UNKNOWN_ROW, Logged, split
from swiftstats.query.tally import Tally
from swiftstats.store import usage

_NO_CELLS = (0,) * CELL_COUNT


@dataclass(frozen=True)
class Difference:
    """One figure that does not fit: metered, and the least and the most that the log allows."""

    account: Optional[bytes]  #: None: all accounts together
    period: Optional[int]  #: its start; None: the whole range
    figure: str
    metered: int
    least: int
    most: int
    reason: str

    @property
    def amount(self) -> int:
        """How much too much was metered; below zero, how much too little."""
        return self.metered - (self.most if self.metered > self.most else self.least)


class Metered:
    """What the database has of a range: rows of (number of writers, cells…), and who wrote in each period."""

    def __init__(self, connection: Connection, begin: int, end: int, seconds: int, server: str | None) -> None:
        self.sums = Tally()
        self.writers: dict[int, set[int]] = {}
        for name, start, writer, cells in usage.every_row(connection, begin, end, server=server):
            period = periods.floor(start, seconds)
            self.sums.add(name, period, (1, *cells))
            self.writers.setdefault(period, set()).add(writer)

    def everywhere(self, period: int, count: int) -> bool:
        """Tell whether each writer of a period, `count` of them, knows the account: nothing of it is under `(unknown)`."""
        return count >= len(self.writers.get(period, ())) > 0


def compare(connection: Connection, log: Logged, circumstances: Circumstances, *, server: str | None) -> Iterator[Difference]:
    """Yield the differences, by account and period, then those of the sums. Memory is bounded by one account's periods."""
    metered = Metered(connection, *log.range, log.seconds, server)
    anybodys = {period: split(row)[2] for period, row in log.sums.of(ANYBODY).items()}
    everybody: dict[int, list[int]] = {}
    told: set[str] = set()
    for account, counted, logged in _accounts(metered, log):
        for period, (_, *cells) in counted.items():
            for place in (period, TOTAL):
                row = everybody.setdefault(place, [0] * CELL_COUNT)
                everybody[place] = [before + cell for before, cell in zip(row, cells)]
        for difference in _of_account(account, counted, logged, anybodys, metered, circumstances):
            told.add(difference.figure)
            yield difference
    sums = {period: split(row) for period, row in log.sums.of(EVERYBODY).items()}
    for period in sorted({*everybody, *sums} - {TOTAL}) + [TOTAL]:
        least, _, most = sums.get(period, (NOTHING, NOTHING, NOTHING))
        found = list(_check(None, period, tuple(everybody.get(period, _NO_CELLS)), least, most, circumstances, told))
        told.update(difference.figure for difference in found)
        yield from found


def _accounts(metered: Metered, log: Logged) -> Iterator[tuple[bytes, dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]]:
    """Yield each account with its metered and its logged rows, by period."""
    merged = heapq.merge(((account, 0, period, row) for account, period, row in metered.sums.rows()),
                         ((account, 1, period, row) for account, period, row in log.sums.rows()), key=lambda each: each[:2])
    for account, group in groupby(merged, key=lambda each: each[0]):
        if account not in (ANYBODY, EVERYBODY):
            rows: tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]] = ({}, {})
            for _, side, period, row in group:
                rows[side][period] = row
            yield account, *rows


def _of_account(account: bytes, counted: Mapping[int, tuple[int, ...]], logged: Mapping[int, tuple[int, ...]],
                anybodys: Mapping[int, Figures], metered: Metered, circumstances: Circumstances) -> Iterator[Difference]:
    told: set[str] = set()
    total, admitted = list(_NO_CELLS), True
    for period in sorted({*counted, *logged} - {TOTAL}):
        writers, *cells = counted.get(period, (0, *_NO_CELLS))
        total = [before + cell for before, cell in zip(total, cells)]
        everywhere = account == UNKNOWN_ROW or metered.everywhere(period, writers)
        admitted = admitted and (everywhere or period not in logged)
        least, most = _limits(logged.get(period), anybodys.get(period), everywhere)
        for difference in _check(account, period, tuple(cells), least, most, circumstances, ()):
            told.add(difference.figure)
            yield difference
    least, most = _limits(logged.get(TOTAL), anybodys.get(TOTAL), admitted)
    yield from _check(account, TOTAL, tuple(total), least, most, circumstances, told)


def _limits(row: Sequence[int] | None, anybodys: Figures | None, admitted: bool) -> tuple[Figures, Figures]:
    strict, loose, most = (NOTHING, NOTHING, NOTHING) if row is None else split(row)
    if anybodys is not None:
        most = tuple(one + other for one, other in zip(most, anybodys))
    return strict if admitted else loose, most


def _check(account: bytes | None, period: int, cells: tuple[int, ...], least: Figures, most: Figures,
           circumstances: Circumstances, told: Sequence[str] | set[str]) -> Iterator[Difference]:
    """Yield what does not fit; nothing that was `told`, and of a sum nothing where one of its parts does not fit."""
    found = dict(zip(FIGURES, zip(figures(cells), least, most)))
    wrong = [name for name, (have, low, high) in found.items() if not low <= have <= high]
    for name in wrong:
        if name in told or any(part in wrong or part in told for part in PARTS.get(name, ())):
            continue
        have, low, high = found[name]
        reason = circumstances.reason(account, None if period == TOTAL else period, more=have > high,
                                      moved=WHOLE.get(name, name) not in wrong)
        yield Difference(account, None if period == TOTAL else period, name, have, low, high, reason)
