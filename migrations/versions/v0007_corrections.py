"""Corrections by period: whether there are any in a range is asked of every table of usage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TABLE, INDEX = "corrections", "corrections_by_period"


def upgrade() -> None:
    """Make everything; what an attempt before this one made is left as it is."""
    # MySQL has no CREATE INDEX IF NOT EXISTS.
    if op.get_context().as_sql or INDEX not in [index["name"] for index in sa.inspect(op.get_bind()).get_indexes(TABLE)]:
        op.create_index(INDEX, TABLE, ["period"])
