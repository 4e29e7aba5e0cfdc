"""Make and upgrade the schema: Alembic, driven by `swiftstats migrate`, without an ini file of its own.

Revisions are four digits, each one greater than the one before, so that older and newer are told apart without this package.
A revision is frozen: it imports nothing of swiftstats, and may be run again after it was cut (MySQL commits each DDL
statement by itself). There is no way down: a backup is.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Optional, Sequence

import alembic.command
import alembic.config
from sqlalchemy import Engine, delete, insert, select

from swiftstats.errors import SchemaError
from swiftstats.store import engine as engines
from swiftstats.store import schema
from swiftstats.store.schema import reseller_prefixes


@dataclass(frozen=True)
class Outcome:
    """What an upgrade did: the revision before (None: there was no schema) and after, and whether prefixes changed."""

    before: Optional[str]
    after: str
    prefixes_changed: bool


def upgrade(engine: Engine, prefixes: Sequence[str]) -> Outcome:
    """Bring the schema to this version's revision and record the reseller prefixes (`AUTH_`) that the view takes off.

    Two at once are harmless: the second waits, and finds nothing to do. Raises SchemaError for a schema that is newer.
    """
    with engines.alone(engine, "migrate"), engines.write(engine) as connection:
        before = engines.revision_of(connection)
        if before is not None and before > schema.REVISION:
            raise SchemaError(f"{engines.where(engine)} is at revision {before}, newer than the {schema.REVISION} that this"
                              " version knows: install the newer swiftstats here")
        if before != schema.REVISION:
            config = _config()
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, schema.REVISION)
        wanted = {prefix.encode() for prefix in prefixes}
        changed = wanted != {bytes(prefix) for prefix in connection.execute(select(reseller_prefixes.c.prefix)).scalars()}
        if changed:
            connection.execute(delete(reseller_prefixes))
            connection.execute(insert(reseller_prefixes), [{"prefix": prefix} for prefix in sorted(wanted)])
        return Outcome(before, schema.REVISION, changed)


def script(engine: Engine) -> str:
    """Return the SQL that makes the schema from nothing, for a database administrator to run."""
    output = io.StringIO()
    config = _config(output)
    config.attributes["dialect"] = engine.dialect.name
    alembic.command.upgrade(config, schema.REVISION, sql=True)
    return output.getvalue()


def _config(output: Optional[io.StringIO] = None) -> alembic.config.Config:
    config = alembic.config.Config(output_buffer=output)
    config.set_main_option("script_location", os.path.dirname(__file__).replace("%", "%%"))
    return config
