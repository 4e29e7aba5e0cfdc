"""The contract of petnames: given, replaced, taken away, by account and by group."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from swiftstats.store import petnames, upsert
from swiftstats.store.engine import read, write
from swiftstats.store.petnames import Group, Petname

NAMES = {
    b"AUTH_a": "physics", b"AUTH_b": "physics/lab1", b"AUTH_c": "physics/lab1", b"AUTH_d": "physics/lab2/röntgen",
    b"AUTH_e": "physics2", b"AUTH_f": "physics-old", b"AUTH_\xff ": "1.4", b"AUTH_g": "1.40", b"AUTH_h": "chemistry/物理",
}


def test_put_and_read(engine: Engine) -> None:
    """Each account has the petname that it was given last; who has none is not in the answer."""
    with write(engine) as connection:
        petnames.put(connection, NAMES)
        petnames.put(connection, {b"AUTH_a": "x", b"AUTH_new": "y"})
        petnames.put(connection, {})
        petnames.put(connection, {b"AUTH_a": "physics"})
    with read(engine) as connection:
        assert petnames.of(connection, [*NAMES, b"AUTH_new", b"AUTH_nobody", b"AUTH_A"]) == {**NAMES, b"AUTH_new": "y"}
        assert petnames.of(connection, []) == {}


def test_remove(engine: Engine) -> None:
    """Only who had a petname is counted when petnames are taken away, and the others stay."""
    with write(engine) as connection:
        petnames.put(connection, NAMES)
        assert petnames.remove(connection, [b"AUTH_a", b"AUTH_nobody", b"AUTH_b"]) == 2
        assert petnames.remove(connection, [b"AUTH_a"]) == petnames.remove(connection, []) == 0
        assert petnames.of(connection, list(NAMES)).keys() == NAMES.keys() - {b"AUTH_a", b"AUTH_b"}


def test_version(engine: Engine) -> None:
    """Whoever shows petnames learns that they changed, and that they did not."""
    seen = []
    for change in (
            lambda connection: None, lambda connection: petnames.put(connection, {b"AUTH_a": "x"}), lambda connection: None,
            lambda connection: petnames.remove(connection, [b"AUTH_a"])):
        with write(engine) as connection:
            change(connection)
            seen.append(petnames.version(connection))
    assert seen == [0, 1, 1, 2]


def test_groups(engine: Engine) -> None:
    """A group has what is called just so and all below it, and nothing that only begins alike."""
    with write(engine) as connection:
        petnames.put(connection, NAMES)
    with read(engine) as connection:
        assert petnames.groups(connection) == [
            Group("chemistry", 0, 1), Group("physics", 1, 4), Group("physics/lab2", 0, 1)]
        for group, accounts in (
                ("physics", [b"AUTH_a", b"AUTH_b", b"AUTH_c", b"AUTH_d"]), ("physics/lab1", [b"AUTH_b", b"AUTH_c"]),
                ("1.4", [b"AUTH_\xff "]), ("phys", []), ("PHYSICS", [])):
            assert list(petnames.listed(connection, group)) == sorted(
                (Petname(account, NAMES[account]) for account in accounts), key=lambda each: (each.name.encode(), each.account))


@pytest.mark.parametrize("at_once", [petnames.GROUP, 2])
def test_a_group_page_by_page(engine: Engine, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Pages of a group's accounts come bytewise by account, and hold those that the dictionary has, of small groups and large."""
    monkeypatch.setattr(petnames, "GROUP", at_once)
    with write(engine) as connection:
        petnames.put(connection, NAMES)
        upsert.add_accounts(connection, [b"AUTH_d", b"AUTH_b", b"AUTH_a", b"AUTH_e"], 0)
    with read(engine) as connection:
        def accounts(group: str, **more: Any) -> list[bytes]:
            found = petnames.accounts(connection, group, **{"after": None, "size": 2, **more})
            return [each.name for page in found for each in page]

        assert accounts("physics") == [b"AUTH_a", b"AUTH_b", b"AUTH_d"]
        assert accounts("physics", after=b"AUTH_a") == [b"AUTH_b", b"AUTH_d"]
        assert accounts("physics", prefix=b"AUTH_b") == accounts("physics", prefix=b"AUTH_b", after=b"AUTH_a") == [b"AUTH_b"]
        assert accounts("physics", prefix=b"AUTH_x") == accounts("phys") == accounts("physics", after=b"AUTH_d") == []
        assert petnames.is_there(connection, "physics", prefix=b"AUTH_c") and not petnames.is_there(connection, "phys")
        assert not petnames.is_there(connection, "physics", prefix=b"AUTH_e")


def test_many(engine: Engine) -> None:
    """Some thousand petnames, more than one statement takes, are given, listed in order, read and taken away as few are."""
    many = {b"AUTH_%05d" % number: f"group{number % 7}/lab {number % 100}" for number in range(3500)}
    with write(engine) as connection:
        petnames.put(connection, many)
    with read(engine) as connection:
        assert petnames.of(connection, list(many)) == many
        assert list(petnames.listed(connection)) == sorted(
            (Petname(account, name) for account, name in many.items()), key=lambda each: (each.name, each.account))
        assert sum(group.total for group in petnames.groups(connection)) == 3500
    with write(engine) as connection:
        assert petnames.remove(connection, list(many)) == 3500
