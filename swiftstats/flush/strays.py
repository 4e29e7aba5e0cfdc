"""Segments that are not as they should be: damaged, gone, or there though their period is decided. Put aside, and named."""

from __future__ import annotations

import logging
import os
import time

from swiftstats import periods
from swiftstats.errors import PeriodFileError, SegmentError, SegmentVersionError
from swiftstats.flush import merge
from swiftstats.flush.host import Host
from swiftstats.journal import period_file, snapshot
from swiftstats.journal.period_file import Loss
from swiftstats.journal.snapshot import Snapshot
from swiftstats.journal.spool import SegmentFile

logger = logging.getLogger("swiftstats.flush")

#: An owner of a damaged segment that is inside an update gets so long (s) to leave it.
QUIET_SECONDS = 0.1


def read(host: Host, name: str) -> tuple[merge.Counted | None, Loss | None]:
    """Return what a segment and its copy hold; a damaged segment is sealed and put aside, its loss recorded before and returned.

    Its owner sees the seal and opens a new one. What is sound of it is its copy from then on, so that what is shipped of it
    stands. Raises SegmentVersionError, StoreError.
    """
    path = os.path.join(host.spool.segments, name)
    counted, fault = merge.read(host.spool, name)
    if fault is not None and os.path.lexists(path):
        _stop_counting(path)
        counted, fault = merge.read(host.spool, name)
    if fault is None:
        return counted, None
    start = int(name.split("-")[0])
    incarnation = counted.incarnation if counted is not None else host.identity.incarnation
    end = counted.end if counted is not None else start + host.config.period_seconds
    is_there = os.path.lexists(path)
    if not is_there and counted is None:
        return None, None  # its worker saw that the period is closed and took it away before it counted anything
    detail = fault.reason
    if counted is not None and counted.snapshot is not None:
        detail = f"{fault.reason}; {counted.sound} rows that are sound, and what was copied of it before, are counted"
        counted.save(os.path.join(host.spool.copies, name))
        period_file.sync_directory(host.spool.copies)
    elif counted is not None:
        detail = f"{fault.reason}; what was copied of it before is counted"
    loss = Loss(incarnation, start, end, "damaged", name, detail=detail)
    host.record([loss])
    if is_there:
        logger.error("%s; put aside as %s", fault, host.spool.put_aside(path))
    return counted, loss


def _stop_counting(path: str) -> None:
    """Seal a damaged segment, and give its owner a moment to leave an update: what its header says of that may be damaged too."""
    give_up = time.monotonic() + QUIET_SECONDS
    try:
        snapshot.seal(path)
        snapshot.wait_for_stores()
        while not snapshot.is_quiet(path) and time.monotonic() < give_up:
            snapshot.wait_for_stores()
    except (OSError, SegmentError):
        pass  # too damaged to be sealed: its owner sees that its file is gone


def settle(host: Host, segments: list[SegmentFile]) -> None:
    """Deal with segments of decided periods: those that were merged are unlinked, as are empty ones; others are put aside."""
    for segment in segments:
        if segment.name in _merged(host, segment.start):
            merge.forget(host.spool, [segment.name])
            continue
        try:
            found = Snapshot.read(segment.path, whole=False)
            faults: list[SegmentError] = []
            rows, incarnation = list(found.sound_rows(faults)), found.incarnation
            reason = "; ".join(["it came after its period was decided", *(fault.reason for fault in faults[:1])])
        except SegmentVersionError as error:
            logger.warning("%s; left alone", error)
            continue
        except SegmentError as error:
            rows, incarnation, reason = [], host.identity.incarnation, error.reason
        else:
            if not faults and not any(any(row.cells) for row in rows):
                merge.forget(host.spool, [segment.name])
                continue
        loss = Loss(incarnation, segment.start, segment.start + host.config.period_seconds, "late", segment.name,
                    *merge.lost_with(row.cells for row in rows), detail=reason)
        logger.error("usage of %s in %s is not counted: %s; put aside", periods.iso(segment.start), segment.name, reason)
        host.record([loss])
        host.spool.put_aside(segment.path)


def _merged(host: Host, start: int) -> tuple[str, ...]:
    path = host.archive.find(start)
    try:
        return period_file.read(path)[0].segments if path is not None else ()
    except PeriodFileError:
        return ()
