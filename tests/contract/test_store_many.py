"""The contract of usage of many accounts: lists, sums, steps and top lists, each as the accounts one by one."""

from __future__ import annotations

from sqlalchemy import Engine, event

from swiftstats.fields import STORED_MAX
from swiftstats.store import many, space_sums, totals, usage
from swiftstats.store.engine import read, write
from tests.contract.test_store_usage import HOUR, NOW, T, cells, register
from tests.support import by_name
from tests.support.levels import add, report

NAMES = sorted([b"AUTH_a", b"AUTH_a ", b"AUTH_b", b"AUTH_\xff", b"AUTH_\xff\xff", b"B", b"auth_b"])


def fill(engine: Engine) -> dict[bytes, int]:
    """Two servers, one with two writers, three hours; return the accounts' ids."""
    with write(engine) as connection:
        for number, (server, incarnation) in enumerate((("proxy-1", "a"), ("proxy-1", "b"), ("proxy-2", "c")), 1):
            writer = register(connection, server, incarnation)
            for hour in range(3):
                rows = [(name, cells(get_count=number * (at + hour), passed_in=STORED_MAX, unbilled_bytes_in=at))
                        for at, name in enumerate(NAMES)]
                usage.merge(connection, writer=writer, period=T + hour * HOUR, rows=rows, now=NOW)
    with read(engine) as connection:
        return {name: number for number, name in many.named(connection, NAMES)}


def test_accounts_in_order(engine: Engine) -> None:
    """Pages of names come bytewise, after a marker or from the start, those of a prefix only."""
    fill(engine)
    with read(engine) as connection:
        found, after = [], None
        while page := many.accounts_after(connection, after=after, limit=2):
            found += [each.name for each in page]
            after = page[-1].name
        assert found == NAMES
        for prefix in (b"", b"AUTH_", b"AUTH_a", b"AUTH_\xff", b"\xff", b"AUTH_zz"):
            page = many.accounts_after(connection, after=None, limit=99, prefix=prefix)
            assert [each.name for each in page] == [name for name in NAMES if name.startswith(prefix)]
        assert [each.name for each in many.named(connection, [b"B", b"nobody", b"AUTH_a"])] == [b"AUTH_a", b"B"]


def test_sums_and_hours(engine: Engine) -> None:
    """Sums, hours and steps of a list are those of each account alone, over all servers and by server, beyond 2^63."""
    ids = fill(engine)
    numbers = list(ids.values())
    with read(engine) as connection:
        alone = {(ids[name], None): by_name.total(connection, name, T, T + 3 * HOUR) for name in NAMES}
        assert many.sums(connection, [*numbers, 10**9], T, T + 3 * HOUR) == alone
        hourly = {(ids[name], None): list(by_name.hours(connection, name, T, T + 3 * HOUR)) for name in NAMES}
        assert many.hours(connection, numbers, T, T + 3 * HOUR) == hourly
        assert many.steps(connection, numbers, range(T - HOUR, T + 5 * HOUR, HOUR)) == hourly
        by_server = many.sums(connection, numbers, T, T + HOUR, by_server=True)
        assert by_server[ids[b"B"], "proxy-2"] == cells(
            get_count=3 * NAMES.index(b"B"), passed_in=STORED_MAX, unbilled_bytes_in=NAMES.index(b"B"))
        both = [by_server[ids[b"B"], server] for server in ("proxy-1", "proxy-2")]
        assert tuple(map(sum, zip(*both))) == by_name.total(connection, b"B", T, T + HOUR)
        assert many.hours(connection, numbers, T, T + HOUR, by_server=True) == {
            owner: [(T, counted)] for owner, counted in by_server.items()}
        assert many.sums(connection, numbers, T + 9 * HOUR, T + 10 * HOUR) == many.sums(connection, [], T, T + HOUR) == {}


def test_top(engine: Engine) -> None:
    """The top list is ordered by the exact sum, also beyond 2^63, the same sums by name, and cut."""
    fill(engine)
    with read(engine) as connection:
        whole = many.top(connection, T, T + 3 * HOUR, plus=["get_count"], limit=99)
        assert [each.name for each in whole] == NAMES[::-1]
        least = many.top(connection, T, T + 3 * HOUR, plus=["passed_in"], minus=["unbilled_bytes_in"], limit=3)
        assert [each.name for each in least] == NAMES[:3]
        same = many.top(connection, T, T + 3 * HOUR, plus=["passed_in"], limit=9, prefix=b"AUTH_a")
        assert [each.name for each in same] == [b"AUTH_a", b"AUTH_a "]
        assert many.top(connection, T + 9 * HOUR, T + 10 * HOUR, plus=["put_count"], limit=9) == []


def test_many_steps_are_few_statements(engine: Engine) -> None:
    """What is asked of hundreds of steps is read at once: the space of 800 hours of an account, the usage of all of them."""
    ids = list(fill(engine).values())
    add(engine, *(report(account=name, read_at=T + hour * HOUR, size=hour) for name in NAMES for hour in (0, 3, 700)))
    edges, asked = range(T, T + 801 * HOUR, HOUR), []
    event.listen(engine, "before_cursor_execute", lambda *_: asked.append(1))
    with read(engine) as connection:
        found = space_sums.steps(connection, ids, edges, period_seconds=HOUR, now=T + 900 * HOUR)
        assert [(step, {each.last_bytes for each in of.values()}, len(of)) for step, of in enumerate(found) if of] == [
            (hour, {hour}, len(NAMES)) for hour in (0, 3, 700)]
        assert len(asked) < 20
        asked.clear()
        assert [start for start, _ in totals.steps(connection, edges)[None]] == [T, T + HOUR, T + 2 * HOUR]
        assert len(asked) < 20
