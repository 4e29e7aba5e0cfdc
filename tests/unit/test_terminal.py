"""The terminal: pipes get exact figures and nothing else, wide characters align, `top` ends cleanly, shells complete."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from swiftstats.cli import completion
from swiftstats.cli.main import COMMANDS, main
from swiftstats.represent import as_table, bars
from swiftstats.store import engine as engines
from swiftstats.store import petnames, writers
from tests.support.service import HOUR, T, close, count, fresh, sqlite

WAIT = 30
HUGE = 2**62


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return fresh(sqlite(tmp_path))


@pytest.fixture
def conf(engine: Engine, tmp_path: Path) -> str:
    """A site of two servers, one of them late, with two busy accounts, one of them called something wide."""
    one, three = count(engine, get_count=3, passed_out=HUGE), count(engine, "proxy-03", account=b"AUTH_b", put_count=30)
    close(engine, one, three, through=T + HOUR)
    close(engine, one, through=T + 2 * HOUR)
    with engines.write(engine) as connection:
        writers.report(connection, writer=three, now=T + HOUR, spool_bytes=65536, backlog_periods=4)
        petnames.put(connection, {b"AUTH_7f6a": "物理/実験室"})
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {sqlite(tmp_path)}\nspool = {tmp_path}/spool\n")
    return str(path)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, conf: str, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "swiftstats", "--config", conf, *words], stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "NO_COLOR": "1"}, start_new_session=True)
        os.close(theirs)
        self.shown = ""

    def until(self, wanted: str) -> str:
        """Read until a text is shown; return all that was."""
        give_up = time.monotonic() + WAIT
        while wanted not in self.shown:
            assert time.monotonic() < give_up, self.shown
            self.shown += os.read(self._ours, 65536).decode()
        return self.shown

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit status, with all that was shown by then."""
        self._process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        try:
            while piece := os.read(self._ours, 65536):
                self.shown += piece.decode()
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        os.close(self._ours)
        return self._process.wait(WAIT)


def piped(conf: str, *words: str) -> str:
    """Return what a command writes where no terminal is."""
    written = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(written, write_through=True)):
        assert main(["--config", conf, *words]) == 0
        return written.getvalue().decode()


@pytest.mark.parametrize("words", ["top", "status", "petname list", "petname list --groups", "server list", "usage 7f6a",
                                   "completion bash"])
def test_a_pipe_gets_no_decoration(conf: str, words: str) -> None:
    """What goes into a pipe has no escape sequence, nothing cut off, and no padding."""
    out = piped(conf, *words.split())
    assert out and "\x1b" not in out and "\r" not in out
    assert words.startswith("completion") or ("…" not in out and not re.search(r"\S {2,}\S", out))


def test_top_in_a_pipe(conf: str) -> None:
    """Once, the busiest first, every figure exact; by bytes another one is."""
    done = subprocess.run([sys.executable, "-m", "swiftstats", "--config", conf, "top"], capture_output=True, text=True,
                          check=True, timeout=WAIT)
    assert done.stdout == piped(conf, "top") == (
        "Account\tPetname\tRequests\tBytes in\tBytes out\nAUTH_b\t\t30\t0\t0\n"
        f"AUTH_7f6a\t物理/実験室\t3\t0\t{HUGE}\n(other)\t\t0\t0\t0\n")
    lines = piped(conf, "top", "--by", "bytes_out", "--lines", "1").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["Account", "AUTH_7f6a", "(other)"]
    assert lines[-1] == "(other)\t\t30\t0\t0"
    assert piped(conf, "top", "--running").splitlines()[1:] == ["(other)\t\t0\t0\t0"]


def test_top_before_anything_is_complete(tmp_path: Path) -> None:
    """A site that is new is told so."""
    fresh(sqlite(tmp_path))
    path = tmp_path / "new.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {sqlite(tmp_path)}\n")
    assert piped(str(path), "top") == "nothing is complete yet\n"


def test_top_on_a_terminal(conf: str) -> None:
    """It looks again and again, and Ctrl-C ends it with the cursor back and no traceback."""
    terminal = Terminal(conf, "top", "--interval", "0.1")
    shown = terminal.until("(other)")
    assert "4.00 EiB" in shown and "complete; seen" in shown and "█" in shown
    terminal.shown = ""
    terminal.until("(other)")
    assert terminal.interrupt() == 0
    assert terminal.shown.endswith("\x1b[?25h") and "Traceback" not in terminal.shown


def test_top_sees_the_database_go_and_come(conf: str, engine: Engine) -> None:
    """A database that cannot be asked is said, and asked again."""
    terminal = Terminal(conf, "top", "--interval", "0.1")
    terminal.until("(other)")
    with engines.write(engine) as connection:
        connection.execute(text("ALTER TABLE io_hours RENAME TO gone"))
    terminal.until("Looking again")
    with engines.write(engine) as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO io_hours"))
    terminal.shown = ""
    terminal.until("(other)")
    assert terminal.interrupt() == 0


@pytest.mark.parametrize("words", ["top --once", "usage --all --begin 2012-10-22T08:00Z --end 2012-10-22T09:00Z"])
def test_no_petname_on_a_terminal(conf: str, engine: Engine, words: str) -> None:
    """On a terminal an account without a petname has a ? in its place, where there are petnames at all; in a pipe nothing."""
    terminal = Terminal(conf, *words.split())
    assert terminal.end() == 0
    assert re.search(r"AUTH_b +\?  ", terminal.shown) and re.search("AUTH_7f6a +物理/実験室  ", terminal.shown)
    assert not re.search(r"\(other\) +\?", terminal.shown)
    assert "?" not in piped(conf, *words.split())
    with engines.write(engine) as connection:
        petnames.remove(connection, [b"AUTH_7f6a"])
    terminal = Terminal(conf, *words.split())
    assert terminal.end() == 0
    assert "AUTH_b" in terminal.shown and "?" not in terminal.shown


def test_the_petname_of_one_account_on_a_terminal(conf: str, engine: Engine) -> None:
    """Beneath its id an account has its petname, or ? where only others have one; a pipe gets neither."""
    ends = ("--begin", "2012-10-22 08:00", "--end", "2012-10-22 09:00")
    for name, petname in (("7f6a", "物理/実験室"), ("b", "?")):
        terminal = Terminal(conf, "usage", name, *ends)
        assert terminal.end() == 0
        assert [line.split() for line in terminal.shown.splitlines()[:2]] == [["Account_ID", name], ["Petname", petname]]
        assert "Petname" not in piped(conf, "usage", name, *ends)
    with engines.write(engine) as connection:
        petnames.remove(connection, [b"AUTH_7f6a"])
    terminal = Terminal(conf, "usage", "b", *ends)
    assert terminal.end() == 0
    assert "Petname" not in terminal.shown


@pytest.mark.parametrize("words", ["status", "top --once", "usage 7f6a", "usage --all"])
def test_no_colour(conf: str, words: str) -> None:
    """With NO_COLOR a terminal is sent no escape sequence at all, by whatever is printed once."""
    terminal = Terminal(conf, *words.split())
    assert terminal.end() == 0
    assert terminal.shown and "\x1b" not in terminal.shown


def test_status_on_a_terminal(conf: str) -> None:
    """On a terminal who holds up the site stands first, with a bar, and no colour where NO_COLOR is."""
    terminal = Terminal(conf, "status")
    assert terminal.end() == 0
    lines = terminal.shown.replace("\r\n", "\n").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("Server"))
    assert lines[at + 1].startswith("proxy-03") and lines[at + 2].startswith("proxy-01")
    assert "█" in lines[at + 1] and "64.0 KiB" in lines[at + 1] and "days" in lines[at + 1]
    assert "\x1b" not in terminal.shown and "\t" not in terminal.shown


def test_usage_of_an_account_on_a_terminal(conf: str) -> None:
    """Beneath the sums, which are exact, a line a figure shows when that was; a pipe gets none of it."""
    words = ("usage", "7f6a", "--begin", "2012-10-22 07:00", "--end", "2012-10-22 12:00")
    terminal = Terminal(conf, *words)
    assert terminal.end() == 0
    lines = terminal.shown.replace("\r\n", "\n").splitlines()
    assert any(line.split()[-1:] == [str(HUGE)] for line in lines)
    assert lines[-4:] == ["2012-10-22 07:00 UTC to 2012-10-22 12:00 UTC, by hour",
                          "Requests   ?█···  most: 3, 2012-10-22 08:00 UTC",
                          "Bytes in   ?····  nothing",
                          "Bytes out  ?█···  most: 4.00 EiB, 2012-10-22 08:00 UTC"]
    assert "█" not in piped(conf, *words)
    terminal = Terminal(conf, *words, "--space")
    assert terminal.end() == 0
    assert terminal.shown.splitlines()[-1] == "Space  ?????  unknown"


@pytest.mark.parametrize(("values", "begun", "drawn"), [
    ([], 0, ""), ([0, 0], 2, "··"), ([1, 10**30], 2, "▁█"), ([None, 0, 3, 8, None], 4, "?·▃█ "), ([5], 1, "█"),
    ([1, 2, 3, 4, 5, 6, 7, 8], 8, "▁▂▃▄▅▆▇█"),
])
def test_columns(values: list[int | None], begun: int, drawn: str) -> None:
    """A column is a share of the greatest; nothing, unknown and not begun look different, and whatever is more shows."""
    assert bars.columns(values, begun=begun) == drawn


def test_wide_characters_align() -> None:
    """A wide character takes two columns, what combines takes none: the next column begins below its title all the same."""
    names = ["Alice", "物理/実験室", "röntgen", "Ro\u0308ntgen", "नि\u200dर", "ｆｕｌｌ"]
    table = as_table.rows(("Name", "Requests"), [(name, 1) for name in names], aligned=True).splitlines()
    assert {as_table.width(line) for line in table} == {as_table.width(table[0])}
    assert as_table.width("物理") == 4 and as_table.width("o\u0308") == 1


@pytest.mark.parametrize(("value", "most", "drawn"), [
    (0, 8, ""), (0, 0, ""), (1, 10**30, "▏"), (8, 8, "████"), (4, 8, "██"), (5, 8, "██▌"), (9, 8, "████"),
])
def test_bars(value: int, most: int, drawn: str) -> None:
    """A bar is the share to an eighth of a column; nothing draws nothing, and whatever is more shows."""
    assert bars.bar(value, most, 4) == drawn


def test_cut() -> None:
    """A line that is too long for a terminal ends in an ellipsis at its last column."""
    assert bars.cut("abc", 3) == "abc" and bars.cut("abcd", 3) == "ab…" and as_table.width(bars.cut("物理実験", 4)) <= 4


def completed(tmp_path: Path, *words: str) -> list[str]:
    """Return what a real bash completes for words, the last of which is being written."""
    script = tmp_path / "completion.bash"
    script.write_text(completion.bash(dict(completion.places())))
    ask = ('source "$1"; shift; COMP_WORDS=(swiftstats "$@"); COMP_CWORD=$#; COMPREPLY=(); _swiftstats; '
           'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", ask, "bash", script, *words], capture_output=True, text=True, check=True, timeout=WAIT)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes(tmp_path: Path) -> None:
    """A real bash completes commands, verbs, options and their values; an option's value is not taken for a command."""
    assert set(COMMANDS) <= set(completed(tmp_path, ""))
    assert completed(tmp_path, "tok") == ["token"]
    assert {"create", "list", "rotate", "revoke"} <= set(completed(tmp_path, "token", ""))
    assert completed(tmp_path, "token", "create", "--acc") == ["--account", "--account-prefix"]
    assert completed(tmp_path, "status", "--format", "") == ["table", "json"]
    assert completed(tmp_path, "--config", "usage", "stat") == ["status"]
    assert completed(tmp_path, "top", "--by", "bytes") == ["bytes_in", "bytes_out"]
    assert completed(tmp_path, "token", "create", "--name", "") == []
    assert completed(tmp_path, "completion", "") != []


@pytest.mark.parametrize("shell", list(completion.SHELLS))
def test_every_command_is_completed(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The script for each shell knows every command and each of its options."""
    assert main(["completion", shell]) == 0
    script = capfd.readouterr().out
    for name, place in completion.places():
        assert name in script
        assert all(word in script for word in place.words)
