"""Close periods: seal, decide in a period file, ship it, and only then let go of the segments.

The order is what makes it safe. `closed through` is raised before segments are listed, segments are sealed and quiet before
they are read, a period's totals are a file on disk before the first row of them is shipped, `shipped through` is raised after
the commit, and only then are segments unlinked. Killed between any two of these, the next sweep goes on from what stands.
"""

from __future__ import annotations

import logging
import os
import time

from sqlalchemy.engine import Connection

from swiftstats import periods
from swiftstats.errors import PeriodFileError, PeriodFileVersionError, SegmentError, SegmentVersionError
from swiftstats.flush import merge, shipping, strays
from swiftstats.flush.host import Counted, Host
from swiftstats.journal import period_file, snapshot
from swiftstats.journal.control import CLOSED_THROUGH, SHIPPED_THROUGH
from swiftstats.journal.period_file import Loss, PeriodHeader
from swiftstats.journal.spool import SegmentFile
from swiftstats.store import succession, usage, writers
from swiftstats.store.succession import Predecessor

logger = logging.getLogger("swiftstats.flush")

#: A worker that is inside an update gets so long (s) to leave it; then its period is held up, by name, until the next sweep.
HELD_SECONDS = 5.0


class Held(Exception):
    """A period that cannot be closed now; the message says why."""


def close_through(host: Host, through: int) -> None:
    """Close every period that ends by `through`, in order; what cannot be closed holds up what comes after it."""
    control = host.control
    control.raise_to(CLOSED_THROUGH, through)
    control.sync()  # after a power cut, and on a clock that is behind, nobody may count where something is decided
    shipped = control.get(SHIPPED_THROUGH)
    ended = seal(host, through)
    strays.settle(host, [segment for segment in ended if segment.start < shipped])
    waiting = {segment.start for segment in ended} | host.archive.starts(shipped, through) | merge.copied(host.spool)
    starts = sorted(start for start in waiting if shipped <= start < through)
    for start, following in zip(starts, [*starts[1:], through]):
        try:
            _close(host, start, following, [segment for segment in ended if segment.start == start])
        except (Held, SegmentVersionError, PeriodFileVersionError) as held:
            host.outcome.held_up.append(f"period {periods.iso(start)} is held up: {held}")
            logger.warning("period %s is held up: %s", periods.iso(start), held)
            through = start
            break
    if through > control.get(SHIPPED_THROUGH) or through > host.own.closed_through or host.outcome.to_be_ended:
        close_in_store(host, through)
        control.raise_to(SHIPPED_THROUGH, through)
    host.outcome.closed_through = control.get(SHIPPED_THROUGH)


def seal(host: Host, through: int) -> list[SegmentFile]:
    """Forbid any more counts in periods before `through`, and return their segments. CLOSED_THROUGH has been raised.

    They are listed after the word was raised: a worker whose segment is not in the list has seen the word (counters.py).
    """
    ended = [segment for segment in host.spool.list_segments() if segment.start < through]
    for segment in ended:
        try:
            snapshot.seal(segment.path)
        except (OSError, SegmentError):
            pass  # gone, or too damaged to be sealed: reading it will say
    if ended:
        snapshot.wait_for_stores()
    return ended


def _close(host: Host, start: int, following: int, segments: list[SegmentFile]) -> None:
    path = host.archive.find(start)
    if path is not None:
        try:
            period_file.read(path)
        except PeriodFileVersionError:
            raise
        except PeriodFileError as error:
            logger.error("%s; put aside, and decided again from its segments", error)
            if not merge.sources(host.spool, start):
                host.record([Loss(host.identity.incarnation, start, following, "damaged", os.path.basename(path),
                                  detail=error.reason)])
            host.spool.put_aside(path)
            path = None
    if path is None:
        _wait_until_quiet(segments)
        path = _decide(host, start, following)
    if path is not None:
        counted = Counted()
        header = ship_period_file(host, path, counted)
        host.outcome.counted.join(counted)
        host.outcome.losses += header.losses
        host.control.raise_to(SHIPPED_THROUGH, header.end)
        host.control.sync()
        merge.forget(host.spool, header.segments)
        host.outcome.periods.append(start)


def _wait_until_quiet(segments: list[SegmentFile]) -> None:
    give_up = time.monotonic() + HELD_SECONDS
    for segment in segments:
        while not _is_quiet(segment):
            if time.monotonic() > give_up:
                raise Held(f"process {segment.name.split('-')[1]} is stopped inside an update of {segment.name}")
            time.sleep(snapshot.STORE_BUFFER_SECONDS)


def _is_quiet(segment: SegmentFile) -> bool:
    try:
        return snapshot.is_quiet(segment.path)
    except (OSError, SegmentError):
        return True


def _decide(host: Host, start: int, following: int) -> str | None:
    """Write the period file: totals, every name decided, losses. None where no segment is left of the period.

    It ends where the `following` period begins, should its segments say later (a change of the period's length under way).
    """
    totals, losses, end = merge.Totals(), [], 0
    names = merge.sources(host.spool, start)
    for name in names:
        counted, loss = strays.read(host, name)
        if counted is not None:
            end = max(end, counted.end)
            totals.add(counted)
        if loss is not None:
            losses.append(loss)
    if not names:
        return None
    end = min(end or start + host.config.period_seconds, following)
    unproven = totals.unproven()
    known = shipping.transact(host.engine, lambda connection: usage.known(connection, unproven)) if unproven else set()
    totals.fold(known)
    losses += totals.set_aside_what_no_store_holds(start, end)
    losses += [Loss(incarnation, start, end, "uncounted", "", *lost, detail="served, but the spool could not take it")
               for incarnation, lost in totals.lost.items()]
    incarnations = tuple(sorted({*totals.by_incarnation, *(loss.incarnation for loss in losses)}))
    header = PeriodHeader(start, end, incarnations, totals.count(), tuple(names), tuple(losses))
    return period_file.write(host.spool.periods, header, totals.rows())


def ship_period_file(host: Host, path: str, counted: Counted | None = None) -> PeriodHeader:
    """Ship a decided period; the last transaction says that it is closed. Raises PeriodFileError, StoreError.

    counted: what its rows are added to, where somebody wants to know.
    """
    header, rows = period_file.read(path)
    if counted is not None:
        rows = counted.all_of(rows)
    host.know(header.incarnations, header.period)
    now = host.now()

    def last(connection: Connection) -> None:
        shipping.record(connection, header.losses, host.writers, now)
        writers.close(connection, writers=[host.own], through=header.end, ended=[], now=now)

    host.outcome.rows += shipping.ship(host.engine, rows, period=header.period, writers=host.writers, now=now,
                                       batch_rows=host.config.batch_rows, last=last)
    return header


def close_in_store(host: Host, through: int) -> None:
    """Say that this writer is closed through `through`, and that those before it have ended which are gone and left nothing.

    What a gone one left is of periods still to come (its clock had leapt ahead): it is closed as far as this writer is.
    """
    left = merge.incarnations_left(host.spool)

    def body(connection: Connection) -> int:
        before = [predecessor for predecessor in succession.predecessors(
            connection, host.identity.incarnation, {*host.identity.predecessors, *host.writers})
            if not predecessor.lives and not (predecessor.retired and predecessor.writer.incarnation in left)]
        gone = [predecessor.writer for predecessor in before if is_gone(host, predecessor)]
        writers.close(connection, writers=[host.own], through=through, now=host.now(),
                      ended=[writer for writer in gone if writer.incarnation not in left],
                      left=[writer for writer in gone if writer.incarnation in left])
        return len(before) - len(gone)

    host.outcome.to_be_ended = shipping.transact(host.engine, body)


def is_gone(host: Host, predecessor: Predecessor) -> bool:
    """Tell whether a predecessor may be ended: it has not swept, though an earlier sweep of ours closed more than it has.

    Asked of an earlier sweep, since both close at the full hour: whoever we come from is given the time between two sweeps.
    """
    return not predecessor.lives and host.own.closed_through > predecessor.writer.closed_through
