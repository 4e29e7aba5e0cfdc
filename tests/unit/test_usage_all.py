"""`swiftstats usage --all`: every account in a pipe, the first ones on a terminal, and whether it is final."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats.store import engine as engines
from swiftstats.store import petnames
from tests.support.service import HOUR, Client, T, close, count, fresh, make, sqlite
from tests.unit.test_read_commands import on_a_terminal, run

RANGE = ["--begin", "2012-10-22T08:00Z", "--end", "2012-10-22T10:00Z"]
QUERY = "/usage?begin=2012-10-22T08:00Z&end=2012-10-22T10:00Z"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = fresh(sqlite(tmp_path))
    for number in range(3):
        writer = count(engine, account=b"AUTH_%d" % number, passed_out=2**63 - 1, get_count=number + 1)
    close(engine, writer, through=T + 2 * HOUR)
    return engine


@pytest.fixture
def conf(tmp_path: Path) -> str:
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {sqlite(tmp_path)}\n")
    return str(path)


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "xml", "focus"])
def test_formats_are_the_services_own(engine: Engine, conf: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes],
                                      form: str) -> None:
    """In each format the command prints what the service answers, to the byte."""
    assert run(conf, "usage", "--all", *RANGE, "--format", form) == 0
    assert capfdbinary.readouterr().out == Client(make(sqlite(tmp_path))).get(f"{QUERY}&format={form}").body


def test_a_pipe_gets_everything_exactly(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In a pipe a row is a line, separated by tabs, exact beyond 2^53, without any escape sequence; the rest goes to stderr."""
    assert run(conf, "usage", "--all", *RANGE, "--fields", "bytes_out,GET") == 0
    out, said = capfd.readouterr()
    assert list(csv.reader(out.splitlines(), delimiter="\t")) == [
        ["account", "petname", "complete", "bytes_out", "GET"],
        *([f"AUTH_{number}", "", "yes", "9223372036854775807", str(number + 1)] for number in range(3))]
    assert "Final  yes" in said and "\x1b" not in out + said


def test_a_terminal_shows_the_first(engine: Engine, conf: str) -> None:
    """On a terminal figures have commas, and only so many accounts are shown as are asked for."""
    words = ["usage", "--all", *RANGE, "--fields", "bytes_out", "--limit", "2"]
    shown = on_a_terminal([sys.executable, "-m", "swiftstats", "--config", conf, *words])
    assert "9,223,372,036,854,775,807" in shown and "AUTH_1" in shown
    assert "AUTH_2" not in shown


@pytest.mark.parametrize(("words", "titles"), [
    ([], ["bytes_in", "bytes_out", "GET", "PUT"]), (["--order=-disconnects"], ["bytes_out", "GET", "disconnects"]),
    (["--by", "group"], ["own_bytes_out", "total_bytes_out", "own_GET", "total_GET"]),
])
def test_a_terminal_shows_what_fits(engine: Engine, conf: str, words: list[str], titles: list[str]) -> None:
    """Where nobody says which figures, a terminal of 80 columns shows some, their titles in one line."""
    shown = on_a_terminal([sys.executable, "-m", "swiftstats", "--config", conf, "usage", "--all", *RANGE, *words])
    assert any(all(title in line for title in titles) for line in shown.splitlines())


@pytest.mark.parametrize("words", [["--all"], ["7f6a"]])
def test_final_or_nothing(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """With --final a range that is not complete gives no figures, and exit status 3."""
    assert run(conf, "usage", *words, *RANGE, "--final") == 0
    capfd.readouterr()
    assert run(conf, "usage", *words, "--period", "2012-10", "--final") == 3
    out, said = capfd.readouterr()
    assert out == "" and "not final" in said and "proxy-01" in said


@pytest.mark.parametrize("words", [
    [], ["7f6a", "--all"], ["--all", "--space"], ["--all", "--detail"], ["--all", "--by", "policy"], ["7f6a", "--by", "server"],
    ["7f6a", "--format", "ndjson"], ["7f6a", "--granularity", "day"], ["--all", "--period", "2012-10", "--begin", "2012-10"],
    ["--all", "--period", "soon"], ["7f6a", "--period", "2012-10-22 08:00"], ["--all", "--timezone", "Mars/Utopia"],
    ["7f6a", "--group", "physics"], ["7f6a", "--by", "group"], ["--by", "server"], ["--by", "group", "--format", "focus"],
    ["--group", "a//b"], ["--group", "physics", "--space"],
])
def test_mistakes(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """What does not go together is a message, and exit status 2."""
    assert run(conf, "usage", *words) == 2
    assert capfd.readouterr().err.startswith("swiftstats usage: ")


@pytest.mark.parametrize(("words", "query"), [
    (["--group", "physics"], "group=physics"), (["--by", "group"], "by=group"),
    (["--all", "--group", "a", "--group", "physics/lab1"], "group=a&group=physics/lab1"),
    (["--by", "group,server", "--group", "physics"], "by=group,server&group=physics"),
])
def test_groups(engine: Engine, conf: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], words: list[str],
                query: str) -> None:
    """The accounts of groups, and what groups used, are the service's own tables."""
    with engines.write(engine) as connection:
        petnames.put(connection, {b"AUTH_0": "physics/lab1", b"AUTH_1": "physics"})
    for form in ("json", "csv"):
        assert run(conf, "usage", *words, *RANGE, "--format", form) == 0
        answer = Client(make(sqlite(tmp_path))).get(f"{QUERY}&{query}&format={form}")
        assert capfdbinary.readouterr().out == answer.body and b"physics" in answer.body


def test_groups_in_a_pipe(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A group is a line, those without a petname the last; a group that nobody knows is said on stderr."""
    with engines.write(engine) as connection:
        petnames.put(connection, {b"AUTH_0": "physics/lab1", b"AUTH_1": "physics"})
    assert run(conf, "usage", "--by", "group", *RANGE, "--fields", "GET") == 0
    assert list(csv.reader(capfd.readouterr().out.splitlines(), delimiter="\t")) == [
        ["group", "complete", "own_GET", "total_GET"], ["physics", "yes", "2", "3"], ["physics/lab1", "yes", "1", "1"],
        ["", "yes", "3", "3"]]
    assert run(conf, "usage", "--group", "chemistry", *RANGE) == 0
    assert "Unknown group  chemistry" in capfd.readouterr().err
