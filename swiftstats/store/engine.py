"""Reach the database: engines, and the two kinds of transaction, `read` and `write`.

Functions of the store take a connection from one of them, and neither begin nor commit. What the driver raises inside leaves
as one of the store's own errors: DatabaseAway (later), DatabaseBusy (again, now), SchemaError, else StoreError.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Callable, Iterator

import sqlalchemy
from sqlalchemy import Connection, Engine, event, exc, text

from swiftstats.errors import ConfigError, DatabaseAway, SchemaError
from swiftstats.store import dialects, schema

#: What may stand before `://`, and the driver that it means.
DRIVERS = {
    "sqlite": "sqlite", "sqlite+pysqlite": "sqlite",
    "mysql": "mysql+pymysql", "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql", "mariadb+pymysql": "mysql+pymysql",
}
#: Connections that a process keeps open once it had as many.
KEPT = 5
EXPECTED = "mysql+pymysql://USER:PASSWORD@HOST/NAME or sqlite:////PATH"


def create(url: str, *, patient: bool = False, connections: int = 15) -> Engine:
    """Return an engine for a database's URL; nothing is connected yet. Raises ConfigError, without the password.

    `patient`: a statement may take as long as it takes. `connections`: the most at once, of which a few stay open.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ConfigError(f"database: the URL cannot be read; expected {EXPECTED}") from None
    if parsed.drivername not in DRIVERS:
        raise ConfigError(f"database: {parsed.drivername}:// is not supported; expected {EXPECTED}")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError(f"database: the URL names no database; expected {EXPECTED}")
    parsed = parsed.set(drivername=DRIVERS[parsed.drivername])
    dialect = dialects.DIALECTS[parsed.get_backend_name()]
    arguments = dialect.connect_arguments(parsed, patient=patient)
    kept = min(KEPT, connections)
    engine = sqlalchemy.create_engine(parsed, connect_args=arguments, pool_pre_ping=True, hide_parameters=True,
                                      pool_size=kept, max_overflow=connections - kept)

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: object, record: object) -> None:
        dialect.connected(dbapi_connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        dialect.begin(connection, connection.get_execution_options().get("read_only", False))

    return engine


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """Run one transaction that may write: committed at the end, rolled back where anything is raised."""
    with _translated(engine), engine.begin() as connection:
        yield connection


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Read from one consistent snapshot: what others commit meanwhile is not seen."""
    # PERF: bench/sums.py; an option of the connection, since an engine with an option is put together anew each time.
    with _translated(engine), engine.connect() as connection:
        yield connection.execution_options(read_only=True)


@contextmanager
def alone(engine: Engine, purpose: str) -> Iterator[None]:
    """Let no other process do `purpose` to this database meanwhile; raises DatabaseBusy where one does."""
    with _translated(engine), dialects.of(engine).alone(engine, purpose):
        yield


def clock(connection: Connection) -> int | None:
    """Return the database server's UTC seconds; None where it has no clock of its own (SQLite)."""
    return dialects.of(connection).clock(connection)


def now(connection: Connection, ours: Callable[[], float] = time.time) -> float:
    """Return the database server's UTC seconds, or `ours` where it has no clock of its own."""
    theirs = clock(connection)
    return ours() if theirs is None else theirs


def check_schema(engine: Engine) -> str:
    """Return the schema's revision, which is the one that this code needs; raise SchemaError for any other."""
    found = revision(engine)
    if found is None:
        raise SchemaError(f"{where(engine)} holds no schema yet: run `swiftstats migrate`")
    if found < schema.REVISION:
        raise SchemaError(f"{where(engine)} is at revision {found}, and this version needs {schema.REVISION}:"
                          " run `swiftstats migrate`")
    if found > schema.REVISION:
        raise SchemaError(f"{where(engine)} is at revision {found}, newer than the {schema.REVISION} that this version knows:"
                          " install the newer swiftstats here (`swiftstats migrate` does not go back)")
    return found


def revision(engine: Engine) -> str | None:
    """Return the revision that the schema is at; None where there is none."""
    with read(engine) as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the revision that a connection sees; None where there is none."""
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def where(engine: Engine) -> str:
    """Name the database for a message: never its user or password."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return f"the database {url.database}"
    host = url.query.get("unix_socket") or f"{url.host or 'localhost'}:{url.port or 3306}"
    return f"the database {url.database} at {host}"


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        raise dialects.of(engine).error(error.orig or error, where(engine)) from None
    except exc.TimeoutError:
        raise DatabaseAway(f"{where(engine)}: every connection of this process is in use") from None
