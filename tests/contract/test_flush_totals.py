"""What is shipped: totals that equal the counts, however often and in whatever order they are flushed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from swiftstats.fields import STORED_MAX, UNKNOWN
from swiftstats.flush import closing
from swiftstats.flush.archive import Archive
from swiftstats.journal import layout, period_file
from swiftstats.journal.control import Control
from swiftstats.store import usage, writers
from swiftstats.store.engine import read, write
from tests.support import by_name
from tests.support.hosts import Host, complete_through, dump, everything, hours, losses, status, sum_of_store, total
from tests.support.spools import GET, HOUR, ONE, T, cells


def archive(host: Host) -> Archive:
    return Archive(host.spool, Control(str(host.path / "control")))


def test_running_then_closed(host: Host, engine: Engine) -> None:
    """Flushed while it runs and closed after it, any number of times, a period's totals are what was counted."""
    other = host.new_worker()
    for _ in range(3):
        host.count("AUTH_a", 2)
        host.count("AUTH_a", 1, worker=other)
        host.count("AUTH_b", 5, worker=other)
        for _ in range(2):
            assert host.sweep().closed_through == T
        assert everything(engine) == {"AUTH_a": {T: host.ledger[T, "AUTH_a"]}, "AUTH_b": {T: host.ledger[T, "AUTH_b"]}}
        assert complete_through(engine) is None
    host.later()
    host.count("AUTH_a", 100)
    first = host.sweep(running=False)
    assert (first.periods, first.rows, first.closed_through, first.segments_left) == ([T], 2, T + HOUR, 1)
    assert everything(engine) == {"AUTH_a": {T: 9}, "AUTH_b": {T: 15}}
    assert complete_through(engine) == T + HOUR
    shipped = dump(engine)["io_hours"]
    again = host.sweep(running=False)
    assert (again.periods, again.rows) == ([], 0)
    assert dump(engine)["io_hours"] == shipped and dump(engine)["corrections"] == []
    assert losses(engine) == []


def test_nothing_is_closed_early(host: Host, engine: Engine) -> None:
    """A period is not closed in its last second, and is at its end."""
    host.count()
    host.clock.now = T + HOUR - 1
    assert host.sweep(running=False).periods == []
    assert everything(engine) == {}
    host.clock.now = T + HOUR
    assert host.sweep(running=False).periods == [T]


def test_names_are_decided_at_the_close(host: Host, engine: Engine) -> None:
    """A running flush ships proven names only; at the close those that the store knows are admitted, others are (unknown)."""
    host.count("AUTH_known", 3)
    host.close()
    period = T + HOUR
    host.count("AUTH_known", 4, proven=False)
    host.count("AUTH_garbage", 5, proven=False)
    host.count(UNKNOWN, 6, proven=False)
    host.count("AUTH_new", 7)
    host.sweep()
    assert everything(engine) == {"AUTH_known": {T: 3}, "AUTH_new": {period: 7}}
    host.close()
    assert everything(engine) == {"AUTH_known": {T: 3, period: 4}, "AUTH_new": {period: 7}, UNKNOWN: {period: 11}}


def test_evidence_of_one_worker_is_for_all(host: Host, engine: Engine) -> None:
    """A name that one worker has evidence for is admitted with what another counted without."""
    host.count("AUTH_a", 2, proven=False)
    host.count("AUTH_a", 3, worker=host.new_worker())
    host.sweep()
    assert everything(engine) == {"AUTH_a": {T: 5}}
    host.close()
    assert everything(engine) == {"AUTH_a": {T: 5}}


def test_names_of_any_bytes(host: Host, engine: Engine) -> None:
    """Names of NUL, spaces, invalid UTF-8 and 256 bytes are accounts of their own in the store."""
    names = ["\0", "AUTH_a", "AUTH_a ", "\xff\xfe", "ü".encode().decode("latin-1") * 128]
    for number, name in enumerate(names):
        host.count(name, number + 1)
    host.close()
    with read(engine) as connection:
        found = [by_name.total(connection, name.encode("latin-1"), T, T + HOUR)[GET] for name in names]
    assert found == [1, 2, 3, 4, 5]


def test_small_batches(host: Host, engine: Engine) -> None:
    """A period of more rows than one transaction takes is closed by the last one, under several writers too."""
    host.options["batch_rows"] = 3
    for number in range(10):
        host.count(f"AUTH_{number}", number + 1)
    host.sweep()
    host.close()
    assert everything(engine) == {f"AUTH_{number}": {T: number + 1} for number in range(10)}
    assert complete_through(engine) == T + HOUR


def test_hours_without_traffic_close(host: Host, engine: Engine) -> None:
    """A host that served nothing closes its periods, and gaps between periods with traffic are closed with them."""
    host.sweep()
    host.later()
    host.sweep()
    assert complete_through(engine) == T + HOUR
    host.count("AUTH_a", 1)
    host.later(3)
    host.count("AUTH_a", 2)
    host.later()
    assert host.sweep().periods == [T + HOUR, T + 4 * HOUR]
    assert hours(engine, "AUTH_a") == {T + HOUR: 1, T + 4 * HOUR: 2}
    assert complete_through(engine) == T + 5 * HOUR
    host.close()
    assert complete_through(engine) == T + 6 * HOUR


def test_backlog_is_closed_in_order(host: Host, engine: Engine) -> None:
    """A spool of many periods that nobody swept is shipped oldest first."""
    for number in range(5):
        host.count("AUTH_a", number + 1)
        host.later()
    assert host.sweep().periods == [T + number * HOUR for number in range(5)]
    assert hours(engine, "AUTH_a") == {T + number * HOUR: number + 1 for number in range(5)}


def test_period_file_is_written_once(host: Host, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided is shipped again from the file, byte for byte the same, though the store knows more by now."""
    host.count("AUTH_late", 3, proven=False)
    with monkeypatch.context() as patch:
        patch.setattr(closing, "ship_period_file", None)
        host.later()
        with pytest.raises(TypeError):
            host.sweep()
    path = archive(host).find(T)
    assert path is not None
    content = Path(path).read_bytes()
    with write(engine) as connection:
        elsewhere = writers.register(connection, server="proxy-2", incarnation="b" * 32, predecessor=None, first_period=T,
                                     period_seconds=HOUR, now=T)
        usage.merge(connection, writer=elsewhere, period=T, rows=[(b"AUTH_late", cells(get_count=1))], now=T)
    host.sweep()
    assert Path(path).read_bytes() == content
    assert everything(engine) == {"AUTH_late": {T: 1}, UNKNOWN: {T: 3}}
    assert [row.name for row in period_file.read(path)[1]] == [UNKNOWN.encode()]


def test_lost_counts_become_a_loss(host: Host, engine: Engine) -> None:
    """What workers could not count is recorded when its period closes, once, summed over workers."""
    for _ in range(2):
        small = host.new_worker(spool_max_bytes=host.spool.counter_bytes() + layout.file_bytes(1))
        added = 0
        while small.add(f"AUTH_{added}", ONE, True):
            added += 1
        small.close()
    host.sweep()
    assert losses(engine) == []
    for _ in range(2):
        host.close()
        [loss] = losses(engine)
        assert (loss.kind, loss.begin, loss.end, loss.requests, loss.server) == ("uncounted", T, T + HOUR, 2, "proxy-1")


@pytest.mark.parametrize("amounts", [(STORED_MAX, 1), (2**63,), (2**64 - 1, 2**64 - 1)])
def test_more_than_a_store_holds(host: Host, engine: Engine, amounts: tuple[int, ...]) -> None:
    """A total beyond 2^63-1 is put aside by name, with its counters, and the other accounts go on."""
    for amount in amounts:
        host.count("AUTH_huge", amount, worker=host.new_worker())
    host.count("AUTH_a", STORED_MAX)
    host.sweep()
    host.close()
    assert everything(engine) == {"AUTH_a": {T: STORED_MAX}}
    [loss] = losses(engine)
    assert (loss.kind, loss.subject) == ("overflow", b"AUTH_huge") and str(sum(amounts)) in loss.detail
    assert complete_through(engine) == T + HOUR


def test_losses_beyond_what_a_store_holds(host: Host, engine: Engine) -> None:
    """Lost figures that no store holds (a damaged header) are cut to what it does; the period is not held up by them."""
    host.count()
    with open(host.segments()[0].path, "r+b") as file:
        file.seek(layout.H_LOST * 8)
        file.write(b"\xff" * 24)
    assert host.close().periods == [T]
    [loss] = losses(engine)
    assert (loss.requests, loss.bytes_in, loss.bytes_out) == (STORED_MAX,) * 3
    assert total(engine, "AUTH_a") == 1


def test_corrections(host: Host, engine: Engine, tmp_path: Path) -> None:
    """What a host brings for a period that the site had completed is merged, and recorded as a correction, once."""
    host.count("AUTH_a", 1)
    host.close()
    assert complete_through(engine) == T + HOUR
    new = Host(engine, tmp_path / "other", server="proxy-2")
    new.count("AUTH_a", 10)
    new.close()
    assert total(engine, "AUTH_a") == 11
    for _ in range(2):
        new.sweep()
        with read(engine) as connection:
            assert usage.corrections_between(connection, b"AUTH_a", T, T + HOUR) == [T]


def test_two_spools_of_one_server(host: Host, engine: Engine, tmp_path: Path) -> None:
    """Two spools under one server's name are two writers: both are summed, and both are waited for."""
    other = Host(engine, tmp_path / "other")
    host.count("AUTH_a", 1)
    other.count("AUTH_a", 10)
    host.sweep()
    other.sweep()
    assert total(engine, "AUTH_a") == 11
    host.close()
    assert complete_through(engine) is None
    other.close()
    assert complete_through(engine) == T + HOUR
    assert len(status(engine)) == 2 and sum_of_store(engine) == 11
