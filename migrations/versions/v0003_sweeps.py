"""Who lives: how often each writer has swept by itself, and how often its predecessors had when it first came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

INCARNATION = sa.String(32).with_variant(mysql.CHAR(32, charset="ascii", collation="ascii_bin"), "mysql")


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    # Tables, and no column of `writers`: there is no statement that adds one only where it is missing, on every database.
    table("sweeps", key("incarnation"), count())
    table("successions", key("successor"), key("predecessor"), count())


def table(name: str, *columns: sa.Column[int] | sa.Column[str]) -> None:
    op.create_table(name, *columns, if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4",
                    mysql_collate="utf8mb4_bin")


def key(name: str) -> sa.Column[str]:
    return sa.Column(name, INCARNATION, primary_key=True)


def count() -> sa.Column[int]:
    return sa.Column("sweeps", sa.BigInteger(), nullable=False)
