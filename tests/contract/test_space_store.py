"""The contract of stored space: one reading per account and period, whatever replicas said, in any order, how often."""

from __future__ import annotations

import datetime
import itertools
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, text

from swiftstats import migrations
from swiftstats.errors import DatabaseBusy
from swiftstats.store import accounts, schema, space
from swiftstats.store.engine import read, write
from swiftstats.store.space import PolicyFigures, Reading, Report
from tests.support.levels import ACCOUNT, add, figures, read_back, report, run, standing
from tests.support.service import HOUR, T

NUMBERS = itertools.count()
COUNTS = st.sampled_from([0, 1, 2, 2**63 - 1])
REPORTS = st.builds(
    report,
    replica=st.sampled_from(["a/1", "a/2", "b/1", "b/2", "proxy"]), position=st.integers(0, 3), read_at=st.integers(T, T + 2),
    status=st.sampled_from(["active", "active", "active", "deleted", "missing"]), containers=COUNTS, objects=COUNTS, size=COUNTS,
    policies=st.sampled_from([(), (PolicyFigures("gold", 1, 2, 3),), (PolicyFigures("tin", None, 0, 2**63 - 1),)]))


def renamed(each: Report, account: bytes) -> Report:
    return Report(account, each.replica, each.position, each.read_at, each.status, each.containers, each.objects, each.bytes,
                  each.policies, each.containers_by_name)


@given(said=st.lists(REPORTS, min_size=1, max_size=8), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_repetition(engine: Engine, said: list[Report], data: st.DataObject) -> None:
    """Reports in any order, repeated, in one batch or many, leave the same reading: the one that a plain model chooses."""
    one, other = (b"AUTH_%d" % next(NUMBERS) for _ in range(2))
    add(engine, *(renamed(each, one) for each in said))
    shuffled = data.draw(st.permutations(said + data.draw(st.lists(st.sampled_from(said), max_size=4))))
    for each in shuffled:
        add(engine, renamed(each, other))
    with read(engine) as connection:
        first, second = (list(space.policies(connection, name, T, T + HOUR)) for name in (one, other))
    assert first == second
    (reading, _), = first
    number = ("active", "deleted", "missing").index(reading.status)
    assert (number, reading.bytes, reading.objects, reading.containers) == standing(said)


def test_three_replicas_and_a_handoff(engine: Engine) -> None:
    """Three primaries and a handoff that agree are one reading, and one of them that is stale or away changes nothing."""
    replicas = [report(replica=f"account-0{number}/sdb1", position=number, size=100) for number in range(4)]
    add(engine, *replicas)
    expected = [Reading(T, "active", 1, 2, 100, T + 60)]
    assert read_back(engine) == expected
    add(engine, report(replica="account-00/sdb1", position=0, size=7, read_at=T + 61))
    assert read_back(engine) == expected
    add(engine, *(report(account=b"AUTH_b", replica=f"account-0{number}/sdb1", position=number) for number in (1, 2)))
    assert len(read_back(engine, b"AUTH_b")) == 1


def test_nobody_agrees(engine: Engine) -> None:
    """Where each replica says something else, the one that stands first in the ring is believed, and a handoff last."""
    add(engine, *(report(replica=f"account-0{number}/sdb1", position=number, size=100 + number) for number in (3, 1, 2)))
    assert read_back(engine)[0].bytes == 101


def test_read_again(engine: Engine) -> None:
    """A replica read again in the period replaces what it said, also downwards; what comes late from before does not."""
    add(engine, report(size=100, policies=(PolicyFigures("gold", 1, 2, 100),)))
    add(engine, report(size=50, read_at=T + 1800))
    add(engine, report(size=70, read_at=T + 900, policies=(PolicyFigures("gold", 1, 2, 70),)))
    with read(engine) as connection:
        assert list(space.policies(connection, ACCOUNT, T, T + HOUR)) == [(Reading(T, "active", 1, 2, 50, T + 1800), None)]


def test_deleted_and_remembered(engine: Engine) -> None:
    """A deleted account counts as nothing, whatever its database still holds, and its status is remembered when it is gone."""
    add(engine, report(size=100), report(size=100, status="deleted", read_at=T + HOUR))
    assert [(each.status, each.bytes, each.objects, each.containers) for each in read_back(engine)] == [
        ("active", 100, 2, 1), ("deleted", 0, 0, 0)]
    with read(engine) as connection:
        seen = [space.last_status(connection, ACCOUNT, before) for before in (T, T + HOUR, T + 2 * HOUR, T + 9999 * HOUR)]
        assert seen == [None, "active", "deleted", "deleted"]
        assert space.last_status(connection, b"AUTH_never", T) is None


def test_created_again_long_after(engine: Engine) -> None:
    """What an account was before a range is found also where it came back a year later."""
    year = 365 * 24 * HOUR
    add(engine, report(), report(status="deleted", read_at=T + HOUR), report(read_at=T + year, size=5))
    with read(engine) as connection:
        before = [space.last_status(connection, ACCOUNT, T + moment) for moment in (HOUR, 2 * HOUR, year, year + HOUR)]
        assert before == ["active", "deleted", "deleted", "active"]


def test_exact(engine: Engine) -> None:
    """2^63-1 bytes and 10^12 objects are stored exactly, in account, policy and container."""
    most = 2**63 - 1
    add(engine, report(replica="proxy", containers=1, objects=10**12, size=most,
                       policies=(PolicyFigures("gold", 1, 10**12, most),), containers_by_name=((b"c", 10**12, most),)))
    with read(engine) as connection:
        reading = Reading(T, "active", 1, 10**12, most, T + 60)
        assert list(space.policies(connection, ACCOUNT, T, T + HOUR)) == [(reading, (PolicyFigures("gold", 1, 10**12, most),))]
        assert list(space.containers(connection, ACCOUNT, T, T + HOUR)) == [(reading, ((b"c", 10**12, most),))]


NAMES = ["a,b", 'a"b', "a\nb\r\n", "a'b\\", "%s %d", "ü" * 128, " ", "a", "A", "a ", "\x01", "😀" * 64]


def test_names(engine: Engine) -> None:
    """Any name that Swift allows, of accounts, containers, policies and replicas, comes back as it was, each apart."""
    listed = tuple(sorted((name.encode(), number, number) for number, name in enumerate(NAMES)))
    policies = tuple(sorted((PolicyFigures(name, 1, number, number) for number, name in enumerate(NAMES)),
                            key=lambda each: each.name))
    for number, name in enumerate(NAMES):
        add(engine, report(account=name.encode(), replica=name + "/sdb1", size=number, containers_by_name=listed,
                           policies=policies))
    with read(engine) as connection:
        for number, name in enumerate(NAMES):
            (reading, found), = space.containers(connection, name.encode(), T, T + HOUR)
            assert (reading.bytes, found) == (number, listed)
            assert list(space.policies(connection, name.encode(), T, T + HOUR)) == [(reading, policies)]
        stored = connection.execute(select(schema.space_replicas.c.name)).scalars()
        assert {bytes(name) for name in stored} == {f"{name}/sdb1".encode() for name in NAMES}


def test_containers_of_the_reading(engine: Engine) -> None:
    """Containers are those of the listing that the reading is of: one that went meanwhile is gone, and none is not unknown."""
    add(engine, report(containers_by_name=((b"a", 1, 1), (b"b", 1, 2))))
    add(engine, report(containers=1, objects=1, size=5, read_at=T + 90, containers_by_name=((b"a", 1, 5),)))
    add(engine, report(containers=0, objects=0, size=0, read_at=T + HOUR, containers_by_name=()))
    add(engine, report(read_at=T + 2 * HOUR), report(status="deleted", read_at=T + 3 * HOUR))
    with read(engine) as connection:
        assert [found for _, found in space.containers(connection, ACCOUNT, T, T + 4 * HOUR)] == [
            ((b"a", 1, 5),), (), None, ()]


def test_both_methods(engine: Engine) -> None:
    """Where databases and proxy tell the same, the reading keeps the containers that only the proxy listed."""
    add(engine, report(replica="proxy", containers_by_name=((b"a", 2, 3),)),
        *(report(replica=f"account-0{number}/sdb1", position=number, read_at=T + 99) for number in range(3)))
    with read(engine) as connection:
        assert [found for _, found in space.containers(connection, ACCOUNT, T, T + HOUR)] == [((b"a", 2, 3),)]


def test_many_accounts(engine: Engine) -> None:
    """A batch larger than any statement is written whole, and accounts are listed from it page by page, in order."""
    names = [b"AUTH_%05d" % number for number in range(2500)]
    add(engine, *(report(account=name, replica=replica, size=number)
                  for number, name in enumerate(names) for replica in ("a/1", "a/2")), report(account=b"(unknown)"))
    found, after = [], b""
    with read(engine) as connection:
        while page := space.known_accounts(connection, after, 999):
            found += page
            after = page[-1]
        assert found == names
        assert accounts.number(connection) == 2501
        for prefixes, number in (((b"AUTH_",), 2500), ((b"", b"AUTH_"), 2500), ((b"AUTH_01", b"z"), 1000), ((), 0)):
            assert accounts.number(connection, prefixes=prefixes, unknown=False) == number
            assert accounts.number(connection, prefixes=prefixes, unknown=False, at_most=700) == min(number, 700)
        assert connection.execute(select(func.count()).select_from(schema.space_reports)).scalar() == 5001
        assert connection.execute(select(func.count()).select_from(schema.space_readings)).scalar() == 2501
        assert [each.bytes for each in space.readings(connection, names[-1], T, T + HOUR)] == [2499]


def test_two_crawlers_at_once(engine: Engine) -> None:
    """Crawlers that report replicas of the same accounts at the same time leave the readings that stand of all reports."""
    names = [b"AUTH_%03d" % number for number in range(40)]
    by_server = [[report(account=name, replica=f"account-0{server}/sdb1", position=server, size=number + (server == 0))
                  for number, name in enumerate(names)] for server in range(4)]

    def crawl(reports: list[Report]) -> None:
        for start in range(0, len(reports), 7):
            while True:
                try:
                    add(engine, *reports[start:start + 7])
                    break
                except DatabaseBusy:
                    pass

    threads = [threading.Thread(target=crawl, args=(reports,)) for reports in by_server]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [read_back(engine, name)[0].bytes for name in names] == list(range(40))


def test_runs(engine: Engine) -> None:
    """A run is a row from its begin on, told as not ended until it is; beginning it again changes nothing."""
    with write(engine) as connection:
        for _ in range(2):
            space.begin_run(connection, server="account-01", method="databases", period=T, started_at=T + 1)
    with read(engine) as connection:
        assert space.runs(connection, 5) == [space.Run("account-01", "databases", T, T + 1, None, 0, 0, 0, False)]
        assert space.complete_through(connection) is None and space.waiting_for(connection, T) == ("account-01",)
    run(engine, T + HOUR, server="account-02", seen=5, read=4, failed=1)
    with read(engine) as connection:
        assert [each.server for each in space.runs(connection, 5)] == ["account-02", "account-01"]
        assert space.runs(connection, 1)[0].failed == 1


def test_complete(engine: Engine) -> None:
    """A period is complete when every known account was read in it and a run came to its end; who is gone is not missed."""
    def state() -> tuple[int | None, tuple[int, int, bool]]:
        with read(engine) as connection:
            last, = space.coverage(connection, 1)
            return space.complete_through(connection), (last.known, last.read, last.complete)

    add(engine, report(account=b"AUTH_a"), report(account=b"AUTH_b"))
    run(engine, complete=False)
    assert state() == (None, (2, 2, False))
    run(engine)
    assert state() == (T + HOUR, (2, 2, True))
    add(engine, report(account=b"AUTH_a", read_at=T + HOUR))
    run(engine, T + HOUR)
    assert state() == (T + HOUR, (2, 1, False))
    add(engine, report(account=b"AUTH_b", read_at=T + HOUR, replica="account-02/sdb1"),
        report(account=b"AUTH_c", read_at=T + HOUR))
    run(engine, T + HOUR, server="account-02")
    assert state() == (T + 2 * HOUR, (3, 3, True))
    add(engine, *(report(account=b"AUTH_" + letter, read_at=T + 2 * HOUR, status=status)
                  for letter, status in ((b"a", "active"), (b"b", "deleted"), (b"c", "active"))))
    run(engine, T + 2 * HOUR)
    assert state() == (T + 3 * HOUR, (3, 3, True))
    add(engine, report(account=b"AUTH_a", read_at=T + 3 * HOUR), report(account=b"AUTH_c", read_at=T + 3 * HOUR))
    run(engine, T + 3 * HOUR)
    assert state() == (T + 4 * HOUR, (2, 2, True))
    run(engine, T)  # an old run that ends late reckons what was known then
    with read(engine) as connection:
        assert space.coverage(connection, 9)[-1] == space.Coverage(T, HOUR, 2, 2, True)


def test_found_and_never_read(engine: Engine) -> None:
    """An account that could not be read holds its period back from the first one that it was found in, as a known one does."""
    def fail(*accounts: bytes, period: int = T) -> None:
        with write(engine) as connection:
            space.add_unread(connection, period=period, accounts=accounts, now=period)

    def state() -> list[tuple[int, int, bool]]:
        with read(engine) as connection:
            return [(each.known, each.read, each.complete) for each in reversed(space.coverage(connection, 9))]

    add(engine, report(account=b"AUTH_a"))
    fail(b"AUTH_new", b"AUTH_a")
    run(engine)
    assert state() == [(2, 1, False)]
    with read(engine) as connection:
        assert space.complete_through(connection) is None
        assert space.last_status(connection, b"AUTH_new", T + HOUR) is None
        assert space.total(connection, b"AUTH_new", T, T + HOUR, period_seconds=HOUR, now=T + HOUR) is None
        assert space.total(connection, b"AUTH_new", T + HOUR, T + 2 * HOUR, period_seconds=HOUR, now=T + 2 * HOUR) is None
        assert list(space.readings(connection, b"AUTH_new", 0, 2**40)) == []
    # Another replica tells it in time, or nobody does before the next hour.
    add(engine, report(account=b"AUTH_new"))
    run(engine, server="account-02")
    assert state() == [(2, 2, True)]
    fail(b"AUTH_later", period=T + HOUR)
    add(engine, report(account=b"AUTH_a", read_at=T + HOUR), report(account=b"AUTH_new", read_at=T + HOUR))
    run(engine, T + HOUR)
    assert state()[1:] == [(3, 2, False)]
    add(engine, *(report(account=b"AUTH_" + name, read_at=T + 2 * HOUR) for name in (b"a", b"new", b"later")))
    for period in (T, T + HOUR, T + 2 * HOUR):
        run(engine, period, server="account-02")
    assert state() == [(2, 2, True), (3, 2, False), (3, 3, True)]
    # What is recorded late leaves the same.
    fail(b"AUTH_later")
    run(engine)
    assert state() == [(3, 2, False), (3, 2, False), (3, 3, True)]


def test_never_read_is_not_waited_for_for_ever(engine: Engine) -> None:
    """An account that nobody could ever read holds completeness back for a week, and no longer."""
    week = 7 * 24 * HOUR
    with write(engine) as connection:
        space.add_unread(connection, period=T, accounts=[b"AUTH_never"], now=T)
    for moment in (T, T + week, T + week + HOUR):
        add(engine, report(read_at=moment))
        run(engine, moment)
    with read(engine) as connection:
        assert [each.complete for each in space.coverage(connection, 5)] == [True, False, False]


def test_read_for_a_period_before_it_was_found(engine: Engine) -> None:
    """A report that comes for an earlier period makes an account that was never read one that was."""
    with write(engine) as connection:
        space.add_unread(connection, period=T + HOUR, accounts=[ACCOUNT], now=T)
    add(engine, report(status="deleted"))
    with read(engine) as connection:
        assert space.last_status(connection, ACCOUNT, T + HOUR) == "deleted"
        total = space.total(connection, ACCOUNT, T + HOUR, T + 2 * HOUR, period_seconds=HOUR, now=T + 2 * HOUR)
    assert total is not None and (total.measured, total.last_bytes) == (1, 0)


def test_not_waited_for_for_ever(engine: Engine) -> None:
    """An account that went while no crawler ran holds completeness back for a week, and no longer."""
    week = 7 * 24 * HOUR
    for moment in (T, T + week, T + week + HOUR):
        add(engine, report(account=b"AUTH_a", read_at=moment))
        if moment == T:
            add(engine, report(account=b"AUTH_gone"))
        run(engine, moment)
    with read(engine) as connection:
        assert [each.complete for each in space.coverage(connection, 5)] == [True, False, True]


def test_run_over_a_period_s_end(engine: Engine) -> None:
    """A run that goes on into the next period reckons both: each has what was read in it."""
    add(engine, report(account=b"AUTH_a", read_at=T + HOUR - 1), report(account=b"AUTH_b", read_at=T + HOUR))
    with write(engine) as connection:
        space.end_run(connection, server="s", method="proxy", period=T, started_at=T + 3000, ended_at=T + HOUR + 9, seen=2,
                      read=2, failed=0, complete=True, period_seconds=HOUR)
    with read(engine) as connection:
        assert [(each.period, each.known, each.read) for each in space.coverage(connection, 5)] == [
            (T + HOUR, 2, 1), (T, 1, 1)]


def test_waiting_for(engine: Engine) -> None:
    """A crawler that has not come to the end of a run since a moment is named; one that is silent for a week is not."""
    run(engine, T - 8 * 24 * HOUR, server="old")
    run(engine, T, server="a")
    run(engine, T + HOUR, server="b")
    run(engine, T + HOUR, server="c", complete=False)
    with read(engine) as connection:
        assert [space.waiting_for(connection, T + number * HOUR) for number in range(3)] == [
            ("c",), ("a", "c"), ("a", "b", "c")]


def test_view_of_2012(engine: Engine) -> None:
    """swift_space_stats has the reading of each account and period, bytes exact, the reseller prefix taken off."""
    migrations.upgrade(engine, ("AUTH_", "SERVICE_"))
    add(engine, *(report(account=account, replica=f"account-0{number}/sdb1", position=number, size=2**63 - 1)
                  for account in ("AUTH_ü".encode(), b"SERVICE_x") for number in range(3)))
    add(engine, report(account=b"SERVICE_x", read_at=T + HOUR, replica="proxy", containers=3, objects=4, size=5))
    with read(engine) as connection:
        found = connection.execute(text("SELECT * FROM swift_space_stats"))
        assert list(found.keys()) == ["ServerID", "AddTime", "AccountID", "AccountContainerCount", "AccountObjectCount",
                                      "AccountBytesUsed"]
        rows = sorted(tuple(row) for row in found)
    moments: list[Any] = ["2012-10-22 08:00:00", "2012-10-22 09:00:00"]
    if engine.dialect.name == "mysql":
        moments = [datetime.datetime.fromisoformat(moment) for moment in moments]
    assert rows == [("account-00/sdb1", moments[0], "x", 1, 2, 2**63 - 1), ("account-00/sdb1", moments[0], "ü", 1, 2, 2**63 - 1),
                    ("proxy", moments[1], "x", 3, 4, 5)]


def test_model() -> None:
    """The model that the store is held against says what the words say: most agree, then the lowest position."""
    said = [report(replica="a", position=0, size=9), report(replica="b", position=1), report(replica="c", position=4)]
    assert standing(said) == figures(said[1])
    assert standing(said[:2]) == figures(said[0])


@pytest.mark.parametrize("reports", [[], [report()] * 3])
def test_nothing_and_the_same(engine: Engine, reports: list[Report]) -> None:
    """No reports write nothing, and one report three times in a batch is one reading."""
    with write(engine) as connection:
        space.add_reports(connection, period=T, reports=reports, now=T)
    assert len(read_back(engine)) == min(len(reports), 1)
