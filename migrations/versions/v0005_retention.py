"""Retention: from when on hours are kept; on MySQL and MariaDB, what is told by hour in partitions that can be dropped."""

from __future__ import annotations

import datetime
from typing import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

#: Tables whose key leads with the day, in partitions by month.
TABLES = ("io_hours", "space_reports", "space_readings", "space_containers")
#: Months that get a partition of their own: so many before this one (what is older shares one), and so many after it.
BEFORE, AHEAD = 60, 3
EPOCH = datetime.date(1970, 1, 1)


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    op.create_table(
        "kept",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("hours_from", sa.Integer(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")
    op.execute("INSERT INTO kept (id, hours_from, changes)"
               " SELECT 1, 0, 0 FROM (SELECT COUNT(*) AS present FROM kept) AS counted WHERE present = 0")
    if op.get_context().dialect.name != "sqlite":
        for table in TABLES:
            partition(table)


def partition(table: str) -> None:
    """Cut a table into months: of what it holds, and some ahead. Whoever writes to it meanwhile waits."""
    oldest = None
    if not op.get_context().as_sql:
        made = "SELECT COUNT(*) FROM information_schema.partitions WHERE table_schema = DATABASE() AND table_name = :name" \
               " AND partition_name IS NOT NULL"
        if op.get_bind().execute(sa.text(made), {"name": table}).scalar():
            return
        oldest = op.get_bind().execute(sa.text(f"SELECT MIN(day) FROM {table}")).scalar()
    cuts = ", ".join(f"PARTITION until_{month:%Y_%m_%d} VALUES LESS THAN ({(month - EPOCH).days})" for month in months(oldest))
    op.execute(f"ALTER TABLE {table} PARTITION BY RANGE (day) ({cuts}, PARTITION later VALUES LESS THAN MAXVALUE)")


def months(oldest: int | None) -> Iterator[datetime.date]:
    """Yield where the partitions end: months after the oldest day that is there (none: this month)."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    this = today.year * 12 + today.month - 1
    first = this
    if oldest is not None:
        day = EPOCH + datetime.timedelta(days=max(oldest, 0))
        first = min(max(day.year * 12 + day.month - 1, this - BEFORE), this)
    for month in range(first + 1, this + AHEAD + 2):
        yield datetime.date(month // 12, month % 12 + 1, 1)
