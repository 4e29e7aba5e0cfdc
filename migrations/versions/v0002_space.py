"""Space: what replicas report, what stands of it, containers, runs of crawlers, and the view swift_space_stats."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WHOLE = sa.BigInteger()
METHOD = sa.String(16).with_variant(mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql")

#: {replica}, {account}: bytes as text; {moment}: seconds as a DATETIME in UTC, whatever the session's time zone.
VIEW = """
CREATE VIEW swift_space_stats AS
SELECT {replica} AS ServerID, {moment} AS AddTime, {account} AS AccountID, space_readings.containers AS AccountContainerCount,
       space_readings.objects AS AccountObjectCount, space_readings.bytes AS AccountBytesUsed
  FROM space_readings
  JOIN space_replicas ON space_replicas.id = space_readings.replica_id
  JOIN accounts ON accounts.id = space_readings.account_id
"""
#: The account's name without the longest reseller prefix that it begins with.
ACCOUNT = """SUBSTR(accounts.name, 1 + COALESCE((
           SELECT MAX(LENGTH(prefix)) FROM reseller_prefixes
            WHERE SUBSTR(accounts.name, 1, LENGTH(prefix)) = prefix), 0))"""


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    table("space_replicas", sa.Column("id", ID, primary_key=True), sa.Column("name", binary(512), nullable=False, unique=True))
    table("space_reports", *account_period(), key("replica_id", sa.BigInteger()), *level(), sqlite_with_rowid=False)
    table("space_readings", *account_period(), number("replica_id"), *level(), sqlite_with_rowid=False)
    table(
        "space_containers",
        *account_period(),
        sa.Column("container", binary(256), primary_key=True),
        number("read_at"), number("objects"), number("bytes"),
        sqlite_with_rowid=False,
    )
    table(
        "space_accounts",
        key("account_id", sa.BigInteger()),
        number("first_period"), number("status", sa.Integer()), number("status_period"), number("changes"),
    )
    table(
        "space_runs",
        key("period", sa.BigInteger()),
        sa.Column("server", binary(255), primary_key=True),
        sa.Column("method", METHOD, primary_key=True),
        key("started_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        number("seen"), number("read"), number("failed"), number("complete", sa.Integer()),
    )
    table(
        "space_periods",
        key("period", sa.BigInteger()),
        number("period_seconds", sa.Integer()), number("known"), number("read"), number("complete", sa.Integer()),
    )
    op.execute("DROP VIEW IF EXISTS swift_space_stats")
    if op.get_context().dialect.name == "sqlite":
        op.execute(VIEW.format(replica="CAST(space_replicas.name AS TEXT)", account=f"CAST({ACCOUNT} AS TEXT)",
                               moment="datetime(space_readings.period, 'unixepoch')"))
    else:
        op.execute(VIEW.format(
            replica="CONVERT(space_replicas.name USING utf8mb4)", account=f"CONVERT({ACCOUNT} USING utf8mb4)",
            moment="TIMESTAMPADD(SECOND, space_readings.period, CAST('1970-01-01 00:00:00' AS DATETIME))"))


def table(name: str, *columns: Any, **options: Any) -> None:
    op.create_table(name, *columns, if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4",
                    mysql_collate="utf8mb4_bin", **options)


def key(name: str, kind: sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def number(name: str, kind: sa.Integer = WHOLE) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False)


def binary(length: int) -> sa.LargeBinary:
    return sa.LargeBinary().with_variant(mysql.VARBINARY(length), "mysql")


def account_period() -> list[sa.Column[int]]:
    return [key("day", sa.Integer()), key("account_id", sa.BigInteger()), key("period", sa.BigInteger())]


def level() -> list[sa.Column[Any]]:
    return [number("position", sa.Integer()), number("read_at"), number("status", sa.Integer()),
            *(number(name) for name in ("containers", "objects", "bytes", "listed")),
            sa.Column("policies", sa.LargeBinary(), nullable=False)]
