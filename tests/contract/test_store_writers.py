"""The contract of writers: who is waited for, from when, until when, and what the site is complete through."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, select, update

from swiftstats.errors import UnknownServer
from swiftstats.fields import CELL_COUNT
from swiftstats.store import schema, succession, usage, writers
from swiftstats.store.engine import read, write
from swiftstats.store.writers import GivenUp, Writer
from tests.support import by_name

HOUR = 3600
T = 1_350_892_800  # 2012-10-22 08:00:00


def register(connection: Connection, server: str, incarnation: str, first: int = T, predecessor: str | None = None,
             period_seconds: int = HOUR) -> Writer:
    return writers.register(connection, server=server, incarnation=incarnation * 32, now=T + 100,
                            predecessor=predecessor and predecessor * 32, first_period=first, period_seconds=period_seconds)


def close(connection: Connection, *closing: Writer, through: int, ended: tuple[Writer, ...] = ()) -> int | None:
    return writers.close(connection, writers=closing, through=through, ended=ended, now=through + 60)


def complete(connection: Connection) -> int | None:
    return writers.complete_through(connection).complete_through


def high_water(connection: Connection) -> int | None:
    return connection.execute(select(schema.site.c.complete_through)).scalar()


def status(connection: Connection, name: str) -> writers.ServerStatus:
    return next(server for server in writers.servers(connection) if server.name == name)


def test_nothing_closed(engine: Engine) -> None:
    """An empty site, and one whose servers have closed nothing yet, is complete through nothing."""
    with write(engine) as connection:
        assert writers.complete_through(connection) == writers.Freshness(None, {})
        first = register(connection, "proxy-1", "a")
        assert complete(connection) is None
        register(connection, "proxy-2", "b", first=T + HOUR)
        assert complete(connection) is None
        assert close(connection, first, through=T) is None
        assert high_water(connection) is None


def test_least_server_decides(engine: Engine) -> None:
    """The site is complete through what every server has closed, and the others are waited for by name."""
    with write(engine) as connection:
        first, second = register(connection, "proxy-1", "a"), register(connection, "proxy-2", "b")
        assert close(connection, first, through=T + 2 * HOUR) is None
        assert close(connection, second, through=T + HOUR) == T + HOUR
        freshness = writers.complete_through(connection)
        assert freshness.complete_through == T + HOUR
        assert freshness.waiting_for(T + HOUR) == ()
        assert freshness.waiting_for(T + 2 * HOUR) == ("proxy-2",)
        assert freshness.waiting_for(T + 3 * HOUR) == ("proxy-1", "proxy-2")
        assert close(connection, second, through=T) == T + HOUR, "closing never goes back"
        assert high_water(connection) == T + HOUR


def test_register_again(engine: Engine) -> None:
    """Registering the same writer again changes nothing, and returns how far it has closed."""
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
        close(connection, writer, through=T + 5 * HOUR)
        again = register(connection, "proxy-1", "a", first=T + 9 * HOUR)
        assert (again.id, again.server_id, again.closed_through) == (writer.id, writer.server_id, T + 5 * HOUR)
        assert writers.find(connection, "a" * 32) == again
        assert writers.find(connection, "b" * 32) is None
        assert usage.first_recorded(connection) == T


def test_successor_ends_its_predecessor(engine: Engine) -> None:
    """A predecessor is waited for until its successor has closed what it left; then it is not."""
    with write(engine) as connection:
        old = register(connection, "proxy-1", "a")
        close(connection, old, through=T + HOUR)
        new = register(connection, "proxy-1", "b", first=T + 5 * HOUR, predecessor="a")
        assert close(connection, new, through=T + 6 * HOUR) == T + HOUR, "the old one may have left something"
        assert close(connection, new, through=T + 6 * HOUR, ended=(old,)) == T + 6 * HOUR
        found = writers.find(connection, "a" * 32)
        assert found is not None and found.ended
        assert [writer.live for writer in status(connection, "proxy-1").writers] == [False, True]
        ended_at = status(connection, "proxy-1").writers[0].ended_at
        close(connection, new, through=T + 7 * HOUR, ended=(old,))
        assert status(connection, "proxy-1").writers[0].ended_at == ended_at, "it ended once"


def test_predecessor_that_swept_since_is_not_ended(engine: Engine) -> None:
    """Who swept between being taken for gone and being ended stays live; what others ship in its name is no sign of life."""
    with write(engine) as connection:
        old = register(connection, "proxy-1", "a")
        new = register(connection, "proxy-1", "b", predecessor="a")
        [found] = succession.predecessors(connection, new.incarnation, [old.incarnation, "c" * 32])
        usage.merge(connection, writer=old, period=T, rows=[(b"AUTH_a", (1,) * CELL_COUNT)], now=T)
        assert [found] == succession.predecessors(connection, new.incarnation, []) and not found.lives
        writers.report(connection, writer=old, now=T, spool_bytes=0, backlog_periods=0)
        assert close(connection, new, through=T + HOUR, ended=(found.writer,)) is None
        assert writers.close(connection, writers=[new], left=[found.writer], through=T + HOUR, ended=[], now=T + HOUR) is None
        [found] = succession.predecessors(connection, new.incarnation, [])
        assert found.lives and not found.writer.ended


def test_two_live_writers_of_one_name(engine: Engine) -> None:
    """Two live writers under one server's name are both waited for, and both are shown."""
    with write(engine) as connection:
        first, second = register(connection, "proxy-1", "a"), register(connection, "proxy-1", "b")
        assert close(connection, first, through=T + 3 * HOUR) is None
        assert close(connection, second, through=T + HOUR) == T + HOUR
        assert len([writer for writer in status(connection, "proxy-1").writers if writer.live]) == 2
        done = writers.retire(connection, server="proxy-1", writer="b" * 32, now=T + 3 * HOUR)
        assert [given.incarnation for given in done.given_up] == ["b" * 32]
        assert complete(connection) == T + 3 * HOUR
        assert status(connection, "proxy-1").retired_at is None


def test_announced_server(engine: Engine) -> None:
    """An announced server is waited for from its announcement until a writer of it registers and closes."""
    with write(engine) as connection:
        first = register(connection, "proxy-1", "a")
        assert close(connection, first, through=T + 2 * HOUR) == T + 2 * HOUR
        writers.announce(connection, server="proxy-2", period=T + HOUR, now=T + 2 * HOUR)
        assert complete(connection) == T + HOUR
        assert writers.complete_through(connection).waiting_for(T + 2 * HOUR) == ("proxy-2",)
        assert (status(connection, "proxy-2").announced_at, status(connection, "proxy-2").registered_at) == (T + HOUR, None)
        second = register(connection, "proxy-2", "b", first=T + HOUR)
        assert close(connection, second, through=T + 3 * HOUR) == T + 2 * HOUR
        writers.announce(connection, server="proxy-2", period=T, now=T + 2 * HOUR)
        assert complete(connection) == T + 2 * HOUR, "a server with a live writer needs no announcement"
        assert high_water(connection) == T + 2 * HOUR


def test_announced_and_retired(engine: Engine) -> None:
    """An announced server that never comes can be retired; that gives up nothing."""
    with write(engine) as connection:
        first = register(connection, "proxy-1", "a")
        writers.announce(connection, server="proxy-2", period=T, now=T)
        assert close(connection, first, through=T + HOUR) is None
        done = writers.retire(connection, server="proxy-2", writer=None, now=T + HOUR)
        assert (done.given_up, done.complete_through) == ((), T + HOUR)
        assert usage.losses_between(connection, 0, T + 9 * HOUR) == []


def test_retired_server(engine: Engine) -> None:
    """A retired server is not waited for; what it may have counted is given up from where it closed, as a recorded loss."""
    with write(engine) as connection:
        first, second = register(connection, "proxy-1", "a"), register(connection, "proxy-2", "b")
        close(connection, first, through=T + 3 * HOUR)
        close(connection, second, through=T + HOUR)
        done = writers.retire(connection, server="proxy-2", writer=None, now=T + 3 * HOUR + 5)
        assert done.given_up == (GivenUp("b" * 32, T + HOUR, T + 4 * HOUR),)
        assert done.complete_through == complete(connection) == high_water(connection) == T + 3 * HOUR
        [loss] = usage.losses_between(connection, 0, T + 9 * HOUR)
        assert (loss.kind, loss.server, loss.begin, loss.end) == ("retired", "proxy-2", T + HOUR, T + 4 * HOUR)
        assert writers.retire(connection, server="proxy-2", writer=None, now=T + 9 * HOUR).given_up == (), "it is gone already"
        assert status(connection, "proxy-2").retired_at == T + 3 * HOUR + 5
        assert writers.complete_through(connection).waiting_for(T + 9 * HOUR) == ("proxy-1",)
        writers.retire(connection, server="proxy-1", writer=None, now=T + 9 * HOUR)
        assert complete(connection) is None, "nobody is left who could say"
        assert high_water(connection) == T + 3 * HOUR


@pytest.mark.parametrize("ship", ["register", "merge", "close"])
def test_shipping_from_a_retired_server(engine: Engine, ship: str) -> None:
    """A retired server that ships is live again and waited for; what comes into completed periods is a correction."""
    rows = [(b"AUTH_a", (1,) * CELL_COUNT)]
    with write(engine) as connection:
        first, second = register(connection, "proxy-1", "a"), register(connection, "proxy-2", "b")
        close(connection, first, through=T + 3 * HOUR)
        close(connection, second, through=T + HOUR)
        writers.retire(connection, server="proxy-2", writer=None, now=T + 3 * HOUR)
        assert complete(connection) == T + 3 * HOUR
        if ship == "register":
            register(connection, "proxy-2", "b")
        elif ship == "merge":
            assert usage.merge(connection, writer=second, period=T + HOUR, rows=rows, now=T + 3 * HOUR) == 1
        else:
            close(connection, second, through=T + HOUR)
        assert (complete(connection), high_water(connection)) == (T + HOUR, T + 3 * HOUR)
        assert status(connection, "proxy-2").retired_at is None
        assert usage.losses_between(connection, 0, T + 9 * HOUR) == [], "nothing is given up any more"
        assert usage.merge(connection, writer=second, period=T + 2 * HOUR, rows=rows, now=T + 3 * HOUR) == 1
        assert usage.merge(connection, writer=second, period=T + 3 * HOUR, rows=rows, now=T + 3 * HOUR) == 0
        assert close(connection, second, through=T + 2 * HOUR) == T + 2 * HOUR
        assert high_water(connection) == T + 3 * HOUR


def test_last_server_comes_back(engine: Engine) -> None:
    """Where everybody was retired and one ships again, what is complete by that is final, and later growth a correction."""
    rows = [(b"AUTH_a", (1,) * CELL_COUNT)]
    with write(engine) as connection:
        register(connection, "proxy-1", "a", first=T)
        later = register(connection, "proxy-2", "b", first=T + 2 * HOUR)
        for server in ("proxy-2", "proxy-1"):
            writers.retire(connection, server=server, writer=None, now=T)
        assert (complete(connection), high_water(connection)) == (None, None)
        assert usage.merge(connection, writer=later, period=T, rows=rows, now=T) == 0, "nobody was told that it is final"
        assert complete(connection) == high_water(connection) == T + 2 * HOUR
        assert usage.merge(connection, writer=later, period=T + HOUR, rows=rows, now=T) == 1


def test_new_writer_of_a_retired_server(engine: Engine) -> None:
    """A host that comes back without its spool is a new writer; what the old one left stays given up."""
    with write(engine) as connection:
        old = register(connection, "proxy-1", "a")
        close(connection, old, through=T + HOUR)
        writers.retire(connection, server="proxy-1", writer=None, now=T + 2 * HOUR)
        register(connection, "proxy-1", "b", first=T + 5 * HOUR)
        assert complete(connection) == T + 5 * HOUR
        assert len(usage.losses_between(connection, T + HOUR, T + 2 * HOUR)) == 1
        assert [writer.live for writer in status(connection, "proxy-1").writers] == [False, True]


def test_server_that_begins_earlier(engine: Engine) -> None:
    """A new server that brings periods which were complete opens them again; its rows in them are corrections."""
    with write(engine) as connection:
        first = register(connection, "proxy-1", "a", first=T)
        close(connection, first, through=T + 4 * HOUR)
        second = register(connection, "proxy-2", "b", first=T + 2 * HOUR)
        assert (complete(connection), high_water(connection)) == (T + 2 * HOUR, T + 4 * HOUR)
        rows = [(b"AUTH_a", (1,) * CELL_COUNT)]
        assert usage.merge(connection, writer=second, period=T + 2 * HOUR, rows=rows, now=T + 9 * HOUR) == 1
        register(connection, "proxy-3", "c", first=T - HOUR)
        assert complete(connection) is None, "of the site's first period nothing is closed now"
        assert usage.first_recorded(connection) == T - HOUR


def test_server_that_begins_later(engine: Engine) -> None:
    """A new server leaves complete what was complete before it began, and holds up what comes after."""
    with write(engine) as connection:
        first = register(connection, "proxy-1", "a")
        close(connection, first, through=T + 2 * HOUR)
        register(connection, "proxy-2", "b", first=T + 3 * HOUR)
        assert complete(connection) == T + 2 * HOUR
        assert close(connection, first, through=T + 9 * HOUR) == T + 3 * HOUR


def test_ended_writer_that_registers(engine: Engine) -> None:
    """A writer that somebody ended and that comes back is waited for again."""
    with write(engine) as connection:
        old, new = register(connection, "proxy-1", "a"), register(connection, "proxy-1", "b", predecessor="a")
        assert close(connection, new, through=T + HOUR, ended=(old,)) == T + HOUR
        assert not register(connection, "proxy-1", "a").ended
        assert complete(connection) is None


def test_renamed_server(engine: Engine) -> None:
    """A writer whose host was renamed moves to the new name, is counted once, and the old name is not waited for."""
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
        close(connection, writer, through=T + HOUR)
        moved = register(connection, "proxy-one", "a")
        assert (moved.id, moved.server) == (writer.id, "proxy-one")
        assert close(connection, moved, through=T + 2 * HOUR) == T + 2 * HOUR
        assert status(connection, "proxy-1").closed_through is None


def test_other_period_length(engine: Engine) -> None:
    """A writer of another period length is told the site's, which is that of the first writer."""
    with write(engine) as connection:
        assert register(connection, "proxy-1", "a").site_period_seconds == HOUR
        other = register(connection, "proxy-2", "b", period_seconds=900)
        assert (other.period_seconds, other.site_period_seconds) == (900, HOUR)


def test_unknown_names(engine: Engine) -> None:
    """Retiring a server or writer that nobody knows is refused by its name, and so is another server's writer."""
    with write(engine) as connection:
        register(connection, "proxy-1", "a")
        register(connection, "proxy-2", "b")
        for server, writer in (("proxy-9", None), ("proxy-1", "c" * 32), ("proxy-1", "b" * 32)):
            with pytest.raises(UnknownServer, match=writer or server):
                writers.retire(connection, server=server, writer=writer, now=T)


def test_database_that_was_replaced(engine: Engine) -> None:
    """Where a database was restored and an id is another writer's now, nothing is written under it."""
    with write(engine) as connection:
        writer = register(connection, "proxy-1", "a")
    with write(engine) as connection:
        connection.execute(update(schema.writers).values(incarnation="b" * 32))
    rows = [(b"AUTH_a", (1,) * CELL_COUNT)]
    with write(engine) as connection:
        with pytest.raises(UnknownServer, match="a" * 32):
            usage.merge(connection, writer=writer, period=T, rows=rows, now=T)
        with pytest.raises(UnknownServer):
            close(connection, writer, through=T + HOUR)
        assert by_name.total(connection, b"AUTH_a", T, T + HOUR) == (0,) * CELL_COUNT


def test_report(engine: Engine) -> None:
    """What a flush reports is shown per writer and per server."""
    with write(engine) as connection:
        writer = register(connection, "prøxy\udcff", "a")
        writers.report(connection, writer=writer, now=T + 7, spool_bytes=2**40, backlog_periods=3)
    with read(engine) as connection:
        [server] = writers.servers(connection)
    assert (server.name, server.last_flush, server.spool_bytes, server.backlog_periods) == ("prøxy\udcff", T + 7, 2**40, 3)
    assert (server.writers[0].incarnation, server.writers[0].predecessor) == ("a" * 32, None)
