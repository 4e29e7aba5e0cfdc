"""A host under test: workers that count, a flusher that sweeps, clocks of the test's own, and a ledger of what was counted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from swiftstats.config import Config
from swiftstats.fields import STORED_MAX
from swiftstats.flush.host import Outcome
from swiftstats.flush.sweep import sweep
from swiftstats.journal import identity as identities
from swiftstats.journal import layout
from swiftstats.journal.counters import Counters
from swiftstats.journal.spool import SegmentFile, Spool
from swiftstats.store import schema, usage, writers
from swiftstats.store.engine import read, write
from swiftstats.store.losses import Loss
from tests.support import by_name
from tests.support.spools import GET, Clock, T, counters

BEGIN, END = 0, STORED_MAX


class Host:
    """One host with one worker at first; `now` is what its clock says, and boot time passes with it."""

    def __init__(self, engine: Engine, path: Path, *, server: str = "proxy-1", **options: Any) -> None:
        self.engine, self.path = engine, path
        self.options = {"spool": str(path), "server": server, "archive_hours": 10**6, **options}
        self.clock = Clock()
        self.step = 0  # of the wall clock, against boot time
        self.worker = self.new_worker()
        self.ledger: Counter[tuple[int, str]] = Counter()  # (period, name) → requests counted

    @property
    def config(self) -> Config:
        return Config(self.options)

    @property
    def spool(self) -> Spool:
        return Spool(str(self.path))

    @property
    def period_seconds(self) -> int:
        return int(self.config.period_seconds)

    def new_worker(self, **options: Any) -> Counters:
        return counters(self.path, **{"clock": self.clock, "server": self.options["server"],
                                      "period_seconds": self.period_seconds, **options})

    def count(self, name: str = "AUTH_a", times: int = 1, *, proven: bool = True, worker: Counters | None = None) -> None:
        """Count requests that must not be lost, and write them into the ledger."""
        place = (worker or self.worker).add(name, (GET, times), proven)
        assert place is not None, "not counted"
        self.ledger[place[0].start, name] += times

    def sweep(self, *, running: bool = True, wait: float = 0.0) -> Outcome:
        return sweep(self.config, self.engine, with_running=running, wait=wait, now=self.clock, boot_now=self.boot_now)

    def boot_now(self) -> int:
        return int(self.clock.now - self.step - T + 10**6)

    def later(self, periods: float = 1) -> None:
        """Let time pass."""
        self.clock.now += periods * self.period_seconds

    def close(self) -> Outcome:
        """Let the period end, and sweep."""
        self.later()
        return self.sweep(running=False)

    def reboot(self, monkeypatch: Any) -> None:
        """Boot again: every process is gone, and the kernel has another boot id."""
        self.worker.close()
        name = os.urandom(8).hex()
        monkeypatch.setattr(identities, "boot_id", lambda: name)
        self.worker = self.new_worker()

    def segments(self) -> list[SegmentFile]:
        return self.spool.list_segments()

    def damage(self, segment: SegmentFile, *, newer: bool = False) -> None:
        """Overwrite the first row of a segment, or make it one of a newer format."""
        with open(segment.path, "r+b") as file:
            if not newer:
                file.seek(layout.HEADER_BYTES)
                file.write(b"junk" * 64)
                return
            words = memoryview(bytearray(file.read(layout.HEADER_BYTES))).cast("Q")
            words[layout.H_VERSION] = layout.VERSION + 1
            words[layout.H_CRC] = layout.header_crc(words.tobytes())
            file.seek(0)
            file.write(words)

    def total_of_ledger(self) -> int:
        return sum(self.ledger.values())


def total(engine: Engine, name: str, begin: int = BEGIN, end: int = END) -> int:
    """Return what the store has of an account's GETs."""
    with read(engine) as connection:
        return by_name.total(connection, name.encode(), begin, end)[GET]


def hours(engine: Engine, name: str) -> dict[int, int]:
    with read(engine) as connection:
        return {period: row[GET] for period, row in by_name.hours(connection, name.encode(), BEGIN, END)}


def everything(engine: Engine) -> dict[str, dict[int, int]]:
    """Return every account's GETs by period."""
    with read(engine) as connection:
        names = connection.execute(select(schema.accounts.c.name)).scalars().all()
    return {found: rows for found in (bytes(name).decode("latin-1") for name in names) if (rows := hours(engine, found))}


def sum_of_store(engine: Engine) -> int:
    return sum(sum(rows.values()) for rows in everything(engine).values())


def losses(engine: Engine) -> list[Loss]:
    with read(engine) as connection:
        return usage.losses_between(connection, BEGIN, END)


def complete_through(engine: Engine) -> int | None:
    with read(engine) as connection:
        return writers.complete_through(connection).complete_through


def status(engine: Engine) -> dict[str, writers.WriterStatus]:
    """Return every writer by incarnation."""
    with read(engine) as connection:
        return {writer.incarnation: writer for server in writers.servers(connection) for writer in server.writers}


def dump(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table: a backup."""
    with read(engine) as connection:
        return {name: [dict(row._mapping) for row in connection.execute(select(table))]
                for name, table in schema.metadata.tables.items()}


def restore(engine: Engine, backup: dict[str, list[dict[str, Any]]]) -> None:
    """Make the database what it was when `backup` was taken."""
    with write(engine) as connection:
        for name, table in schema.metadata.tables.items():
            connection.execute(delete(table))
            if backup[name]:
                connection.execute(insert(table), backup[name])
