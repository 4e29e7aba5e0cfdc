"""The contract of retention: hours leave, no sum changes, what only they could tell is refused, and what comes late recorded."""

from __future__ import annotations

import random
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, func, select

from swiftstats import periods
from swiftstats.cli.main import main
from swiftstats.fields import STORED_MAX
from swiftstats.flush import retention as job
from swiftstats.flush.replay import LEFT, replay
from swiftstats.flush.rollup import roll_up
from swiftstats.periods import DAY, HOUR
from swiftstats.query import io, table_header
from swiftstats.query import space as space_query
from swiftstats.query.question import BadQuestion, Question
from swiftstats.query.table_question import ask
from swiftstats.store import dialects, kept, many, schema, space, usage, writers
from swiftstats.store.engine import read, write
from swiftstats.store.writers import Writer
from tests.contract.test_store_usage import cells
from tests.contract.test_store_writers import T, register
from tests.support import by_name
from tests.support.hosts import Host, complete_through, losses, total
from tests.support.levels import report
from tests.support.service import Client, make

#: The first day of this month, and of those after it: MariaDB's partitions are made by today's date.
OLD = periods.month(int(datetime.now(timezone.utc).timestamp()) // DAY)
NEXT = periods.next_month(OLD)
LATER = periods.next_month(NEXT)
NAMES = (b"AUTH_a", b"AUTH_b", b"AUTH_c ")
#: Two months are kept: NEXT and the one after it, in a month in which OLD is the third before.
NOW = (periods.next_month(LATER) + 3) * DAY


def fill(engine: Engine, days: range, seed: int = 1) -> list[Writer]:
    """Register two servers, merge rows of some hours of `days` at random, and readings of space; close all of it."""
    dice = random.Random(seed)
    with write(engine) as connection:
        both = [register(connection, f"proxy-{name}", name, first=OLD * DAY) for name in "ab"]
    for day in days:
        for hour in dice.sample(range(24), 3):
            period = day * DAY + hour * HOUR
            with write(engine) as connection:
                for writer in both:
                    rows = [(name, cells(get_count=dice.randrange(9), passed_in=dice.choice((7, STORED_MAX // 100))))
                            for name in NAMES if dice.random() < 0.7]
                    usage.merge(connection, writer=writer, period=period, rows=rows, now=period)
                space.add_reports(connection, period=period, now=period, reports=[
                    report(account=name, read_at=period + 60, size=dice.randrange(99), objects=dice.randrange(9),
                           status=dice.choice(("active", "active", "deleted"))) for name in NAMES if dice.random() < 0.8])
    with write(engine) as connection:
        writers.close(connection, writers=both, through=NOW // HOUR * HOUR, ended=[], now=NOW)
    return both


def rolled(engine: Engine) -> None:
    for _ in roll_up(engine, holder="test", period_seconds=HOUR, now=lambda: NOW):
        pass


def leave(engine: Engine, **options: int) -> list[job.Step]:
    return list(job.let_go(engine, holder="test", now=lambda: NOW, **{"keep_months": 2, "batch_rows": 5, **options}))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's clock, where it has one, is the test's."""
    for dialect in dialects.DIALECTS.values():
        monkeypatch.setattr(dialect, "clock", lambda connection: NOW)


def question(begin: int, end: int, name: bytes = NAMES[0]) -> Question:
    return Question(name.decode(), name, begin, end, HOUR)


def hours_left(engine: Engine, before: int = NEXT) -> int:
    with read(engine) as connection:
        return sum(connection.execute(select(func.count()).select_from(table).where(table.c.day < before)).scalar_one()
                   for table in schema.BY_DAY)


@pytest.mark.parametrize("seed", [1, 2])
def test_sums_stay(engine: Engine, clock: None, seed: int) -> None:
    """Every sum over whole days, of usage and of space, by account, by day and by server and month, stays what it was."""
    fill(engine, range(OLD - 2, LATER + 2, 2), seed)
    rolled(engine)
    dice = random.Random(seed)
    ranges = [(OLD - 40, OLD), (OLD - 2, LATER), (OLD, NEXT), (OLD - 31, LATER + 9)]
    ranges += [tuple(sorted(dice.sample(range(OLD - 3, LATER + 3), 2))) for _ in range(12)]

    def answers() -> list[object]:
        found: list[object] = []
        with read(engine) as connection:
            ids = [each.id for each in many.named(connection, NAMES)]
            for first, last in ranges:
                begin, end = first * DAY, last * DAY
                found += [(io.total(connection, question(begin, end, name)).values,
                           space_query.total(connection, question(begin, end, name), now=NOW).values) for name in NAMES]
                found.append(many.steps(connection, ids, range(begin, end + 1, DAY)))
                found.append(many.space(connection, ids, begin, end, period_seconds=HOUR, now=NOW))
            found.append(many.sums(connection, ids, OLD * DAY, NEXT * DAY, by_server=True))
            found += [list(by_name.hours(connection, name, NEXT * DAY, NOW)) for name in NAMES]
            found += [list(space_query.detail(connection, question(NEXT * DAY, (NEXT + 9) * DAY, name), now=NOW).rows)
                      for name in NAMES]
        return found

    before = answers()
    assert leave(engine)
    with read(engine) as connection:
        assert kept.hours_from(connection) == NEXT * DAY
    assert hours_left(engine) == 0
    assert hours_left(engine, LATER) > 0
    assert answers() == before
    rolled(engine)
    assert answers() == before, "nothing that has left is rolled up again"
    assert leave(engine) == []


def test_what_is_not_rolled_up_stays(engine: Engine, clock: None) -> None:
    """Hours stay until they are rolled up and every live server has closed them, and it is said what is waited for."""
    fill(engine, range(OLD, OLD + 3))
    plan = job.plan(engine, keep_months=2, now=lambda: NOW)
    assert (plan.day, plan.wanted) == (0, NEXT)
    assert plan.held and "is not rolled up" in plan.held
    assert leave(engine) == []
    rolled(engine)
    with write(engine) as connection:
        register(connection, "proxy-c", "c", first=(OLD + 1) * DAY)
    plan = job.plan(engine, keep_months=2, now=lambda: NOW)
    assert plan.day == 0
    assert plan.held and plan.held.startswith("proxy-c: closed through")
    assert leave(engine) == []
    with write(engine) as connection:
        writers.retire(connection, server="proxy-c", writer=None, now=NOW)
    plan = job.plan(engine, keep_months=2, now=lambda: NOW)
    assert (plan.day, plan.held) == (NEXT, None)
    assert {each.table: each.days for each in plan.stock} == {"io_hours": 3, "space_reports": 3, "space_readings": 3}
    assert leave(engine, keep_months=0) == leave(engine, keep_months=3) == []
    assert leave(engine)
    assert hours_left(engine) == 0


def test_late_rows_are_refused(engine: Engine, clock: None) -> None:
    """A row for hours that have left is not merged, is recorded of its account alone, and its writer goes on and closes."""
    one, _ = fill(engine, range(OLD, OLD + 3))
    rolled(engine)
    leave(engine)
    period = (OLD + 1) * DAY
    with read(engine) as connection:
        before = [io.total(connection, question(OLD * DAY, NEXT * DAY, name)).values for name in NAMES]
    with write(engine) as connection:
        returned = register(connection, "proxy-c", "c", first=period)
        for writer in (returned, returned, one):
            rows = [(NAMES[0], cells(get_count=5, denied=1, passed_in=10, passed_out=20)), (b"AUTH_new", cells())]
            assert usage.merge(connection, writer=writer, period=period, rows=rows, now=NOW) == 0
        usage.merge(connection, writer=returned, period=NEXT * DAY, rows=[(b"AUTH_new", cells(get_count=1))], now=NOW)
        writers.close(connection, writers=[returned], through=NOW // HOUR * HOUR, ended=[], now=NOW)
        assert space.refused(connection) is None
        late = [report(account=NAMES[0], read_at=period + 1, size=10**9),
                report(account=b"AUTH_new", read_at=period + 1, replica="proxy", containers_by_name=((b"c", 2, 3),))]
        for reports in (late, late, [report(account=NAMES[0], read_at=period, size=1)]):
            space.add_reports(connection, period=period, now=NOW, reports=reports)
    with read(engine) as connection:
        found = usage.losses_between(connection, OLD * DAY, NEXT * DAY)
        assert [(each.server, each.kind, each.subject, each.requests, each.bytes_in, each.bytes_out) for each in found] == [
            ("proxy-a", "refused", NAMES[0], 6, 10, 20), ("proxy-c", "refused", NAMES[0], 6, 10, 20)]
        for name, values, incomplete in zip(NAMES, before, [(period,), (), ()]):
            answer = io.total(connection, question(OLD * DAY, NEXT * DAY, name))
            assert (answer.values, answer.header.incomplete) == (values, incomplete)
        assert usage.corrections_between(connection, NAMES[0], OLD * DAY, NEXT * DAY) == []
        assert many.named(connection, [b"AUTH_new"])
        assert space.refused(connection) == space.Refused(2, period, period, NOW)
        of = schema.space_refused.c
        assert connection.execute(select(of.read_at, of.bytes, of.listed).order_by(of.bytes)).all() == [
            (period + 1, 3, 1), (period + 1, 10**9, -1)]
        assert all(list(space.readings(connection, name, period, period + HOUR)) == [] for name in (NAMES[0], b"AUTH_new"))
    rolled(engine)
    with read(engine) as connection:
        assert io.total(connection, question(OLD * DAY, NEXT * DAY)).values == before[0]


def test_what_only_hours_could_tell_is_refused(engine: Engine, clock: None) -> None:
    """Details over hours that have left, and sums over parts of days, are refused, and say since when they can be had."""
    fill(engine, range(OLD, OLD + 3))
    rolled(engine)
    leave(engine)
    since = periods.format(NEXT * DAY)
    with read(engine) as connection:
        for ask in (lambda asked: io.detail(connection, asked, now=NOW),
                    lambda asked: space_query.detail(connection, asked, now=NOW),
                    lambda asked: space_query.breakdown(connection, asked, by="policy", now=NOW)):
            with pytest.raises(BadQuestion) as refused:
                ask(question((NEXT - 1) * DAY, (NEXT + 1) * DAY))
            (fault,) = refused.value.faults
            assert (fault.parameter, fault.value) == ("begin_time", periods.format((NEXT - 1) * DAY))
            assert since in fault.expected
            ask(question(NEXT * DAY, (NEXT + 1) * DAY))
        for sum_of in (lambda asked: io.total(connection, asked), lambda asked: space_query.total(connection, asked, now=NOW)):
            with pytest.raises(BadQuestion) as refused:
                sum_of(question(OLD * DAY + HOUR, (OLD + 1) * DAY + HOUR))
            assert [fault.parameter for fault in refused.value.faults] == ["begin_time", "end_time"]
            assert f"{periods.format(OLD * DAY)} or {periods.format((OLD + 1) * DAY)}" in refused.value.faults[0].expected
            sum_of(question(OLD * DAY, NEXT * DAY + HOUR))
        other = Question("a", NAMES[0], OLD * DAY, NEXT * DAY, 900)
        with pytest.raises(BadQuestion):
            space_query.total(connection, other, now=NOW)


def test_tables_of_what_has_left(engine: Engine, clock: None) -> None:
    """A table over hours that have left has days, months, and servers by month; what else is asked is a fault, by its name."""
    fill(engine, range(OLD, OLD + 3))
    rolled(engine)
    leave(engine)
    whole = {"begin": [iso(OLD)], "end": [iso(NEXT)]}

    def faults(**given: str) -> list[str]:
        wanted = {**whole, **{name: [value] for name, value in given.items()}}
        asked = ask(wanted, prefixes=("AUTH_",), period_seconds=HOUR, max_periods=10_000, now=NOW)
        with read(engine) as connection:
            try:
                table_header.header(connection, asked, now=NOW)
            except BadQuestion as error:
                assert all(periods.format(NEXT * DAY)[:10] in each.expected for each in error.faults)
                return [each.parameter for each in error.faults]
            return []

    assert faults() == faults(granularity="day") == faults(granularity="month") == faults(by="account,server") == []
    assert faults(begin=iso(NEXT), end=iso(LATER), granularity="hour", timezone="Asia/Tokyo") == []
    assert faults(granularity="hour") == ["granularity"]
    assert faults(granularity="day", by="server") == ["granularity"]
    assert faults(begin=iso(OLD + 1), by="server") == ["begin"]
    assert faults(begin=iso(OLD)[:11] + "05:00:00Z") == ["begin"]
    assert faults(begin=iso(OLD)[:10], end=iso(OLD + 2)[:10], granularity="day", timezone="Asia/Tokyo") == ["timezone"]


def test_the_service_says_so(engine: Engine, store_url: str, clock: None) -> None:
    """The service answers 400 with the fault where hours have left, and the sum over whole days all the same."""
    fill(engine, range(OLD, OLD + 3))
    rolled(engine)
    leave(engine)
    client = Client(make(store_url, now=NOW))
    asked = {"account_id": NAMES[0].decode(), "begin_time": periods.format(OLD * DAY), "end_time": periods.format(NEXT * DAY)}
    for path in ("/io_detail", "/space_detail"):
        (fault,) = client.faults(path, asked)
        assert (fault["parameter"], fault["value"]) == ("begin_time", asked["begin_time"])
        assert fault["expected"].startswith(periods.format(NEXT * DAY))
    assert client.get("/io_sum", asked).status_int == client.get("/space_sum", asked).status_int == 200
    (fault,) = client.faults("/usage", {"begin": iso(OLD), "end": iso(NEXT), "granularity": "hour"})
    assert fault["parameter"] == "granularity" and iso(NEXT) in fault["expected"]
    for form in ("json", "csv", "ndjson"):
        assert client.get("/usage", {"begin": iso(OLD), "end": iso(NEXT), "granularity": "day", "format": form}).status_int == 200


def iso(day: int) -> str:
    return periods.iso(day * DAY)


def test_the_command_line_says_so(engine: Engine, store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                  clock: None) -> None:
    """`swiftstats usage` refuses what only hours that have left could tell with status 2, and says since when it can be had."""
    fill(engine, range(OLD, OLD + 3))
    rolled(engine)
    leave(engine)
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {store_url}\n")

    def run(*words: str) -> tuple[int, str]:
        status = main(["--config", str(path), "usage", *words, "--begin", iso(OLD), "--end", iso(NEXT)])
        return status, capsys.readouterr().err

    for words in (["a", "--detail"], ["a", "--space", "--detail"], ["a", "--by", "policy", "--space"]):
        status, said = run(*words)
        assert status == 2 and "--begin" in said and periods.format(NEXT * DAY) in said
    status, said = run("--all", "--granularity", "hour")
    assert status == 2 and "--granularity" in said and iso(NEXT) in said
    for words in (["a"], ["a", "--space"], ["--all"], ["--all", "--granularity", "day"]):
        assert run(*words)[0] == 0


def test_a_flusher_goes_on(engine: Engine, tmp_path: Path) -> None:
    """A host that returns when its hours have left closes its periods; what it brought is recorded, and a replay adds nothing."""
    host = Host(engine, tmp_path / "spool")
    host.count("AUTH_a", 3)
    with write(engine) as connection:
        kept.raise_to(connection, int(host.clock()) // DAY + 1)
    assert host.close().held_up == []
    assert [(each.kind, each.subject, each.requests) for each in losses(engine)] == [("refused", b"AUTH_a", 3)]
    assert complete_through(engine) == int(host.clock()) // HOUR * HOUR
    assert total(engine, "AUTH_a") == 0
    with write(engine) as connection:
        connection.execute(delete(schema.losses))
    steps = list(replay(host.config, engine, since=None, now=host.clock, boot_now=host.boot_now))
    assert [step.outcome for step in steps] == [LEFT]
    assert losses(engine) == []


def test_the_command(engine: Engine, store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`swiftstats retention --dry-run` shows what would leave, and what holds it up; without it, it leaves."""
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {store_url}\nkeep_hours_months = 1\n[flusher]\nbatch_rows = 1\n")
    command = ["--config", str(path), "retention"]
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
        for name in (b"AUTH_a", b"AUTH_b"):
            usage.merge(connection, writer=writer, period=T, rows=[(name, cells(get_count=1))], now=T)
    assert main([*command, "--dry-run"]) == 0
    assert "proxy-1: closed through 2012-10-22 08:00:00 only" in capsys.readouterr().out
    with write(engine) as connection:
        writers.close(connection, writers=[writer], through=int(time.time()) // HOUR * HOUR, ended=[], now=T)
    assert main([*command, "--dry-run"]) == 0
    assert "usage of 2012-10 is not rolled up" in capsys.readouterr().out
    for _ in roll_up(engine, holder="test", period_seconds=HOUR):
        pass
    assert main([*command, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "no hours have left yet" in shown
    assert "io_hours\t2012-10-22 00:00:00\t2012-10-23 00:00:00\t1\t2\t-" in shown
    assert main([*command, "--once"]) == 0
    removed = capsys.readouterr().out
    assert engine.dialect.name != "sqlite" or "io_hours: 2 rows removed" in removed
    assert main([*command, "--once"]) == 0
    assert "hours are kept from 2" in capsys.readouterr().out
    with read(engine) as connection:
        assert by_name.total(connection, b"AUTH_a", T // DAY * DAY, (T // DAY + 1) * DAY) == cells(get_count=1)
