"""Bring a live database back to the schema before the last one, as it is where packages were upgraded and `migrate` was not run.

Revisions have no way down, so the way is found: a fresh database is brought up to the revision before, and what that one has
not goes from the live one.
"""

from __future__ import annotations

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect

from swiftstats import migrations
from swiftstats.store import schema
from tests.support.mariadb import MariaDB


def downgrade(mariadb: MariaDB, database: str = "site") -> None:
    """Take back the last revision."""
    config = migrations._config()
    before = str(ScriptDirectory.from_config(config).get_revision(schema.REVISION).down_revision)
    older, live = create_engine(mariadb.url("older")), create_engine(mariadb.url("older").replace("/older", f"/{database}"))
    try:
        with older.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, before)
        mariadb.execute(f"USE {database}", "SET FOREIGN_KEY_CHECKS = 0", *_differences(live, older),
                        f"UPDATE alembic_version SET version_num = '{before}'")
    finally:
        older.dispose()
        live.dispose()


def _differences(live: Engine, older: Engine) -> list[str]:
    """Return the statements that take away tables, views and columns which the older schema has not."""
    now, then = inspect(live), inspect(older)
    statements = [f"DROP VIEW `{name}`" for name in set(now.get_view_names()) - set(then.get_view_names())]
    for table in now.get_table_names():
        if not then.has_table(table):
            statements.append(f"DROP TABLE `{table}`")
            continue
        had = {column["name"] for column in then.get_columns(table)}
        statements += [f"ALTER TABLE `{table}` DROP COLUMN `{column['name']}`" for column in now.get_columns(table)
                       if column["name"] not in had]
    return statements
