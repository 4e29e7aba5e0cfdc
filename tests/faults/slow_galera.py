"""A Galera cluster of three under real flushers: nodes that are killed in a flush, and partitions. Part of `make faults` only.

(Its name keeps it out of `make test`: the cluster takes a while to start.)
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from swiftstats import migrations
from swiftstats.demo.processes import Process, wait_for
from swiftstats.errors import DatabaseBusy
from swiftstats.fields import CELL_COUNT
from swiftstats.flush.shipping import transact
from swiftstats.store import dialects, usage, writers
from swiftstats.store import engine as engines
from swiftstats.store.schema import io_hours
from tests.contract.test_store_writers import HOUR, T, close, register
from tests.faults.host import command
from tests.faults.load import COUNT
from tests.faults.wire import Wire
from tests.support import by_name
from tests.support.galera import Cluster

pytestmark = pytest.mark.timeout(300)

NAMES = 20_000
CONFIGURATION = """\
[DEFAULT]
database = mysql+pymysql://meter:meter@127.0.0.1:{port}/site
spool = {folder}/spool
server = {server}
period_seconds = 5
[flusher]
flush = external
flush_interval = 1
flush_jitter = 0
batch_rows = 500
"""


class Flusher:
    """A host without a proxy: its counts come from a process of the test, its database through a wire to one node."""

    def __init__(self, cluster: Cluster, folder: Path, server: str) -> None:
        folder.mkdir()
        self.cluster, self.node, self.server = cluster, cluster.nodes[0], server
        self.wire = Wire(lambda: self.node.port)
        self.configuration = folder / "swiftstats.conf"
        self.configuration.write_text(CONFIGURATION.format(port=self.wire.port, folder=folder, server=server))
        self.process = Process(f"flusher-{server}", command(self.configuration, "flush", "--verbose"), folder / "log")
        self.counted = 0

    def count(self, number: int = NAMES) -> None:
        """Count one request for each of so many accounts."""
        subprocess.run([sys.executable, "-c", COUNT, str(self.configuration), str(number), "AUTH_g", "proven"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)
        self.counted += number

    def fail_over(self, number: int) -> None:
        """Reach the cluster by another node from now on, as a balancer would have it."""
        self.node = self.cluster.nodes[number]
        self.wire.cut_all()

    def stored(self) -> int:
        """Return what the cluster has of it, as its node says; -1 while it does not."""
        try:
            rows = self.node.execute(
                "SELECT COALESCE(SUM(get_count), 0) FROM site.io_hours JOIN site.writers ON writers.id = writer_id"
                f" JOIN site.servers ON servers.id = server_id WHERE servers.name = '{self.server}'")
        except Exception:
            return -1
        return int(str(rows[0][0]))

    def wait(self) -> None:
        """Return when the database has all that was counted: no more, no less."""
        wait_for(lambda: self.stored() >= self.counted, seconds=90,
                 what=f"{self.counted} requests, {self.stored()} are there\n{self.process.tail()}")
        assert self.stored() == self.counted


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as started:
        started.nodes[0].execute("CREATE DATABASE site", "CREATE USER meter@'127.0.0.1' IDENTIFIED BY 'meter'",
                                 "GRANT ALL ON site.* TO meter@'127.0.0.1'")
        yield started


@pytest.fixture
def flusher(cluster: Cluster, tmp_path: Path) -> Iterator[Flusher]:
    yield from _running(cluster, tmp_path, f"host-{tmp_path.name}")


@pytest.fixture
def other(cluster: Cluster, tmp_path: Path) -> Iterator[Flusher]:
    yield from _running(cluster, tmp_path, f"other-{tmp_path.name}")


def _running(cluster: Cluster, folder: Path, server: str) -> Iterator[Flusher]:
    started = Flusher(cluster, folder / server, server)
    with started.wire:
        subprocess.run(command(started.configuration, "migrate"), stdin=subprocess.DEVNULL, check=True, timeout=90)
        started.process.start()
        try:
            yield started
        finally:
            started.process.stop()


def test_node_killed_in_a_flush(cluster: Cluster, flusher: Flusher) -> None:
    """A node that dies in the middle of a flush costs nothing: the flusher goes on with another one."""
    flusher.count()
    wait_for(lambda: 0 < flusher.stored() < NAMES, seconds=60, what="a flush under way")
    cluster.nodes[0].kill()
    flusher.fail_over(1)
    flusher.wait()
    cluster.nodes[0].start()
    cluster.wait_for_size(3, of=cluster.nodes[0])
    flusher.fail_over(0)
    flusher.wait()


def test_minority_refuses(cluster: Cluster, flusher: Flusher) -> None:
    """A node that is cut off from the others takes nothing; what was counted waits, and is shipped once it is back."""
    flusher.count(1000)
    flusher.wait()
    cluster.nodes[0].isolate(True)
    try:
        wait_for(lambda: cluster.nodes[0].status("cluster_status") == "non-Primary", seconds=60, what="a minority")
        flusher.count()
        wait_for(lambda: "cannot flush" in flusher.process.log.read_text(), seconds=30, what="the flusher to say so")
    finally:
        cluster.nodes[0].isolate(False)
    cluster.wait_for_size(3, of=cluster.nodes[0])
    flusher.wait()


def test_majority_goes_on(cluster: Cluster, flusher: Flusher) -> None:
    """The larger half of a partition takes everything; the node that was cut off has it too when it is back."""
    cluster.nodes[0].isolate(True)
    try:
        cluster.wait_for_size(2, of=cluster.nodes[1])
        flusher.fail_over(1)
        flusher.count()
        flusher.wait()
    finally:
        cluster.nodes[0].isolate(False)
    cluster.wait_for_size(3, of=cluster.nodes[0])
    flusher.fail_over(0)
    flusher.wait()


def test_flushers_on_two_nodes(cluster: Cluster, flusher: Flusher, other: Flusher) -> None:
    """Two hosts flush the same accounts through two nodes at once; what certification refuses is tried again."""
    other.fail_over(1)
    for _ in range(3):
        flusher.count(2000)
        other.count(2000)
    flusher.wait()
    other.wait()


def _through(cluster: Cluster, *numbers: int) -> list[Engine]:
    """Return engines on a fresh database, each through a node."""
    url, port = cluster.nodes[0].url(), cluster.nodes[0].port
    found = [engines.create(url.replace(f":{port}/", f":{cluster.nodes[number].port}/")) for number in numbers]
    migrations.upgrade(found[0], ("AUTH_",))
    return found


@pytest.mark.parametrize("first", ["merge", "complete"])
def test_refused_where_one_server_waits(cluster: Cluster, first: str) -> None:
    """What would wait for another's COMMIT on one server is refused between nodes; done again, it sees what the other did."""
    here, there = _through(cluster, 0, 1)
    with engines.write(here) as connection:
        one, two = register(connection, "proxy-1", "a"), register(connection, "proxy-2", "b")
        close(connection, one, through=T + HOUR)
    seen = f"SELECT closed_through FROM {here.url.database}.writers WHERE id = {one.id}"
    wait_for(lambda: cluster.nodes[1].execute(seen) == [(T + HOUR,)], seconds=30, what="the other node to have it")

    def merge(connection: Connection) -> None:
        usage.merge(connection, writer=one, period=T, rows=[(b"AUTH_a", (1,) * CELL_COUNT)], now=T)

    def complete(connection: Connection) -> None:
        close(connection, two, through=T + HOUR)

    earlier, later = (merge, complete) if first == "merge" else (complete, merge)
    with pytest.raises(DatabaseBusy), engines.write(here) as connection:
        earlier(connection)
        transact(there, later)
    transact(here, earlier)
    with engines.read(here) as connection:
        assert writers.complete_through(connection).complete_through == T + HOUR
        assert usage.corrections_between(connection, b"AUTH_a", T, T + HOUR) == ([T] if first == "merge" else [])
    here.dispose()
    there.dispose()


@pytest.mark.parametrize("number", [0, 1])
def test_dropped_month_ends_readers(cluster: Cluster, number: int) -> None:
    """Where a month is dropped, who reads the table is refused, on each node, where one server would wait; nobody reads less."""
    here, there = _through(cluster, 0, number)
    with engines.write(here) as connection:
        writer = register(connection, "proxy-1", "a")
        usage.merge(connection, writer=writer, period=T, rows=[(b"AUTH_a", (1,) * CELL_COUNT)], now=T)
    seen = f"SELECT COUNT(*) FROM {here.url.database}.io_hours"
    wait_for(lambda: cluster.nodes[number].execute(seen) == [(1,)], seconds=30, what="the other node to have it")
    with pytest.raises(DatabaseBusy), engines.read(there) as reading:
        assert by_name.total(reading, b"AUTH_a", T, T + HOUR) == (1,) * CELL_COUNT
        with engines.write(here) as connection:
            dialect = dialects.of(connection)
            dialect.drop_partitions(connection, io_hours, [dialect.partitions(connection, io_hours)[0].name])
        wait_for(lambda: by_name.total(reading, b"AUTH_a", T, T + HOUR) != (1,) * CELL_COUNT, seconds=30, what="the refusal")
    here.dispose()
    there.dispose()
