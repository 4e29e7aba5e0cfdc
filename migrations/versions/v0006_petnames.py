"""Petnames: what this site calls its accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    op.create_table(
        "petname_changes",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "petnames",
        sa.Column("account", binary(256), primary_key=True),
        sa.Column("name", binary(255), nullable=False),
        sa.UniqueConstraint("name", "account", name="petnames_by_name"),
        if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin", sqlite_with_rowid=False,
    )


def binary(length: int) -> sa.LargeBinary:
    return sa.LargeBinary().with_variant(mysql.VARBINARY(length), "mysql")
