"""The dictionary of accounts: many names are looked up by range or one by one, and each gets its own id and no other's."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Engine, select

from swiftstats import migrations
from swiftstats.store import engine as engines
from swiftstats.store import upsert
from swiftstats.store.engine import read, write
from swiftstats.store.schema import accounts
from tests.support.mariadb import MariaDB

NOW = 1_350_892_800
#: More than are looked up at once, of all lengths, one of them a beginning of another, with bytes that texts could break on.
NAMES = sorted({*(b"AUTH_%x" % number for number in range(1000, 12_000)), *(b"\xff" * length for length in range(257)),
                *(b"AUTH_\0%d\0" % number for number in range(100)), b"AUTH_1,2", b"%s", b"'"})


def fill(engine: Engine, names: list[bytes]) -> dict[bytes, int]:
    """Make accounts known in an order that is not that of their names; return their ids."""
    mixed = random.Random(1).sample(names, len(names))
    with write(engine) as connection:
        for start in range(0, len(mixed), 1000):
            upsert.add_accounts(connection, mixed[start:start + 1000], NOW)
        return {bytes(name): number for name, number in connection.execute(select(accounts.c.name, accounts.c.id))}


def test_names_close_and_far(engine: Engine) -> None:
    """Of all the names, of every second, every seventh, a few or one, known or not, exactly those that are known are found."""
    ids = fill(engine, NAMES[1::2])
    with read(engine) as connection:
        for asked in (NAMES, NAMES[1::2], NAMES[::2], NAMES[3::7], NAMES[1::200], NAMES[1:2], NAMES[:1], [],
                      random.Random(2).sample(NAMES, 3000), [b"", b"\xff" * 300]):
            found = upsert.account_ids(connection, asked)
            assert found == {name: ids[name] for name in asked if name in ids}


def test_added_once(engine: Engine) -> None:
    """Names that are added, some of them known by then, keep their ids, and get one each."""
    ids = fill(engine, NAMES[1::2])
    with write(engine) as connection:
        added = upsert.add_accounts(connection, NAMES, NOW)
        assert upsert.add_accounts(connection, NAMES, NOW) == added
    assert {name: added[name] for name in ids} == ids
    assert added.keys() == set(NAMES) and len(set(added.values())) == len(NAMES)


@pytest.mark.parametrize("names", [
    [b"AUTH_%d" % number for number in range(95, 160)],  # a range
    [b"AUTH_%d" % number for number in range(1, 160, 7)],  # one by one
])
def test_fields_cut_short(mariadb: MariaDB, names: list[bytes]) -> None:
    """A server that cuts what it puts together, wherever it does, costs time and gives no account another one's id."""
    engine = engines.create(mariadb.url())
    migrations.upgrade(engine, ("AUTH_",))
    ids = fill(engine, [b"AUTH_%d" % number for number in range(1, 160)])
    with read(engine) as connection:
        for most in (*range(4, 80), *range(300, 340), 1024):
            connection.exec_driver_sql(f"SET SESSION group_concat_max_len = {most}")
            assert upsert.account_ids(connection, names) == {name: ids[name] for name in names}, most
    engine.dispose()
