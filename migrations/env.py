"""What Alembic runs around the revisions: on the connection that `upgrade` gives it, or into a script."""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes
if context.is_offline_mode():
    # paramstyle: the drivers' own would write each % twice.
    context.configure(dialect_name=attributes["dialect"], literal_binds=True, dialect_opts={"paramstyle": "named"})
else:
    connection = attributes["connection"]
    # SQLite's DDL is transactional where nobody commits behind its back: a change and the record of it are one.
    context.configure(connection=connection, transactional_ddl=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
