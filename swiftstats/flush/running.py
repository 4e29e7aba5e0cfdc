"""Ship the totals so far of periods that are not over: of proven accounts, and only what a copy on disk vouches for."""

from __future__ import annotations

import os

from swiftstats.errors import SegmentVersionError
from swiftstats.flush import merge, shipping, strays
from swiftstats.flush.host import Host
from swiftstats.journal.control import CLOSED_THROUGH


def ship(host: Host) -> None:
    """Ship every period from the closed ones on."""
    closed = host.control.get(CLOSED_THROUGH)
    for start in sorted({segment.start for segment in host.spool.list_segments()} | merge.copied(host.spool)):
        if start >= closed:
            _ship(host, start)


def _ship(host: Host, start: int) -> None:
    totals = merge.Totals()
    for name in merge.sources(host.spool, start):
        try:
            counted, _ = strays.read(host, name)
        except SegmentVersionError as error:
            host.outcome.held_up.append(str(error))
            continue
        if counted is not None:
            totals.add(counted)
            if counted.snapshot is not None:
                # Copied before it is shipped: should the segment become unreadable, its share of the sum is not forgotten.
                counted.snapshot.save(os.path.join(host.spool.copies, name))
    totals.set_aside_what_no_store_holds(start, start)  # named when the period closes
    host.know(totals.by_incarnation, start)
    host.outcome.rows += shipping.ship(host.engine, totals.rows(proven_only=True), period=start, writers=host.writers,
                                       now=host.now(), batch_rows=host.config.batch_rows)
