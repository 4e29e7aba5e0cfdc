"""What a sweep works with: this host's spool and words, the database, and the writers that it ships for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection, Engine

from swiftstats import fields
from swiftstats.config import Config
from swiftstats.flush import shipping
from swiftstats.flush.archive import Archive
from swiftstats.journal.control import Control
from swiftstats.journal.identity import Identity
from swiftstats.journal.period_file import Loss, PeriodRow
from swiftstats.journal.spool import Spool
from swiftstats.store import writers
from swiftstats.store.writers import Writer

_IN, _OUT = fields.CELL_INDEX["passed_in"], fields.CELL_INDEX["passed_out"]


@dataclass
class Counted:
    """Requests and body bytes, billable or not."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def all_of(self, rows: Iterable[PeriodRow]) -> Iterator[PeriodRow]:
        """Yield rows, each added when it passes."""
        for row in rows:
            self.requests += fields.requests(row.cells)
            self.bytes_in += row.cells[_IN]
            self.bytes_out += row.cells[_OUT]
            yield row

    def join(self, other: Counted) -> None:
        """Add what somebody else counted."""
        self.requests += other.requests
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out


@dataclass
class Outcome:
    """What a sweep did: periods closed, rows shipped, the moment this host is closed through, what holds it up, what is left.

    `to_be_ended`: how many predecessors the next sweep ends, unless they have swept by then. `counted`, `losses`: of the
    periods that were closed, once they were shipped.
    """

    closed_through: int = 0
    periods: list[int] = field(default_factory=list)
    rows: int = 0
    held_up: list[str] = field(default_factory=list)
    segments_left: int = 0
    to_be_ended: int = 0
    counted: Counted = field(default_factory=Counted)
    losses: list[Loss] = field(default_factory=list)


@dataclass
class Host:
    """One host during one sweep. `now` gives UTC seconds, `boot_now` seconds since boot."""

    config: Config
    spool: Spool
    engine: Engine
    identity: Identity
    control: Control
    archive: Archive
    now: Callable[[], int]
    boot_now: Callable[[], int]
    writers: dict[str, Writer] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def own(self) -> Writer:
        """Return this host's own writer; it is registered first of all."""
        return self.writers[self.identity.incarnation]

    def register(self, connection: Connection, incarnation: str, predecessor: str | None, first_period: int, *,
                 by_itself: bool) -> Writer:
        """Register a writer of this host; `by_itself`: the one that sweeps, and not one that left something in this spool."""
        return writers.register(connection, server=self.config.server, incarnation=incarnation, predecessor=predecessor,
                                first_period=first_period, period_seconds=self.config.period_seconds, now=self.now(),
                                by_itself=by_itself)

    def know(self, incarnations: Iterable[str], period: int) -> None:
        """Learn the ids of writers whose segments this spool holds from before a reboot; one that never shipped is registered."""
        for incarnation in sorted(set(incarnations) - self.writers.keys()):

            def body(connection: Connection, incarnation: str = incarnation) -> Writer:
                return writers.find(connection, incarnation) or self.register(connection, incarnation, None, period,
                                                                                  by_itself=False)

            self.writers[incarnation] = shipping.transact(self.engine, body)

    def record(self, losses: list[Loss]) -> None:
        """Write losses into the database now."""
        for loss in losses:
            self.know([loss.incarnation], loss.begin)
        shipping.transact(self.engine, lambda connection: shipping.record(connection, losses, self.writers, self.now()))
