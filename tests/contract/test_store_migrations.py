"""The contract of `swiftstats migrate`: from nothing to the schema that the code knows, once, whoever runs it how often."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import alembic.command
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, text, update

from swiftstats import migrations
from swiftstats.cli.main import main
from swiftstats.errors import DatabaseBusy, SchemaError
from swiftstats.fields import CELLS
from swiftstats.store import engine as engines
from swiftstats.store import schema, usage
from swiftstats.store.dialects import mysql
from swiftstats.store.engine import read, write
from tests.contract.test_store_usage import cells
from tests.contract.test_store_writers import HOUR, T, register
from tests.support import by_name
from tests.support.levels import add, report
from tests.support.mariadb import MariaDB


@pytest.fixture
def config(tmp_path: Path, store_url: str) -> str:
    """A configuration file that names the fresh database."""
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {store_url}\nreseller_prefix = AUTH, SERVICE\n")
    return str(path)


def test_schema_is_what_the_code_knows(engine: Engine) -> None:
    """The migrated tables are those of schema.py: names, types, keys and what may be NULL."""
    with write(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        inspector = sqlalchemy.inspect(connection)
        for table in schema.metadata.tables.values():
            assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [column.name for column in table.primary_key]
            assert [column["name"] for column in inspector.get_columns(table.name)] == list(table.c.keys())
            assert {tuple(unique["column_names"]) for unique in inspector.get_unique_constraints(table.name)} == {
                tuple(unique.columns.keys()) for unique in table.constraints if isinstance(unique, sqlalchemy.UniqueConstraint)}
        assert [name for name in schema.io_hours.c.keys()[-len(CELLS):]] == list(CELLS)


def test_revisions_are_in_order() -> None:
    """Revisions are four digits in ascending order without branches, and the code needs the last one."""
    revisions = [script.revision for script in ScriptDirectory(migrations.__path__[0]).walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)
    assert all(len(name) == 4 and name.isdigit() for name in revisions)
    assert revisions[0] == schema.REVISION


def test_upgrade_again(bare: Engine) -> None:
    """Upgrading says what it did; again it does nothing, and new prefixes alone are recorded."""
    assert migrations.upgrade(bare, ("AUTH_",)) == migrations.Outcome(None, schema.REVISION, True)
    assert migrations.upgrade(bare, ("AUTH_",)) == migrations.Outcome(schema.REVISION, schema.REVISION, False)
    assert migrations.upgrade(bare, ("AUTH_", "")) == migrations.Outcome(schema.REVISION, schema.REVISION, True)
    assert engines.check_schema(bare) == schema.REVISION


def test_upgrade_that_was_cut(bare: Engine) -> None:
    """An upgrade cut after any of its tables is completed by the next one, without losing what there was."""
    with write(bare) as connection:
        for name in ("site", "servers", "accounts"):
            schema.metadata.tables[name].create(connection)
        connection.execute(text("INSERT INTO accounts (name, first_seen) VALUES ('AUTH_a', 1)"))
    migrations.upgrade(bare, ("AUTH_",))
    with write(bare) as connection:
        assert usage.known(connection, [b"AUTH_a"] if bare.dialect.name == "mysql" else []) == (
            {b"AUTH_a"} if bare.dialect.name == "mysql" else set())
        register(connection, "proxy-1", "a")
    assert migrations.upgrade(bare, ("AUTH_",)).before == schema.REVISION


def test_upgrade_that_was_cut_at_its_end(engine: Engine) -> None:
    """An upgrade of any revision that was cut before it was recorded finds all that it made, and changes nothing."""
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
        usage.merge(connection, writer=writer, period=T, rows=[(b"AUTH_a", cells(get_count=5))], now=T)
    for script in ScriptDirectory(migrations.__path__[0]).walk_revisions():
        if script.down_revision is not None:
            with write(engine) as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": script.down_revision})
            assert migrations.upgrade(engine, ("AUTH_",)) == migrations.Outcome(str(script.down_revision), schema.REVISION, False)
    test_schema_is_what_the_code_knows(engine)
    with read(engine) as connection:
        assert by_name.total(connection, b"AUTH_a", T, T + HOUR) == cells(get_count=5)


def test_upgrade_from_0001(bare: Engine) -> None:
    """A database of the first revision, with usage in it, is upgraded: what was there stays, and space can be recorded."""
    with engines.alone(bare, "migrate"), write(bare) as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
    assert engines.revision(bare) == "0001"
    with pytest.raises(SchemaError, match="run `swiftstats migrate`"):
        engines.check_schema(bare)
    with write(bare) as connection:
        connection.execute(insert(schema.servers).values(id=1, name=b"proxy-1"))
        connection.execute(insert(schema.writers).values(id=1, server_id=1, incarnation="a" * 32, first_period=T,
                                                         closed_through=T, period_seconds=HOUR, registered_at=T))
        connection.execute(insert(schema.accounts).values(id=1, name=b"AUTH_a", first_seen=T))
        connection.execute(insert(schema.io_hours).values((T // 86400, 1, T, 1, *cells(get_count=5))))
    assert migrations.upgrade(bare, ("AUTH_",)) == migrations.Outcome("0001", schema.REVISION, True)
    assert engines.check_schema(bare) == schema.REVISION
    add(bare, report(account=b"AUTH_a"), report(account=b"AUTH_b"))
    with write(bare) as connection:
        assert register(connection, "proxy-1", "a").id == 1
        assert by_name.total(connection, b"AUTH_a", T, T + HOUR) == cells(get_count=5)
        assert list(connection.execute(text("SELECT OperGETCount FROM swift_statistics")).scalars()) == [5]
        assert sorted(connection.execute(text("SELECT AccountID FROM swift_space_stats")).scalars()) == ["a", "b"]


def test_newer_schema_is_left_alone(engine: Engine) -> None:
    """A schema that is newer than the code is refused, and stays as it is."""
    with write(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="newer"):
        migrations.upgrade(engine, ())
    assert engines.revision(engine) == "9999"


def test_migrate_at_once(config: str) -> None:
    """Of several `swiftstats migrate` at the same time one makes the schema, and the others find it made."""
    command = [sys.executable, "-m", "swiftstats", "--config", config, "migrate"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sorted("created" in out for out, _ in said) == [False, False, True]
    assert sorted("already at" in out for out, _ in said) == [False, True, True]


@pytest.mark.mariadb
def test_migrate_that_waits_too_long(mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second `migrate` waits for the first one so long, and then says so; on another database it waits for nobody."""
    monkeypatch.setattr(mysql, "LOCK_TIMEOUT", 0)
    one, other = engines.create(mariadb.url()), engines.create(mariadb.url())
    with engines.alone(one, "migrate"):
        with pytest.raises(DatabaseBusy, match="migrate"):
            migrations.upgrade(one, ())
        migrations.upgrade(other, ())
    assert migrations.upgrade(one, ()).before is None
    one.dispose()
    other.dispose()


def test_migrate_command(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says which revision there is, what it did, and that there was nothing to do."""
    assert main(["--config", config, "migrate", "--revision"]) == 1
    assert f"revision none; this version needs {schema.REVISION}" in capsys.readouterr().out
    assert main(["--config", config, "migrate"]) == 0
    created = f"schema created, revision {schema.REVISION}; reseller prefixes of the view: AUTH_, SERVICE_"
    assert created in capsys.readouterr().out
    assert main(["--config", config, "migrate"]) == 0
    assert capsys.readouterr().out.endswith(f"already at revision {schema.REVISION}\n")
    assert main(["--config", config, "migrate", "--revision"]) == 0


def test_migrate_script(config: str, bare: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """What --sql prints, run by an administrator, makes a schema that `migrate` finds complete."""
    assert main(["--config", config, "migrate", "--sql"]) == 0
    script = capsys.readouterr().out
    assert engines.revision(bare) is None, "--sql touches nothing"
    with write(bare) as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%") if bare.dialect.name == "mysql" else statement)
    assert engines.check_schema(bare) == schema.REVISION
    assert main(["--config", config, "migrate"]) == 0
    assert f"already at revision {schema.REVISION}; reseller prefixes" in capsys.readouterr().out
    with write(bare) as connection:
        register(connection, "proxy-1", "a")


def test_view_of_2012(engine: Engine) -> None:
    """swift_statistics has a row per server, hour and account: sums over writers and shorter periods, prefix taken off."""
    migrations.upgrade(engine, ("AUTH_", "SERVICE_", "AUTH_OLD_"))
    quarter = dict(get_count=1, put_count=2, head_count=3, post_count=4, delete_count=5, other_count=6, denied=7,
                   passed_in=100, unbilled_bytes_in=1, passed_out=2**40, unbilled_bytes_out=2**39)
    with write(engine) as connection:
        for incarnation in "ab":
            writer = register(connection, "proxy-1", incarnation, period_seconds=900)
            for period in (T, T + 2700, T + HOUR):
                rows = [(name, cells(**quarter)) for name in (b"(unknown)", b"AUTH_OLD_x", b"AUTH_x", b"SERVICE_x")]
                usage.merge(connection, writer=writer, period=period, rows=rows, now=T)
        other = register(connection, "proxy-2", "c")
        usage.merge(connection, writer=other, period=T, rows=[("AUTH_ü ".encode(), cells(**quarter))], now=T)
    if engine.dialect.name == "mysql":
        with write(engine) as connection:
            connection.execute(update(schema.site).values(period_seconds=900))
            connection.exec_driver_sql("SET time_zone = '+05:45'")  # what a reader's session may be set to
            rows = list(connection.execute(text("SELECT * FROM swift_statistics ORDER BY 1, 2, 3")))
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        eight, nine = datetime.datetime(2012, 10, 22, 8), datetime.datetime(2012, 10, 22, 9)
    else:
        with read(engine) as connection:
            rows = list(connection.execute(text("SELECT * FROM swift_statistics ORDER BY 1, 2, 3")))
        eight, nine = "2012-10-22 08:00:00", "2012-10-22 09:00:00"  # type: ignore[assignment]
    assert list(rows[0]._mapping) == [
        "ServerID", "AddTime", "AccountID", "OperPUTCount", "OperGETCount", "OperHEADCount", "OperPOSTCount", "OperDELETECount",
        "OperOTHERCount", "BWIn", "BWOut"]
    four, two, one = ((2 * n, n, 3 * n, 4 * n, 5 * n, 6 * n, 99 * n, 2**39 * n) for n in (4, 2, 1))
    hour = [("(unknown)", *four), ("x", *four), ("x", *four), ("x", *four)]
    assert [tuple(row) for row in rows] == [
        *(("proxy-1", eight, *row) for row in hour),
        *(("proxy-1", nine, name, *two) for name, *_ in hour),
        ("proxy-2", eight, "ü ", *one),
    ]
