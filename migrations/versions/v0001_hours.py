"""The first schema: site, servers, writers, accounts, hours of usage, losses, corrections, and the view of 2012."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

CELLS = (
    "unbilled_bytes_in", "unbilled_bytes_out", "passed_in", "passed_out",
    "get_count", "put_count", "head_count", "post_count", "delete_count", "other_count",
    "denied", "client_errors", "server_errors", "disconnects",
)

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INCARNATION = sa.String(32).with_variant(mysql.CHAR(32, charset="ascii", collation="ascii_bin"), "mysql")
KIND = sa.String(32).with_variant(mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql")

#: {text}: bytes as text; {moment}: seconds as a DATETIME in UTC, whatever the session's time zone.
VIEW = """
CREATE VIEW swift_statistics AS
SELECT {server} AS ServerID, {moment} AS AddTime, {account} AS AccountID,
       hourly.puts AS OperPUTCount, hourly.gets AS OperGETCount, hourly.heads AS OperHEADCount,
       hourly.posts AS OperPOSTCount, hourly.deletes AS OperDELETECount, hourly.others AS OperOTHERCount,
       hourly.bytes_in AS BWIn, hourly.bytes_out AS BWOut
  FROM (SELECT writers.server_id, io_hours.account_id, io_hours.period - io_hours.period % 3600 AS begin_hour,
               SUM(put_count) AS puts, SUM(get_count) AS gets, SUM(head_count) AS heads,
               SUM(post_count) AS posts, SUM(delete_count) AS deletes, SUM(other_count) AS others,
               SUM(passed_in) - SUM(unbilled_bytes_in) AS bytes_in, SUM(passed_out) - SUM(unbilled_bytes_out) AS bytes_out
          FROM io_hours JOIN writers ON writers.id = io_hours.writer_id
         GROUP BY writers.server_id, io_hours.account_id, io_hours.period - io_hours.period % 3600) AS hourly
  JOIN servers ON servers.id = hourly.server_id
  JOIN accounts ON accounts.id = hourly.account_id
"""
#: The account's name without the longest reseller prefix that it begins with.
ACCOUNT = """SUBSTR(accounts.name, 1 + COALESCE((
           SELECT MAX(LENGTH(prefix)) FROM reseller_prefixes
            WHERE SUBSTR(accounts.name, 1, LENGTH(prefix)) = prefix), 0))"""


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    table(
        "site",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        moment("complete_through", nullable=True),
        sa.Column("period_seconds", sa.Integer(), nullable=True),
        sa.Column("changes", sa.BigInteger(), nullable=False),
    )
    table(
        "servers",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", binary(255), nullable=False, unique=True),
        moment("announced_at", nullable=True),
        moment("registered_at", nullable=True),
        moment("retired_at", nullable=True),
    )
    table(
        "writers",
        sa.Column("id", ID, primary_key=True),
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("incarnation", INCARNATION, nullable=False, unique=True),
        sa.Column("predecessor", INCARNATION, nullable=True),
        moment("first_period"),
        moment("closed_through"),
        sa.Column("period_seconds", sa.Integer(), nullable=False),
        moment("registered_at"),
        moment("ended_at", nullable=True),
        moment("retired_at", nullable=True),
        moment("last_flush", nullable=True),
        sa.Column("spool_bytes", sa.BigInteger(), nullable=False),
        sa.Column("backlog_periods", sa.Integer(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
    )
    table(
        "accounts",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", binary(256), nullable=False, unique=True),
        moment("first_seen"),
    )
    table(
        "io_hours",
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("period", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("writer_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        *cells(),
        sqlite_with_rowid=False,
    )
    table(
        "losses",
        sa.Column("id", ID, primary_key=True),
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("writer_id", sa.BigInteger(), nullable=False),
        moment("begin"),
        moment("end"),
        sa.Column("kind", KIND, nullable=False),
        sa.Column("subject", binary(256), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(1000), nullable=False),
        moment("recorded_at"),
        sa.UniqueConstraint("server_id", "writer_id", "begin", "kind", "subject", name="losses_once"),
    )
    table(
        "corrections",
        sa.Column("id", ID, primary_key=True),
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("writer_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        moment("period"),
        moment("recorded_at"),
        *cells(),
        sa.UniqueConstraint("account_id", "period", "id", name="corrections_of_account"),
    )
    table("reseller_prefixes", sa.Column("prefix", binary(256), primary_key=True))
    op.execute("INSERT INTO site (id, changes)"
               " SELECT 1, 0 FROM (SELECT COUNT(*) AS present FROM site) AS counted WHERE present = 0")
    op.execute("DROP VIEW IF EXISTS swift_statistics")
    if op.get_context().dialect.name == "sqlite":
        op.execute(VIEW.format(server="CAST(servers.name AS TEXT)", account=f"CAST({ACCOUNT} AS TEXT)",
                               moment="datetime(hourly.begin_hour, 'unixepoch')"))
    else:
        op.execute(VIEW.format(server="CONVERT(servers.name USING utf8mb4)", account=f"CONVERT({ACCOUNT} USING utf8mb4)",
                               moment="TIMESTAMPADD(SECOND, hourly.begin_hour, CAST('1970-01-01 00:00:00' AS DATETIME))"))


def table(name: str, *columns: Any, **options: Any) -> None:
    op.create_table(name, *columns, if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4",
                    mysql_collate="utf8mb4_bin", **options)


def moment(name: str, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def binary(length: int) -> sa.LargeBinary:
    return sa.LargeBinary().with_variant(mysql.VARBINARY(length), "mysql")


def cells() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in CELLS]
