"""Rollups: usage by day and month, by writer and month, space by day and month, and which of them are out of date."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"

WHOLE = sa.BigInteger()

CELLS = (
    "unbilled_bytes_in", "unbilled_bytes_out", "passed_in", "passed_out",
    "get_count", "put_count", "head_count", "post_count", "delete_count", "other_count",
    "denied", "client_errors", "server_errors", "disconnects",
)
STRETCH = ("measured", "byte_seconds_high", "byte_seconds_low", "max_bytes", "max_objects", "bytes", "objects", "containers")

#: Every day that holds something is to be rolled up. The key leads with the day: the next one is a seek, and nothing is scanned.
MARK = """
INSERT INTO rollup_marks (kind, day, marker, stamp, too_large)
  SELECT {kind}, day, 0, 0, 0 FROM (
    WITH RECURSIVE present(day) AS (
      SELECT MIN(day) FROM {table}
      UNION ALL
      SELECT (SELECT MIN(later.day) FROM {table} AS later WHERE later.day > present.day)
        FROM present WHERE present.day IS NOT NULL)
    SELECT day FROM present WHERE day IS NOT NULL) AS days
   WHERE NOT EXISTS (SELECT 1 FROM rollup_marks AS made WHERE made.kind = {kind} AND made.day = days.day AND made.marker = 0)
"""


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    table("rollup_marks", key("kind", sa.Integer()), key("day", sa.Integer()), key("marker"), number("stamp"),
          number("too_large", sa.Integer()), sqlite_with_rowid=False)
    table("rollup_months", key("kind", sa.Integer()), key("month", sa.Integer()), number("changed"),
          number("rolled", nullable=True), number("too_large", nullable=True), sqlite_with_rowid=False)
    table("rollup_turn", key("id", sa.Integer()),
          sa.Column("holder", sa.LargeBinary().with_variant(mysql.VARBINARY(255), "mysql"), nullable=False),
          number("until"), number("changes"))
    table("io_days", key("day", sa.Integer()), key("account_id"), *map(number, CELLS), sqlite_with_rowid=False)
    table("io_months", key("month", sa.Integer()), key("account_id"), *map(number, CELLS), sqlite_with_rowid=False)
    table("io_writer_months", key("month", sa.Integer()), key("account_id"), key("writer_id"), *map(number, CELLS),
          sqlite_with_rowid=False)
    for unit in ("day", "month"):
        table(f"space_{unit}s", key(unit, sa.Integer()), key("account_id"), number("first_period"), number("last_period"),
              number("gone", sa.Integer()), *map(number, STRETCH), sqlite_with_rowid=False)
    op.execute("INSERT INTO rollup_turn (id, holder, until, changes)"
               " SELECT 1, x'', 0, 0 FROM (SELECT COUNT(*) AS present FROM rollup_turn) AS counted WHERE present = 0")
    for kind, source in ((0, "io_hours"), (1, "space_readings")):
        op.execute(MARK.format(kind=kind, table=source))


def table(name: str, *columns: Any, **options: Any) -> None:
    op.create_table(name, *columns, if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4",
                    mysql_collate="utf8mb4_bin", **options)


def key(name: str, kind: Any = WHOLE) -> sa.Column[int]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def number(name: str, kind: Any = WHOLE, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=nullable)
