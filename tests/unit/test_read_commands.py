"""The read-side commands: usage, status, server, token."""

from __future__ import annotations

import argparse
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats import periods
from swiftstats.api.auth.token_rule import TokensRule
from swiftstats.api.auth.uses import Uses
from swiftstats.cli.main import main
from swiftstats.cli.usage import question_of
from swiftstats.config import Config
from swiftstats.journal.spool import Spool
from swiftstats.query.question import BadQuestion
from swiftstats.store import engine as engines
from swiftstats.store import usage, writers
from tests.support.service import HOUR, RANGE, Client, T, close, count, fresh, make, sqlite

ENDS = ["--begin", RANGE["begin_time"], "--end", RANGE["end_time"]]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return fresh(sqlite(tmp_path))


@pytest.fixture
def conf(tmp_path: Path) -> str:
    path = tmp_path / "swiftstats.conf"
    sections = f"[DEFAULT]\ndatabase = {sqlite(tmp_path)}\nspool = {tmp_path}/spool\n[api]\ntokens_file = {tmp_path}/tokens\n"
    path.write_text(sections)
    return str(path)


def run(conf: str, *words: str) -> int:
    """Run a command in this process; argparse's own exit counts as its status."""
    try:
        return main(["--config", conf, *words])
    except SystemExit as error:
        return int(error.code or 0)


@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("form", ["json", "xml", "csv"])
def test_usage_is_what_the_service_says(
    engine: Engine, conf: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], form: str, detail: bool,
) -> None:
    """The command's JSON, XML and CSV are the service's own, to the byte."""
    count(engine, get_count=3, passed_out=2**63 - 1)
    assert run(conf, "usage", "7f6a", *ENDS, "--format", form, *(["--detail"] if detail else [])) == 0
    answer = Client(make(sqlite(tmp_path))).get("/io_detail" if detail else "/io_sum", {**RANGE, "format": form})
    assert capfdbinary.readouterr().out == answer.body


def test_usage_table(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In a pipe a table is separated by tabs, exact, and says how final it is."""
    close(engine, count(engine, get_count=3, passed_out=2**63 - 1), through=T + HOUR)
    assert run(conf, "usage", "7f6a", *ENDS) == 0
    out = capfd.readouterr().out
    for line in ("Complete Through\t2012-10-22 09:00:00", "Waiting For\tproxy-01", "GET\t3", "Bytes_Out\t9223372036854775807"):
        assert line in out.splitlines()
    assert run(conf, "usage", "7f6a", *ENDS, "--detail") == 0
    out, said = capfd.readouterr()
    assert [line.split("\t")[:3] for line in out.splitlines()] == [
        ["Time", "Bytes_In", "Bytes_Out"], ["2012-10-22 08:00:00", "0", "9223372036854775807"], ["2012-10-22 09:00:00", "0", "0"]]
    assert "Waiting For" in said


def test_usage_on_a_terminal(engine: Engine, conf: str) -> None:
    """On a terminal the same table is aligned, without tabs."""
    count(engine, get_count=3, passed_out=2**63 - 1)
    shown = on_a_terminal([sys.executable, "-m", "swiftstats", "--config", conf, "usage", "7f6a", *ENDS, "--detail"])
    titles = next(line for line in shown.splitlines() if line.startswith("Time"))
    row = next(line for line in shown.splitlines() if "9223372036854775807" in line)
    assert "\t" not in shown and titles.index("Bytes_Out") + len("Bytes_Out") == row.index("9223372036854775807") + 19


def on_a_terminal(words: list[str]) -> str:
    """Run a command on a terminal of its own; return what it shows there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL):
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        finally:
            os.close(ours)
    return shown.decode()


def test_usage_faults(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A question that cannot be answered names every argument that is wrong, with status 2."""
    assert run(conf, "usage", "a/b", "--begin", "yesterday", "--end", "2012-10-22 08:30:00") == 2
    said = capfd.readouterr().err
    assert "ACCOUNT" in said and "--begin" in said and "--end" in said and "2012-10-22 09:00:00" in said


def test_usage_this_month() -> None:
    """Without a range it is this month so far, to the end of the running period."""
    arguments = argparse.Namespace(account="7f6a", begin=None, end=None, detail=False, period=None)
    question = question_of(arguments, Config({}), now=T + 100.5)
    assert (periods.format(question.begin), periods.format(question.end)) == ("2012-10-01 00:00:00", "2012-10-22 09:00:00")
    question = question_of(arguments, Config({"period_seconds": 900}), now=periods.parse("2012-12-31 23:59:59"))
    assert (periods.format(question.begin), periods.format(question.end)) == ("2012-12-01 00:00:00", "2013-01-01 00:00:00")


@pytest.mark.parametrize(("period", "begin", "end"), [
    ("this-month", "2012-10-01", "2012-11-01"), ("last-month", "2012-09-01", "2012-10-01"), ("today", "2012-10-22", "2012-10-23"),
    ("2012-02", "2012-02-01", "2012-03-01"), ("2012-02-29", "2012-02-29", "2012-03-01")])
def test_usage_of_a_period(period: str, begin: str, end: str) -> None:
    """A word, a month or a day is its whole range; what is neither is refused."""
    arguments = argparse.Namespace(account="7f6a", begin=None, end=None, detail=False, period=period)
    question = question_of(arguments, Config({}), now=T + 100.5)
    assert (periods.format(question.begin), periods.format(question.end)) == (f"{begin} 00:00:00", f"{end} 00:00:00")
    arguments.period = "next-month"
    with pytest.raises(BadQuestion) as error:
        question_of(arguments, Config({}), now=T)
    assert "this-month, last-month, today" in error.value.faults[0].expected


@pytest.mark.parametrize("words", ["usage a", "server list", "server add x", "server retire x --yes"])
def test_database_missing(conf: str, capfd: pytest.CaptureFixture[str], words: str) -> None:
    """Without a schema every command says which command makes it, with status 1."""
    assert run(conf, *words.split()) == 1
    assert "swiftstats migrate" in capfd.readouterr().err


def test_status(engine: Engine, conf: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Status shows the spool, how far the site is complete and who holds it up, backlog, and losses with their numbers."""
    Spool(str(tmp_path / "spool")).prepare(server="proxy-01", period_seconds=HOUR, now=T)
    one, three = count(engine), count(engine, "proxy-03")
    close(engine, one, three, through=T + HOUR)
    close(engine, one, through=T + 2 * HOUR)
    with engines.write(engine) as connection:
        writers.report(connection, writer=three, now=T + 2 * HOUR, spool_bytes=65536, backlog_periods=4)
        recent = 4_000_000_000
        usage.record_loss(connection, server_id=one.server_id, writer_id=one.id, begin=recent, end=recent + HOUR,
                          kind="uncounted", requests=17, bytes_in=5, now=T)
    assert run(conf, "status") == 0
    lines = capfd.readouterr().out.splitlines()
    assert "Complete through\t2012-10-22 09:00:00" in lines and "Waiting for\tproxy-03" in lines
    assert "proxy-03\tlive\t2012-10-22 09:00:00\t2012-10-22 10:00:00\t4\t65536" in lines
    assert "Spool, exists\tyes" in lines and "Spool, flusher running\tno" in lines
    assert any("uncounted" in line and "\t17\t5\t0" in line for line in lines)
    assert run(conf, "status", "--format", "json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["complete_through"] == "2012-10-22T09:00:00Z" and found["losses"][0]["requests"] == 17
    assert [(server["name"], server["backlog_periods"]) for server in found["servers"]] == [("proxy-01", 0), ("proxy-03", 4)]
    assert found["spool"]["exists"] is True


def test_status_without_the_database(conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With the database away status still shows the spool, says so, and fails."""
    assert run(conf, "status") == 1
    out, said = capfd.readouterr()
    assert "Spool, exists\tno" in out and "swiftstats migrate" in said
    assert run(conf, "status", "--format", "json") == 1
    assert "swiftstats migrate" in json.loads(capfd.readouterr().out)["database"]


def test_server_add_and_list(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A server that is announced is waited for, and listed beside those that report."""
    count(engine)
    assert run(conf, "server", "add", "proxy-99") == 0
    assert run(conf, "server", "list") == 0
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert ["proxy-01", "live", "a" * 32, "2012-10-22 08:00:00", "2012-10-22 08:00:00", ""] in lines
    assert [line[:2] for line in lines if line[0] == "proxy-99"] == [["proxy-99", "announced"]]
    assert run(conf, "server", "add", "two words") == 1


def test_retire_says_what_it_gives_up_first(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a terminal and without --yes nothing is done but saying what would be given up; with it, it is done."""
    close(engine, count(engine), count(engine, "proxy-03"), through=T + 5 * HOUR)
    assert run(conf, "server", "retire", "proxy-03") == 2
    assert "b" * 32 + ": 2012-10-22 13:00:00 to " in capfd.readouterr().out
    assert state(engine) == [False, False] and losses(engine) == 0
    assert run(conf, "server", "retire", "proxy-03", "--yes") == 0
    out = capfd.readouterr().out
    assert out.index("gives up") < out.index("retired proxy-03")
    assert state(engine) == [False, True] and losses(engine) == 1


def test_retire_one_writer(engine: Engine, conf: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One writer is retired by its id, its server stays; what is not known is said, and nothing is done."""
    count(engine, "proxy-03")
    for words in (["nobody"], ["proxy-03", "--writer", "c" * 32]):
        assert run(conf, "server", "retire", *words, "--yes") == 1
    assert losses(engine) == 0
    assert run(conf, "server", "retire", "proxy-03", "--writer", "b" * 32, "--yes") == 0
    assert state(engine) == [False] and losses(engine) == 1


def state(engine: Engine) -> list[bool]:
    with engines.read(engine) as connection:
        return [server.retired_at is not None for server in writers.servers(connection)]


def losses(engine: Engine) -> int:
    with engines.read(engine) as connection:
        return len(usage.losses_between(connection, 0, periods.LAST))


def test_tokens(conf: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A token is printed once, alone on standard output; list shows what it may read, never it; revoke ends it."""
    assert run(conf, "token", "create", "--name", "billing", "--all") == 0
    token = capfd.readouterr().out.strip()
    assert token.startswith("swst_") and len(token) > 40
    scope = ["--account", "7f6a", "--account", "AUTH_b", "--expires", "2030-01-01"]
    assert run(conf, "token", "create", "--name", "alice", *scope) == 0
    capfd.readouterr()
    assert run(conf, "token", "list") == 0
    out = capfd.readouterr().out
    assert [line.split("\t")[:2] for line in out.splitlines()] == [
        ["Name", "May read"], ["billing", "all"], ["alice", "AUTH_7f6a, AUTH_b"]]
    assert "2030-01-01 00:00:00" in out and token not in out
    assert run(conf, "token", "create", "--name", "labs", "--account-prefix", "AUTH_lab-") == 0
    TokensRule(str(tmp_path / "tokens"), uses=Uses(str(tmp_path / "tokens.used"), clock=lambda: T)).caller(
        {"HTTP_X_AUTH_TOKEN": token}, [])
    assert run(conf, "token", "rotate", "billing", "--keep", "3600") == 0
    assert (other := capfd.readouterr().out.split()[-1]) != token
    assert run(conf, "token", "list") == 0
    listed = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert listed[0][4] == "Last used" and listed[1][4] == "2012-10-22 08:00:00" and listed[3][:2] == ["labs", "AUTH_lab-*"]
    assert other not in str(listed)
    assert run(conf, "token", "revoke", "billing") == 0
    assert "billing" not in (tmp_path / "tokens").read_text()


@pytest.mark.parametrize(("words", "status"), [
    (["create", "--name", "x"], 2), (["create", "--all"], 2), (["create", "--name", "x", "--all", "--account", "a"], 2), ([], 2),
    (["create", "--name", "", "--all"], 1), (["create", "--name", "x", "--account", "a/b"], 1),
    (["create", "--name", "x", "--account-prefix", ""], 1), (["create", "--name", "x", "--account-prefix", "("], 1),
    (["rotate", "nobody"], 1), (["rotate", "nobody", "--keep", "-1"], 2),
    (["create", "--name", "x", "--all", "--expires", "soon"], 1), (["revoke", "nobody"], 1), (["list"], 1),
])
def test_token_mistakes(conf: str, tmp_path: Path, words: list[str], status: int) -> None:
    """A mistake is a message and a status, and makes no token."""
    assert run(conf, "token", *words) == status
    assert not (tmp_path / "tokens").exists() or (tmp_path / "tokens").read_text() == ""
