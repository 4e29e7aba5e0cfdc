"""The contract of usage: merged by maximum, exact, binary names, corrections recorded once."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, func, select

from swiftstats.fields import CELL_COUNT, CELL_INDEX, STORED_MAX
from swiftstats.store import schema, usage, writers
from swiftstats.store.engine import read, write
from swiftstats.store.writers import Writer
from tests.support import by_name

HOUR = 3600
T = 1_350_892_800  # 2012-10-22 08:00:00
NOW = T + 100_000


def cells(**given: int) -> tuple[int, ...]:
    counted = [0] * CELL_COUNT
    for name, value in given.items():
        counted[CELL_INDEX[name]] = value
    return tuple(counted)


def register(connection: Connection, server: str = "proxy-1", incarnation: str = "a", first: int = T,
             predecessor: str | None = None) -> Writer:
    return writers.register(connection, server=server, incarnation=incarnation * 32, first_period=first, now=NOW,
                            predecessor=predecessor and predecessor * 32, period_seconds=HOUR)


def total(engine: Engine, account: bytes, begin: int = T - 10**9, end: int = T + 10**9) -> tuple[int, ...]:
    with read(engine) as connection:
        return by_name.total(connection, account, begin, end)


def test_greater_stays(engine: Engine) -> None:
    """Merging the same, less or more of one hour, in any order, leaves the greatest, cell by cell."""
    with write(engine) as connection:
        writer = register(connection)
        for gets, puts in ((5, 1), (3, 2), (5, 2), (0, 0)):
            usage.merge(connection, writer=writer, period=T, rows=[(b"AUTH_a", cells(get_count=gets, put_count=puts))], now=NOW)
    assert total(engine, b"AUTH_a") == cells(get_count=5, put_count=2)


def test_writers_add_up(engine: Engine) -> None:
    """Two writers' totals of one hour are summed, and never hide each other."""
    with write(engine) as connection:
        for name in "ab":
            usage.merge(connection, writer=register(connection, incarnation=name), period=T,
                        rows=[(b"AUTH_a", cells(get_count=5))], now=NOW)
    assert total(engine, b"AUTH_a") == cells(get_count=10)
    with read(engine) as connection:
        assert list(by_name.hours(connection, b"AUTH_a", T, T + HOUR)) == [(T, cells(get_count=10))]


def test_sum_beyond_63_bits(engine: Engine) -> None:
    """The greatest stored value comes back exactly, and so do sums that no 64-bit integer holds."""
    with write(engine) as connection:
        for name in "abc":
            writer = register(connection, incarnation=name)
            for hour in range(2):
                usage.merge(connection, writer=writer, period=T + hour * HOUR, now=NOW,
                            rows=[(b"AUTH_a", (STORED_MAX,) * CELL_COUNT)])
    assert total(engine, b"AUTH_a") == (6 * STORED_MAX,) * CELL_COUNT
    with read(engine) as connection:
        assert list(by_name.hours(connection, b"AUTH_a", T, T + 2 * HOUR)) == [
            (T, (3 * STORED_MAX,) * CELL_COUNT), (T + HOUR, (3 * STORED_MAX,) * CELL_COUNT)]


NAMES = (b"", b"AUTH_x", b"AUTH_x ", b"AUTH_X", b"AUTH_x\0", b"auth_x", b"'; --\\%s%%", b"\xff\xfe", ("ü" * 128).encode(),
         ("ü" * 127 + "u ").encode(), b"(unknown)")


def test_names_are_bytes(engine: Engine) -> None:
    """Names that differ in a trailing space, case, NUL, or an invalid byte are different accounts, up to 256 bytes."""
    rows = [(name, cells(get_count=number + 1)) for number, name in enumerate(sorted(NAMES))]
    with write(engine) as connection:
        usage.merge(connection, writer=register(connection), period=T, rows=rows, now=NOW)
    for name, counted in rows:
        assert total(engine, name) == counted, name
    with read(engine) as connection:
        assert usage.known(connection, [*NAMES, b"AUTH_new", b"AUTH_x  "]) == set(NAMES)


def test_many_names_at_once(engine: Engine) -> None:
    """More names than one statement takes parameters for are merged, known and read."""
    rows = [(b"AUTH_%05d" % number, cells(get_count=number)) for number in range(2500)]
    with write(engine) as connection:
        writer = register(connection)
        usage.merge(connection, writer=writer, period=T, rows=rows, now=NOW)
        usage.merge(connection, writer=writer, period=T, rows=rows, now=NOW)
        assert len(usage.known(connection, [name for name, _ in rows])) == 2500
    assert total(engine, b"AUTH_02499") == cells(get_count=2499)


def test_range_is_half_open(engine: Engine) -> None:
    """A sum and its details take in begin and leave out end, over days, in order, and agree."""
    hours = [T + hour * HOUR for hour in (0, 1, 23, 24, 25, 24 * 70)]
    with write(engine) as connection:
        writer = register(connection)
        for number, period in enumerate(hours):
            usage.merge(connection, writer=writer, period=period, rows=[(b"AUTH_a", cells(get_count=1 << number))], now=NOW)
    assert total(engine, b"AUTH_a", T + HOUR, T + 25 * HOUR) == cells(get_count=0b001110)
    assert total(engine, b"AUTH_a", 0, 253402300799) == cells(get_count=0b111111)
    with read(engine) as connection:
        found = list(by_name.hours(connection, b"AUTH_a", 0, 253402300799))
        assert [period for period, _ in found] == hours
        assert list(by_name.hours(connection, b"AUTH_a", T + HOUR, T + HOUR)) == []
        assert list(by_name.hours(connection, b"AUTH_b", T, T + 10 * HOUR)) == []


def test_correction_recorded_once(engine: Engine) -> None:
    """Growth of a completed period is recorded with its difference; a replay of the same rows records nothing more."""
    with write(engine) as connection:
        writer = register(connection)
        usage.merge(connection, writer=writer, period=T, rows=[(b"AUTH_a", cells(get_count=5, passed_in=10))], now=NOW)
        assert writers.close(connection, writers=[writer], through=T + HOUR, ended=[], now=NOW) == T + HOUR
    late = [(b"AUTH_a", cells(get_count=7, passed_in=3)), (b"AUTH_b", cells()), (b"AUTH_c", cells(put_count=1))]
    for recorded in (2, 0):
        with write(engine) as connection:
            assert usage.merge(connection, writer=writer, period=T, rows=late, now=NOW + 1) == recorded
            assert usage.merge(connection, writer=writer, period=T + HOUR, rows=late, now=NOW + 1) == 0
    with read(engine) as connection:
        assert usage.corrections_between(connection, b"AUTH_a", T, T + HOUR) == [T]
        assert usage.corrections_between(connection, b"AUTH_c", T, T + HOUR) == [T]
        assert usage.corrections_between(connection, b"AUTH_b", 0, T + 9 * HOUR) == []
        assert usage.corrections_between(connection, b"AUTH_a", T + HOUR, T + 9 * HOUR) == []
        rows = connection.execute(select(schema.corrections.c.recorded_at, func.max(schema.corrections.c.get_count),
                                         func.max(schema.corrections.c.passed_in)).group_by("recorded_at")).all()
    assert rows == [(NOW + 1, 2, 0)]
    assert total(engine, b"AUTH_a", T, T + HOUR) == cells(get_count=7, passed_in=10)


def test_loss_recorded_once(engine: Engine) -> None:
    """A loss recorded again changes nothing; one that grew keeps the greater figures; both are found by any overlap."""
    with write(engine) as connection:
        writer = register(connection)
        lost = {"server_id": writer.server_id, "writer_id": writer.id, "begin": T, "kind": "spool full", "subject": b"AUTH_a "}
        usage.record_loss(connection, **lost, end=T + HOUR, requests=3, bytes_in=STORED_MAX, detail="ü" * 2000, now=NOW)
        usage.record_loss(connection, **lost, end=T + HOUR, requests=3, bytes_in=STORED_MAX, detail="x", now=NOW + 5)
        usage.record_loss(connection, **lost, end=T + 2 * HOUR, requests=2, bytes_out=1, now=NOW + 6)
        usage.record_loss(connection, server_id=writer.server_id, writer_id=0, begin=T + HOUR, end=T + 2 * HOUR,
                          kind="damaged", now=NOW)
    with read(engine) as connection:
        first, second = usage.losses_between(connection, T, T + 2 * HOUR)
        assert usage.losses_between(connection, T + 2 * HOUR, T + 9 * HOUR) == []
        assert usage.losses_between(connection, T - HOUR, T) == []
    assert (first.end, first.requests, first.bytes_in, first.bytes_out) == (T + 2 * HOUR, 3, STORED_MAX, 1)
    assert (first.server, first.incarnation, first.subject, first.recorded_at) == ("proxy-1", "a" * 32, b"AUTH_a ", NOW)
    assert first.detail == "ü" * 1000
    assert (second.incarnation, second.kind, second.requests) == (None, "damaged", 0)


def test_first_recorded(engine: Engine) -> None:
    """The first recorded period is the least that any writer began with, retired ones included; before any, None."""
    with write(engine) as connection:
        assert usage.first_recorded(connection) is None
        register(connection, first=T)
        register(connection, server="proxy-2", incarnation="b", first=T - HOUR)
        writers.retire(connection, server="proxy-2", writer=None, now=NOW)
        assert usage.first_recorded(connection) == T - HOUR
