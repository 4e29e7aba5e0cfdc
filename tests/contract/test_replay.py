"""`swiftstats replay`: the archive shipped again, whatever database is there; what is gone is said, and recorded where lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats import periods
from swiftstats.cli import main
from swiftstats.errors import SweepInProgress
from swiftstats.flush.replay import DAMAGED, GONE, SHIPPED, TO_SHIP, WAITING, Step, plan, replay
from swiftstats.store import schema
from swiftstats.store.engine import write
from tests.support.hosts import Host, complete_through, dump, everything, hours, losses, restore, sum_of_store
from tests.support.spools import HOUR, T


def again(host: Host, since: int | None = None) -> list[Step]:
    return list(replay(host.config, host.engine, since=since, now=host.clock, boot_now=host.boot_now))


def outcomes(steps: list[Step]) -> list[tuple[int, str]]:
    return [(step.begin, step.outcome) for step in steps]


def count_hours(host: Host, many: int) -> None:
    for number in range(many):
        host.count("AUTH_a", 10**number)
        host.close()


def forget(engine: Engine) -> None:
    """Empty every table of usage, as if rows had been deleted by hand; who is registered stays."""
    with write(engine) as connection:
        connection.execute(schema.io_hours.delete())


def test_replay_changes_nothing_where_everything_is_there(host: Host, engine: Engine) -> None:
    """Shipped any number of times, the totals are what they were, nothing is corrected and nothing is lost."""
    count_hours(host, 3)
    before, complete = everything(engine), complete_through(engine)
    for _ in range(2):
        assert [(step.begin, step.outcome, step.rows) for step in again(host)] == [(T + n * HOUR, SHIPPED, 1) for n in range(3)]
    assert everything(engine) == before and complete_through(engine) == complete
    assert losses(engine) == [] and dump(engine)["corrections"] == []


def test_replay_brings_back_what_was_deleted(host: Host, engine: Engine) -> None:
    """Rows that the database has lost, though it is not behind, come back; with `since` only those from there on."""
    count_hours(host, 3)
    forget(engine)
    assert outcomes(again(host, since=T + 2 * HOUR)) == [(T + 2 * HOUR, SHIPPED)]
    assert hours(engine, "AUTH_a") == {T + 2 * HOUR: 100}
    again(host)
    assert sum_of_store(engine) == host.total_of_ledger()


def test_restored_from_a_backup(host: Host, engine: Engine) -> None:
    """A database of two hours ago has everything again, though `since` is later: nothing between is closed as empty."""
    count_hours(host, 1)
    backup = dump(engine)
    for number in range(1, 4):
        host.count("AUTH_a", 10**number)
        host.close()
    restore(engine, backup)
    assert outcomes(again(host, since=T + 3 * HOUR)) == [(T + n * HOUR, SHIPPED) for n in (1, 2, 3)]
    assert sum_of_store(engine) == 1111 and losses(engine) == [] and complete_through(engine) == T + 4 * HOUR


def test_a_lost_database(host: Host, engine: Engine) -> None:
    """Into a database without anything everything that the archive holds is shipped, and the host goes on."""
    count_hours(host, 3)
    restore(engine, {name: [] for name in schema.metadata.tables} | {"site": [
        {"id": 1, "complete_through": None, "period_seconds": None, "changes": 0}]})
    assert [step.outcome for step in again(host)] == [SHIPPED] * 3
    host.count("AUTH_a", 1000)
    host.close()
    assert sum_of_store(engine) == 1111 and losses(engine) == []


def test_what_is_gone_is_said_and_lost_where_the_database_lacks_it(host: Host, engine: Engine) -> None:
    """What the archive no longer holds is named; it is recorded as lost where the database is behind, and only there."""
    count_hours(host, 1)
    backup = dump(engine)
    count_hours(host, 2)
    host.options.update(archive_hours=0)
    host.sweep()
    assert again(host) == [Step(0, T + 3 * HOUR, GONE, reason="the archive begins at 2012-10-22 11:00:00 (see archive_hours)")]
    assert losses(engine) == []
    restore(engine, backup)
    [gone] = again(host)
    assert gone.lost and [(loss.kind, loss.begin, loss.end) for loss in losses(engine)] == [("restored", T + HOUR, T + 3 * HOUR)]


def flip(path: str) -> None:
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 0xFF
    Path(path).write_bytes(content)


def test_a_damaged_file_is_named(host: Host, engine: Engine) -> None:
    """A damaged file is said; the others are shipped; lost is only what the database lacks."""
    count_hours(host, 1)
    backup = dump(engine)
    host.count("AUTH_a", 10)
    host.close()
    [first, second] = sorted(Path(host.spool.periods).iterdir())
    flip(str(first))
    assert outcomes(again(host)) == [(T, DAMAGED), (T + HOUR, SHIPPED)]
    assert losses(engine) == []
    flip(str(first))
    flip(str(second))
    restore(engine, backup)
    steps = again(host)
    assert outcomes(steps) == [(T, SHIPPED), (T + HOUR, DAMAGED)] and [step.lost for step in steps] == [False, True]
    assert [(loss.kind, loss.begin) for loss in losses(engine)] == [("restored", T + HOUR)]


def test_plan_writes_nothing(host: Host, engine: Engine) -> None:
    """A dry run says what would be shipped, without touching spool or database; a file not yet shipped waits for the flusher."""
    count_hours(host, 2)
    before = dump(engine), {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(host.path)}
    assert list(plan(host.config, since=T + HOUR)) == [Step(T + HOUR, T + 2 * HOUR, TO_SHIP, 1)]
    assert (dump(engine), {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(host.path)}) == before
    os.rename(sorted(Path(host.spool.periods).iterdir())[1],
              Path(host.spool.periods) / f"{T + 2 * HOUR}-{T + 3 * HOUR}.period")
    assert [step.outcome for step in plan(host.config, since=None)] == [TO_SHIP, WAITING]


def test_a_sweep_in_progress(host: Host) -> None:
    """A replay does not run beside a sweep."""
    count_hours(host, 1)
    with host.spool.lock("sweep.lock", 2), pytest.raises(SweepInProgress):
        again(host)


def test_the_command(host: Host, engine: Engine, store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each period has a line, the last line sums up, and the status says whether anything that was asked for is gone."""
    count_hours(host, 2)
    conf = tmp_path / "swiftstats.conf"
    conf.write_text(f"[DEFAULT]\ndatabase = {store_url}\nspool = {host.path}\nserver = proxy-1\n")

    def run(*words: str) -> tuple[int, list[str]]:
        status = main.main(["replay", "--config", str(conf), *words])
        return status, capsys.readouterr().out.splitlines()

    lines = [f"{periods.format(T + n * HOUR)} to {periods.format(T + (n + 1) * HOUR)}: 1 rows" for n in range(2)]
    assert run("--dry-run") == (0, [*(f"{line} to be shipped" for line in lines), "2 periods, 2 rows to be shipped"])
    forget(engine)
    assert run("--since", "2012-10-22 09:30:00") == (0, [f"{lines[1]} shipped", "1 periods, 1 rows shipped"])
    assert run() == (0, [*(f"{line} shipped" for line in lines), "2 periods, 2 rows shipped"])
    assert sum_of_store(engine) == 11
    assert run("--since", "yesterday") == (2, [])
    host.options.update(archive_hours=0)
    host.sweep()
    assert run() == (0, ["everything before 2012-10-22 10:00:00: gone, the archive begins at 2012-10-22 10:00:00 (see"
                         " archive_hours)", "0 periods, 0 rows shipped"])
    assert run("--since", "2012-10-22 09:00:00")[0] == 1
