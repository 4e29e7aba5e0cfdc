"""All that differs between MySQL or MariaDB and SQLite: connecting, transactions, errors, and the spelling of an upsert.

No other room of the store knows which database it talks to. SQL that both take is not here. What the store asks of a database is
in dialect.py, and a file answers for each.
"""

from __future__ import annotations

from typing import Mapping

from sqlalchemy import Connection, Engine

from swiftstats.store.dialects.dialect import Dialect, Partition
from swiftstats.store.dialects.mysql import MySQL
from swiftstats.store.dialects.sqlite import SQLite

__all__ = ["DIALECTS", "Dialect", "Partition", "of"]

#: SQLAlchemy's name of a dialect: ours.
DIALECTS: Mapping[str, Dialect] = {"sqlite": SQLite(), "mysql": MySQL()}


def of(bound: Engine | Connection) -> Dialect:
    """Return the dialect of an engine or a connection."""
    return DIALECTS[bound.dialect.name]
