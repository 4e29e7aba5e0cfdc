"""Petnames: what may be one, and the command that gives, imports, shows and takes them away."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats import petnames
from swiftstats.cli.main import main
from swiftstats.store import engine as engines
from swiftstats.store import petnames as store
from tests.support.service import fresh, sqlite


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return fresh(sqlite(tmp_path))


@pytest.fixture
def conf(engine: Engine, tmp_path: Path) -> str:
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {sqlite(tmp_path)}\n")
    return str(path)


def run(conf: str, *words: str) -> int:
    """Run a command in this process; argparse's own exit counts as its status."""
    try:
        return main(["--config", conf, "petname", *words])
    except SystemExit as error:
        return int(error.code or 0)


def stored(engine: Engine) -> dict[str, str]:
    with engines.read(engine) as connection:
        return {each.account.decode(): each.name for each in store.listed(connection)}


@pytest.mark.parametrize("name", [
    "Alice", "physics/lab1", "Ä ö", "物理/実験室", "a=b", "R&D <b>", "x" * 255, "नि\u200dर", "1.4", "👩‍🔬",
])
def test_names_that_will_do(name: str) -> None:
    """People's own words and scripts are petnames, in one Unicode form."""
    assert petnames.checked(name) == name
    assert petnames.checked("A\u0308") == "Ä"


@pytest.mark.parametrize("name", [
    "", "?", "=1+1", "+1", "-1", "@x", "＝1", "﹢1", "'=1", '"x', "a\tb", "a\nb", "\x1b[2J", "a\x00", "a\u202eb", "a\u2028b",
    "\u200b", "a\x85b", "/a", "a/", "a//b", "a/ b", " a", "a ", "x" * 256, "ü" * 128, "\udcff",
])
def test_names_that_will_not(name: str) -> None:
    """What a spreadsheet would reckon, a terminal obey or nobody see is refused, and so are groups without a name."""
    with pytest.raises(ValueError, match="a name|groups"):
        petnames.checked(name)


def test_set_and_unset(conf: str, engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    """An account is named with or without its prefix, before it has used anything; named again it is called otherwise."""
    assert run(conf, "set", "7f6a", "physics/lab1") == run(conf, "set", "AUTH_b", "Bob") == 0
    assert run(conf, "set", "AUTH_7f6a", "physics/lab2") == 0
    assert stored(engine) == {"AUTH_b": "Bob", "AUTH_7f6a": "physics/lab2"}
    assert run(conf, "unset", "b", "nobody") == 1
    assert run(conf, "unset", "7f6a") == 0
    assert stored(engine) == {}
    capfd.readouterr()
    assert run(conf, "set", "a/b", "=1") == 2
    said = capfd.readouterr().err
    assert "'a/b'" in said and "'=1'" in said and "nothing is done" in said


@pytest.mark.parametrize("content", [
    "account,petname\r\nAUTH_a,physics/lab1\r\n\r\nb,\"Smith, Jane\"\r\n",
    "\ufeffAccount\tPetname\nAUTH_a\tphysics/lab1\nb\tSmith, Jane\n",
    'AUTH_a,physics/lab1\n"b","Smith, Jane"',
])
def test_import(conf: str, engine: Engine, tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV and what is separated by tabs are read, with a title or without, from a file or standard input."""
    wanted = {"AUTH_a": "physics/lab1", "AUTH_b": "Smith, Jane"}
    (tmp_path / "names").write_bytes(content.encode())
    assert run(conf, "import", str(tmp_path / "names")) == 0
    assert stored(engine) == wanted
    with engines.write(engine) as connection:
        store.put(connection, {b"AUTH_c": "old"})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert run(conf, "import", "-") == 0
    assert stored(engine) == {**wanted, "AUTH_c": "old"}
    assert run(conf, "import", "--replace", str(tmp_path / "names")) == 0
    assert stored(engine) == wanted


def test_import_says_every_fault(conf: str, engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each fault of a file is said with its line, all at once, and then nothing of it is done."""
    path = tmp_path / "names.csv"
    path.write_bytes(b"account,petname\nAUTH_good,Good\nAUTH_a,=HYPERLINK(1)\na/b,\nAUTH_c\nAUTH_d,x,y\nAUTH_good,Better\n"
                     b"AUTH_e,\xff\n\xff,f\n")
    assert run(conf, "import", str(path)) == 2
    said = capfd.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in said[:-1]] == [
        "line 3", "line 4", "line 4", "line 5", "line 6", "line 7", "line 8", "line 9"]
    assert said[-1] == "swiftstats petname: nothing is done"
    assert stored(engine) == {}
    assert run(conf, "import", str(tmp_path / "missing")) == 1


def test_list(conf: str, engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Petnames are listed by name, groups with what they hold; what is exported is what is imported again."""
    for account, name in (("a", "physics"), ("b", "physics/lab1"), ("c", "physics/lab1"), ("d", "Smith, \"Jane\""), ("e f", "x")):
        assert run(conf, "set", account, name) == 0
    capfd.readouterr()
    assert run(conf, "list", "--group", "physics") == 0
    assert capfd.readouterr().out == "Account\tPetname\nAUTH_a\tphysics\nAUTH_b\tphysics/lab1\nAUTH_c\tphysics/lab1\n"
    assert run(conf, "list", "--groups") == 0
    assert capfd.readouterr().out == "Group\tOwn\tWith all below\nphysics\t1\t3\n"
    assert run(conf, "list", "--format", "csv") == 0
    (tmp_path / "names.csv").write_text(capfd.readouterr().out, newline="")
    before = stored(engine)
    assert run(conf, "unset", *before) == 0
    assert run(conf, "import", str(tmp_path / "names.csv")) == 0
    assert stored(engine) == before and len(before) == 5
