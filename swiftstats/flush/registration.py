"""Make this host known to the database, and find out up to when it may close; replay what a restored database has lost."""

from __future__ import annotations

import logging

from sqlalchemy.engine import Connection

from swiftstats import periods
from swiftstats.errors import PeriodFileError, PeriodFileVersionError, SegmentError
from swiftstats.flush import clock, closing, shipping
from swiftstats.flush.host import Host
from swiftstats.journal.control import CLOSED_THROUGH, SHIPPED_THROUGH
from swiftstats.journal.period_file import Loss
from swiftstats.journal.snapshot import Snapshot
from swiftstats.journal.spool import SegmentFile
from swiftstats.store import engine as engines
from swiftstats.store import succession, writers
from swiftstats.store.succession import Predecessor
from swiftstats.store.writers import Writer

logger = logging.getLogger("swiftstats.flush")


def register(host: Host) -> int:
    """Register this host's writer; return the moment through which periods may be closed."""
    control, seconds = host.control, host.config.period_seconds
    now = host.now()
    segments = host.spool.list_segments()

    def body(connection: Connection) -> tuple[Writer, int | None, list[Predecessor]]:
        database_now = engines.clock(connection)
        # By the earlier clock: a writer has closed what lies before its first period, and that may not be still to come.
        first_period = _first_period(host, connection, now if database_now is None else min(now, database_now))
        predecessor = host.identity.predecessors[0] if host.identity.predecessors else None
        own = host.register(connection, host.identity.incarnation, predecessor, first_period, by_itself=True)
        return own, database_now, succession.predecessors(connection, own.incarnation, host.identity.predecessors)

    writer, database_now, predecessors = shipping.transact(host.engine, body)
    host.writers[writer.incarnation] = writer
    _say_who_lives(host, predecessors)
    host.outcome.to_be_ended = sum(closing.is_gone(host, predecessor) for predecessor in predecessors)
    if writer.site_period_seconds != seconds:
        logger.warning("period_seconds is %d here and %d on the site's first server: set them equal", seconds,
                       writer.site_period_seconds)
    if not control.get(SHIPPED_THROUGH):
        # A new spool, or one whose control file is gone: the database knows how far this writer had closed.
        control.raise_to(CLOSED_THROUGH, writer.closed_through)
        control.raise_to(SHIPPED_THROUGH, writer.closed_through)
    through = clock.closable(control, now=now, database_now=database_now, boot_now=host.boot_now(), seconds=seconds)
    return max(_without_halves(through, segments, seconds), control.get(CLOSED_THROUGH))


def _say_who_lives(host: Host, predecessors: list[Predecessor]) -> None:
    """Name the writers that this spool was copied from and that sweep elsewhere; under a server name of its own that is well."""
    for writer in (predecessor.writer for predecessor in predecessors if predecessor.lives and not predecessor.retired):
        if writer.server == host.config.server:
            logger.warning("writer %s lives, though this spool succeeds it: the spool was copied, and two hosts are called %s."
                           " Both are waited for; once the other one is gone: swiftstats server retire %s --writer %s",
                           writer.incarnation, writer.server, writer.server, writer.incarnation)
        else:
            logger.info("this spool was copied from server %s, which lives and is waited for by itself", writer.server)


def _first_period(host: Host, connection: Connection, now: int) -> int:
    """Return where a new writer begins: where this spool's shipping stopped, or its predecessor did in this database."""
    shipped = host.control.get(SHIPPED_THROUGH)
    if not shipped:
        return _beginning(host, now)
    before = [writers.find(connection, incarnation) for incarnation in host.identity.predecessors]
    stopped = [writer.closed_through for writer in before if writer is not None and not writer.ended]
    if not any(before):  # a database that never heard of us: all that the archive holds is to be shipped
        stopped.append(host.archive.begins or host.archive.oldest() or shipped)
    return min([shipped, *stopped])


def _beginning(host: Host, now: int) -> int:
    """Return where the writer of a new spool begins: now, or with its oldest segment.

    Workers are told before the database is: were we killed in between, one whose clock is set back would count what is closed.
    """
    def begin() -> int:
        return min([periods.floor(now, host.config.period_seconds), *(each.start for each in host.spool.list_segments())])

    host.control.raise_to(CLOSED_THROUGH, begin())
    host.control.sync()
    return begin()  # listed again: from here on no worker makes a segment before the word (counters.py)


def _without_halves(through: int, segments: list[SegmentFile], seconds: int) -> int:
    """Keep from closing the half of a period of another length (a change of period_seconds under way)."""
    for segment in segments:
        try:
            length = Snapshot.read(segment.path).seconds if segment.start < through < segment.start + periods.HOUR else seconds
        except SegmentError:
            continue
        if segment.start < through < segment.start + length:
            through = segment.start
    return through


def replay(host: Host) -> None:
    """Ship the archive again where the database is behind what this spool has shipped: it was restored from a backup."""
    shipped = host.control.get(SHIPPED_THROUGH)
    behind = host.own.closed_through
    if behind >= shipped:
        return
    logger.warning("the database knows of this server through %s, and %s was shipped: it was restored; replaying",
                   periods.iso(behind), periods.iso(shipped))
    give_up(host, behind, min(host.archive.begins, shipped))
    for start, end, path in host.archive.files():
        if behind < end <= shipped:
            try:
                closing.ship_period_file(host, path)
            except PeriodFileVersionError:
                raise
            except PeriodFileError as error:
                logger.error("%s", error)
                give_up(host, start, end)
    closing.close_in_store(host, shipped)


def give_up(host: Host, begin: int, end: int) -> None:
    """Record what no replay brings back; before anything after it is shipped, which would close it as empty."""
    if begin < end:
        loss = Loss(host.identity.incarnation, begin, end, "restored",
                    detail="the database was restored, and the file of this period is gone or damaged")
        logger.error("usage from %s to %s is lost: %s", periods.iso(begin), periods.iso(end), loss.detail)
        host.record([loss])
