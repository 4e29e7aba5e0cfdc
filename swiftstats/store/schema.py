"""The tables, as SQLAlchemy Core knows them; `migrations/` makes them, and a test compares the two.

Everything is an integer, a moment in UTC seconds, or bytes: names are binary, since a collation makes `AUTH_x` and `AUTH_x `
one (error 1062). There are no foreign keys: a table that is partitioned or sharded cannot have them, and nothing here is
deleted but by `day`. A site is one database; its one row in `site` is what everybody holds who could complete a period.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint
from sqlalchemy.dialects import mysql

from swiftstats.fields import CELLS, NAME_BYTES
from swiftstats.petnames import NAME_BYTES as PETNAME_BYTES

#: The revision that this code reads and writes. Revisions are four digits, so that older and newer can be told apart.
REVISION = "0008"

#: The longest name of a replica: a server's, a slash, a device's.
REPLICA_BYTES = 512

metadata = MetaData()

#: How tables are made on MySQL and MariaDB.
_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

_ID = BigInteger().with_variant(Integer(), "sqlite")  # only an INTEGER PRIMARY KEY numbers itself in SQLite
_INCARNATION = String(32).with_variant(mysql.CHAR(32, charset="ascii", collation="ascii_bin"), "mysql")


def _binary(length: int) -> LargeBinary:
    return LargeBinary().with_variant(mysql.VARBINARY(length), "mysql")


def _moment(name: str, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger(), nullable=nullable)


def _changes() -> Column[int]:
    """A count of who held the row: holding is writing, since a Galera cluster certifies writes and knows no read's lock."""
    return Column("changes", BigInteger(), nullable=False, default=0)


def _cells() -> list[Column[int]]:
    """One column per cell, in the order of `fields.CELLS`: 0 to 2^63-1."""
    return [Column(name, BigInteger(), nullable=False) for name in CELLS]


def _account_period() -> list[Column[int]]:
    """The key of what is known of an account in a period; the day leads, as in `io_hours`."""
    return [Column(name, kind, primary_key=True, autoincrement=False)
            for name, kind in (("day", Integer()), ("account_id", BigInteger()), ("period", BigInteger()))]


def _level() -> list[Column[Any]]:
    """What a replica says of an account's space; see `space_reports`."""
    return [
        Column("position", Integer(), nullable=False),
        _moment("read_at"),
        Column("status", Integer(), nullable=False),
        *(Column(name, BigInteger(), nullable=False) for name in ("containers", "objects", "bytes", "listed")),
        Column("policies", LargeBinary(), nullable=False),
    ]


def _stretch() -> list[Column[Any]]:
    """What a stretch of an account's space holds; see `space_days`."""
    figures = ("measured", "byte_seconds_high", "byte_seconds_low", "max_bytes", "max_objects", "bytes", "objects", "containers")
    return [_moment("first_period"), _moment("last_period"), Column("gone", Integer(), nullable=False),
            *(Column(name, BigInteger(), nullable=False) for name in figures)]


#: The one row of the site, id 1. Whoever could complete a period writes it first.
site = Table(
    "site", metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),
    _moment("complete_through", nullable=True),  # high-water mark: the furthest that the site ever was complete
    Column("period_seconds", Integer(), nullable=True),  # of the first writer that registered
    _changes(),
    **_MYSQL,
)

#: Hosts that count. `announced_at`: waited for from that period on, though no writer has registered yet.
servers = Table(
    "servers", metadata,
    Column("id", _ID, primary_key=True),
    Column("name", _binary(255), nullable=False, unique=True),
    _moment("announced_at", nullable=True),
    _moment("registered_at", nullable=True),
    _moment("retired_at", nullable=True),
    **_MYSQL,
)

#: Writers: a server's incarnations. Live is who has neither ended (its successor closed what it left) nor been retired.
writers = Table(
    "writers", metadata,
    Column("id", _ID, primary_key=True),
    Column("server_id", BigInteger(), nullable=False),
    Column("incarnation", _INCARNATION, nullable=False, unique=True),
    Column("predecessor", _INCARNATION, nullable=True),
    _moment("first_period"),
    _moment("closed_through"),
    Column("period_seconds", Integer(), nullable=False),
    _moment("registered_at"),
    _moment("ended_at", nullable=True),
    _moment("retired_at", nullable=True),
    _moment("last_flush", nullable=True),
    Column("spool_bytes", BigInteger(), nullable=False, default=0),
    Column("backlog_periods", Integer(), nullable=False, default=0),
    _changes(),
    **_MYSQL,
)

#: How often each writer has swept by itself: whoever it is that ships what it left does not count. A row from the first time on.
sweeps = Table(
    "sweeps", metadata,
    Column("incarnation", _INCARNATION, primary_key=True),
    Column("sweeps", BigInteger(), nullable=False),
    **_MYSQL,
)

#: How often a predecessor had swept when its successor first came: one that has swept since lives elsewhere.
successions = Table(
    "successions", metadata,
    Column("successor", _INCARNATION, primary_key=True),
    Column("predecessor", _INCARNATION, primary_key=True),
    Column("sweeps", BigInteger(), nullable=False),
    **_MYSQL,
)

#: The dictionary of account names, with their reseller prefix. Ids are good within the transaction that read them.
accounts = Table(
    "accounts", metadata,
    Column("id", _ID, primary_key=True),
    Column("name", _binary(NAME_BYTES), nullable=False, unique=True),
    _moment("first_seen"),
    **_MYSQL,
)

#: Usage: the total of one writer for one account in one period, which only grows. `day` = period // 86400 leads the key, so
#: that an hour's arrival touches neighbouring pages and a day can be a partition that is dropped.
io_hours = Table(
    "io_hours", metadata,
    Column("day", Integer(), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("period", BigInteger(), primary_key=True, autoincrement=False),
    Column("writer_id", BigInteger(), primary_key=True, autoincrement=False),
    *_cells(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: What is known not to be in the totals: `kind` and `subject` (an account, a file's name) of [begin, end). Writer 0: none.
losses = Table(
    "losses", metadata,
    Column("id", _ID, primary_key=True),
    Column("server_id", BigInteger(), nullable=False),
    Column("writer_id", BigInteger(), nullable=False),
    _moment("begin"),
    _moment("end"),
    Column("kind", String(32).with_variant(mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql"), nullable=False),
    Column("subject", _binary(NAME_BYTES), nullable=False),
    Column("requests", BigInteger(), nullable=False),
    Column("bytes_in", BigInteger(), nullable=False),
    Column("bytes_out", BigInteger(), nullable=False),
    Column("detail", String(1000), nullable=False),
    _moment("recorded_at"),
    UniqueConstraint("server_id", "writer_id", "begin", "kind", "subject", name="losses_once"),
    **_MYSQL,
)

#: What was merged into a period that the site had completed before: the growth, per account, when it was merged.
corrections = Table(
    "corrections", metadata,
    Column("id", _ID, primary_key=True),
    Column("server_id", BigInteger(), nullable=False),
    Column("writer_id", BigInteger(), nullable=False),
    Column("account_id", BigInteger(), nullable=False),
    _moment("period"),
    _moment("recorded_at"),
    *_cells(),
    UniqueConstraint("account_id", "period", "id", name="corrections_of_account"),  # an index that MySQL makes with the table
    Index("corrections_by_period", "period"),
    **_MYSQL,
)

#: Reseller prefixes as configured when `migrate` ran: what the views take off an account's name.
reseller_prefixes = Table(
    "reseller_prefixes", metadata,
    Column("prefix", _binary(NAME_BYTES), primary_key=True),
    **_MYSQL,
)

#: The dictionary of who reports an account's space: `SERVER/DEVICE` of a replica, or `proxy`.
space_replicas = Table(
    "space_replicas", metadata,
    Column("id", _ID, primary_key=True),
    Column("name", _binary(REPLICA_BYTES), nullable=False, unique=True),
    **_MYSQL,
)

#: What one replica said of one account in one period, the last time that it was read in it. `position`: in the ring, handoffs
#: after primaries. `status`: 0 active, 1 deleted, 2 missing (the last two occupy nothing). `listed`: how many containers were
#: listed by name, -1: none were asked for. `policies`: JSON, {"name": [containers or null, objects, bytes]}.
space_reports = Table(
    "space_reports", metadata,
    *_account_period(),
    Column("replica_id", BigInteger(), primary_key=True, autoincrement=False),
    *_level(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: What stands for an account in a period: the report that was chosen from all of them.
space_readings = Table(
    "space_readings", metadata,
    *_account_period(),
    Column("replica_id", BigInteger(), nullable=False),
    *_level(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Containers by name. Those stand whose `read_at` is that of the account's reading: the others are of an earlier listing.
space_containers = Table(
    "space_containers", metadata,
    *_account_period(),
    Column("container", _binary(NAME_BYTES), primary_key=True),
    _moment("read_at"),
    Column("objects", BigInteger(), nullable=False),
    Column("bytes", BigInteger(), nullable=False),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Accounts that a crawler ever saw. `status` is that of the reading of `status_period`, the last that there is; 3: it was never
#: read, and found in `status_period`. Whoever chooses a reading writes this row first.
space_accounts = Table(
    "space_accounts", metadata,
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    _moment("first_period"),
    Column("status", Integer(), nullable=False),
    _moment("status_period"),
    _changes(),
    **_MYSQL,
)

#: Reports, as in `space_reports`, that came when the hours of their period had left: they are in no reading and no sum.
space_refused = Table(
    "space_refused", metadata,
    Column("period", BigInteger(), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("replica_id", BigInteger(), primary_key=True, autoincrement=False),
    *_level(),
    _moment("recorded_at"),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Runs of crawlers. `complete`: it came to the end of its walk. The period leads the key: the last runs are one seek.
space_runs = Table(
    "space_runs", metadata,
    Column("period", BigInteger(), primary_key=True, autoincrement=False),
    Column("server", _binary(255), primary_key=True),
    Column("method", String(16).with_variant(mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql"),
           primary_key=True),
    Column("started_at", BigInteger(), primary_key=True, autoincrement=False),
    _moment("ended_at", nullable=True),
    Column("seen", BigInteger(), nullable=False),
    Column("read", BigInteger(), nullable=False),
    Column("failed", BigInteger(), nullable=False),
    Column("complete", Integer(), nullable=False),
    **_MYSQL,
)

#: Of each period with a run: how many accounts there were to read, how many were read, and whether that is all.
space_periods = Table(
    "space_periods", metadata,
    Column("period", BigInteger(), primary_key=True, autoincrement=False),
    Column("period_seconds", Integer(), nullable=False),
    Column("known", BigInteger(), nullable=False),
    Column("read", BigInteger(), nullable=False),
    Column("complete", Integer(), nullable=False),
    **_MYSQL,
)

#: Days whose rollups are out of date, or were never made: a row per writer (or who reports space, by the least replica's id)
#: that changed the day. Who changes rows of a day writes its mark in the same transaction, with a stamp never used before;
#: who rolls the day up takes away the marks that are as they were before it read the first row. No mark: the rollups are right.
#: `kind`: 0 usage, 1 space. `too_large`: rolled up as it stands, and a sum is beyond 2^63-1, so that the day stays marked.
rollup_marks = Table(
    "rollup_marks", metadata,
    Column("kind", Integer(), primary_key=True, autoincrement=False),
    Column("day", Integer(), primary_key=True, autoincrement=False),
    Column("marker", BigInteger(), primary_key=True, autoincrement=False),
    Column("stamp", BigInteger(), nullable=False),
    Column("too_large", Integer(), nullable=False),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Months that have rollups of days; `month` is the number of its first day. `changed` counts the batches that were written into
#: its days, `rolled` is that count when the month was rolled up; `too_large` the same where a sum was beyond 2^63-1.
rollup_months = Table(
    "rollup_months", metadata,
    Column("kind", Integer(), primary_key=True, autoincrement=False),
    Column("month", Integer(), primary_key=True, autoincrement=False),
    Column("changed", BigInteger(), nullable=False),
    Column("rolled", BigInteger(), nullable=True),
    Column("too_large", BigInteger(), nullable=True),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Whose turn it is to roll up, in one row, id 1: each transaction of a rollup writes it first, so that no two are at once.
rollup_turn = Table(
    "rollup_turn", metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),
    Column("holder", _binary(255), nullable=False),
    _moment("until"),
    _changes(),
    **_MYSQL,
)

#: Usage of an account in a UTC day, over all writers.
io_days = Table(
    "io_days", metadata,
    Column("day", Integer(), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    *_cells(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Usage of an account in a UTC month, over all writers.
io_months = Table(
    "io_months", metadata,
    Column("month", Integer(), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    *_cells(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: The same by writer, and not by server: a writer that is found under another server name takes what it counted along.
io_writer_months = Table(
    "io_writer_months", metadata,
    Column("month", Integer(), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("writer_id", BigInteger(), primary_key=True, autoincrement=False),
    *_cells(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Space of an account in a UTC day, from its first reading's period to its last one's, in periods of the site's length: how
#: many are `measured`, their bytes × seconds (high × 2^32 + low), the greatest levels, and the last one. `gone`: it is not 0
#: where the last reading found the account deleted or missing.
space_days = Table(
    "space_days", metadata,
    Column("day", Integer(), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    *_stretch(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: Space of an account in a UTC month, in the same way.
space_months = Table(
    "space_months", metadata,
    Column("month", Integer(), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger(), primary_key=True, autoincrement=False),
    *_stretch(),
    sqlite_with_rowid=False,
    **_MYSQL,
)

#: From which day on hours are kept, in one row, id 1: what lies before is told by rollups alone. It only rises. Who raises it,
#: or adds to a day so old that it could be raised beyond it meanwhile, writes the row first.
kept = Table(
    "kept", metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),
    Column("hours_from", Integer(), nullable=False),
    _changes(),
    **_MYSQL,
)

#: What is told by the hour, and leaves by the day: on MySQL and MariaDB in partitions by month, of the day that leads the key.
BY_DAY = (io_hours, space_reports, space_readings, space_containers)

#: How often petnames were changed, in one row, id 1, which is there from the first time on: what shows them depends on it.
petname_changes = Table(
    "petname_changes", metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),
    _changes(),
    **_MYSQL,
)

#: What this site calls its accounts, those too that have used nothing yet: the raw name of an account, and UTF-8.
petnames = Table(
    "petnames", metadata,
    Column("account", _binary(NAME_BYTES), primary_key=True),
    Column("name", _binary(PETNAME_BYTES), nullable=False),
    UniqueConstraint("name", "account", name="petnames_by_name"),  # an index that MySQL makes with the table
    sqlite_with_rowid=False,
    **_MYSQL,
)
