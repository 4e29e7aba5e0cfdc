"""Reports of space that came when the hours of their period had left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    op.create_table(
        "space_refused",
        key("period", sa.BigInteger()), key("account_id", sa.BigInteger()), key("replica_id", sa.BigInteger()),
        number("position", sa.Integer()), number("read_at"), number("status", sa.Integer()),
        *(number(name) for name in ("containers", "objects", "bytes", "listed")),
        sa.Column("policies", sa.LargeBinary(), nullable=False),
        number("recorded_at"),
        if_not_exists=True, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin", sqlite_with_rowid=False,
    )


def key(name: str, kind: sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def number(name: str, kind: sa.Integer | None = None) -> sa.Column[int]:
    return sa.Column(name, kind or sa.BigInteger(), nullable=False)
