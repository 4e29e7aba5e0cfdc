"""`swiftstats space`: when its daemon crawls, what its lines say, and what it refuses to start with."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from swiftstats.cli import main
from swiftstats.cli.space import so_far, summary
from swiftstats.collect.space import Outcome
from swiftstats.collect.space_daemon import Daemon
from swiftstats.errors import CrawlError
from tests.unit.test_space_crawl import NOW, Listed


def run_daemon(outcomes: list[Any], interval: float = 3600.0, crawl_seconds: float = 5.0) -> list[float]:
    """Run a daemon over crawls that end so, or raise; return how long it waited after each."""
    clock, waits = [float(NOW)], []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            clock[0] += timeout or 0.0
            return False

    stop, left = Stop(), iter(outcomes)

    def once() -> Outcome:
        clock[0] += crawl_seconds
        outcome = next(left)
        if len(waits) == len(outcomes) - 1:
            stop.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    Daemon(once, interval=interval, stop=stop, clock=lambda: clock[0]).run()
    return waits


def test_the_daemon_crawls_at_once_and_after_each_interval() -> None:
    """The first crawl is at once, the next ones when a multiple of the interval has passed; a long one is followed at once."""
    done = Outcome(NOW)
    assert run_daemon([done, done, done]) == [3585.0, 3595.0, 3595.0]
    assert run_daemon([done, done], crawl_seconds=3700.0) == [0.0, 0.0]


def test_the_daemon_tries_again_and_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """While what a crawl needs is away the daemon tries again with growing pauses, and says so once per outage."""
    away = CrawlError("no token")
    caplog.set_level(logging.WARNING)
    assert run_daemon([away, away, ValueError("bug"), Outcome(NOW)])[:3] == [1.0, 2.0, 4.0]
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "cannot crawl", "a crawl failed for a reason that nobody thought of", "crawling works again"]


def test_a_line_says_how_a_crawl_ended() -> None:
    """One line a run; on a terminal, meanwhile, accounts per second and about how many remain."""
    outcome = Outcome(NOW, NOW + 7, 30, 28, 2, True)
    assert summary("proxy", outcome) == "space by proxy: 30 seen, 28 read, 2 failed in 7 s, complete"
    assert so_far(outcome, Listed([]), 10.0) == "30 accounts, 3/s, about 30 remain, 2 failed"


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a ring, or without a proxy's URL, the command refuses to start and names the option."""
    path = tmp_path / "swiftstats.conf"
    for section, said in (("", "swift_dir"), ("method = proxy\ntoken_file = /x\n", "proxy_url")):
        path.write_text(f"[DEFAULT]\ndatabase = sqlite:///{tmp_path}/u.db\n[space]\nswift_dir = {tmp_path}\n{section}")
        assert main.main(["--config", str(path), "space", "--once"]) == 1
        assert said in capsys.readouterr().err


def test_secrets_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """check-config shows neither the key nor the password of the crawler."""
    path = tmp_path / "swiftstats.conf"
    path.write_text("[space]\nauth_key = hush-hush\nos_password = hush-hush\n")
    assert main.main(["--config", str(path), "check-config"]) == 0
    shown = capsys.readouterr().out
    assert "hush" not in shown and "[space] auth_key = ***" in shown
