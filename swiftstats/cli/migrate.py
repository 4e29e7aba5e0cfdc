"""`swiftstats migrate`: create or upgrade the database's schema, and say what was done."""

from __future__ import annotations

import argparse

from swiftstats import config
from swiftstats.store import engine as engines
from swiftstats.store import schema

DESCRIPTION = """Create the database's schema, or upgrade it to what this version needs. Running it again does nothing.
The database itself must exist; in MySQL and MariaDB the user needs CREATE, CREATE VIEW, DROP, ALTER, INDEX, SELECT, INSERT,
UPDATE and DELETE on it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--revision", action="store_true",
                      help="only say which revision the schema is at; exit 1 where it is not the one that is needed")
    only.add_argument("--sql", action="store_true", help="only print the SQL that makes the schema from nothing")


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(arguments.config)
    engine = engines.create(settings.require("database"), patient=True)
    if arguments.revision:
        found = engines.revision(engine)
        print(f"{engines.where(engine)}: revision {found or 'none'}; this version needs {schema.REVISION}")
        return 0 if found == schema.REVISION else 1
    from swiftstats import migrations  # Alembic is loaded by those who need it

    if arguments.sql:
        print(migrations.script(engine), end="")
        return 0
    outcome = migrations.upgrade(engine, settings.reseller_prefix)
    if outcome.before == outcome.after:
        said = f"already at revision {outcome.after}"
    elif outcome.before is None:
        said = f"schema created, revision {outcome.after}"
    else:
        said = f"upgraded from revision {outcome.before} to {outcome.after}"
    prefixes = ", ".join(prefix or "(empty)" for prefix in settings.reseller_prefix)
    changed = f"; reseller prefixes of the view: {prefixes}" if outcome.prefixes_changed else ""
    print(f"{engines.where(engine)}: {said}{changed}")
    return 0
