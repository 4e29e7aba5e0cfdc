"""Read the space of accounts from the account databases on this host's devices, and write nothing there.

Swift's own AccountBroker is not used: it merges pending rows when it reads, and quarantines a database that it cannot read.
Databases are opened read-only. Where the file of pending rows beside one is not empty, its own account server is asked instead
(HEAD, which merges them). Swift moves databases at any time: one that is gone when it is opened is no failure, since it is read
where it went to, here or on another server.
"""

from __future__ import annotations

import http.client
import os
import sqlite3
import threading
import time
from contextlib import closing
from typing import Callable, Iterator, Mapping, NamedTuple
from urllib.parse import quote

from swiftstats.collect.account_figures import gone, of_headers, of_rows, unread
from swiftstats.collect.account_ring import AccountRing, is_mounted
from swiftstats.errors import CrawlError, Unread
from swiftstats.store.space import Report

#: How long a database that a Swift process writes is waited for (s).
BUSY_SECONDS = 5.0
#: DEVICE/accounts/PARTITION/SUFFIX/HASH/HASH.db: so many folders lie between `accounts` and the last.
_DEPTH = 3
_STAT = "account, status, put_timestamp, delete_timestamp, s.container_count, s.object_count, s.bytes_used"
#: One statement each, so one snapshot. Databases of old versions, until Swift writes to them, lack a column or the table.
_QUERIES = (
    f"SELECT {_STAT}, p.storage_policy_index, p.container_count, p.object_count, p.bytes_used"
    " FROM one.account_stat s LEFT JOIN one.policy_stat p",
    f"SELECT {_STAT}, p.storage_policy_index, NULL, p.object_count, p.bytes_used"
    " FROM one.account_stat s LEFT JOIN one.policy_stat p",
    f"SELECT {_STAT}, NULL, NULL, NULL, NULL FROM one.account_stat s",
)


class Place(NamedTuple):
    """Where a database lies: its folder is DEVICES/device/accounts/partition/…, its position the ring's."""

    device: str
    partition: str
    position: int
    path: str


class AccountDatabases:
    """Every account database on the devices below a folder.

    server: this host's name, which with the device names the replica. timeout: of the account server (s).
    """

    method = "databases"
    #: Databases that one thread reads in a row.
    batch = 50

    def __init__(self, *, devices: str, server: str, ring: AccountRing, policies: Mapping[int, str], mount_check: bool = True,
                 timeout: float = 30.0, clock: Callable[[], float] = time.time) -> None:
        self._devices, self._server, self._ring = devices, server, ring
        self._policies = dict(policies)
        self._by_lower_case = {name.lower(): name for name in policies.values()}
        self._mount_check, self._timeout, self._clock = mount_check, timeout, clock
        self._of_thread = threading.local()
        self._walked, self._to_walk = 0, 0

    def items(self) -> Iterator[Place | Unread]:
        """Yield each place where a database should be, and what kept us from looking; raise CrawlError where all of it did."""
        try:
            names = sorted(os.listdir(self._devices))
        except OSError as error:
            raise CrawlError(f"devices: {self._devices} cannot be listed: {error.strerror}") from None
        walks = []
        for device in names:
            root = os.path.join(self._devices, device)
            if not os.path.isdir(root):
                continue
            if self._mount_check and not is_mounted(root):
                yield Unread(root, "not mounted", lasting=True)
                continue
            for folder in _list(root):
                if isinstance(folder, Unread):
                    yield folder
                elif os.path.basename(folder).startswith("accounts"):
                    walks.append((device, folder))
        self._walked, self._to_walk = 0, sum(1 for _device, folder in walks for _partition in _list(folder))
        for device, folder in walks:
            yield from self._walk(device, folder)

    def share(self) -> float | None:
        """Return how much of the partitions has been walked, from 0 to 1; None before it is known."""
        return self._walked / self._to_walk if self._to_walk else None

    def read(self, place: Place) -> Report | None:
        """Return what a database, or its account server, says; None where it is gone. Raises Unread."""
        try:
            # Looked at first: what comes to be pending after this moment is later than the reading.
            pending = _size(place.path + ".pending")
            rows = self._select(place.path)
        except (sqlite3.Error, OSError) as error:
            if not os.path.exists(place.path):
                return None
            raise Unread(place.path, f"the database cannot be read: {error}") from None
        report = of_rows(rows, self._policies, path=place.path, replica=f"{self._server}/{place.device}",
                         position=place.position, read_at=int(self._clock()))
        return self._ask(place, report) if pending else report

    def _walk(self, device: str, folder: str) -> Iterator[Place | Unread]:
        for partition in _list(folder):
            self._walked += 1
            if isinstance(partition, Unread):
                yield partition
                continue
            name = os.path.basename(partition)
            if not name.isdigit():
                continue
            position = self._ring.position(device, int(name))
            for found in _descend(partition, _DEPTH - 1):
                if isinstance(found, Unread):
                    yield found
                else:
                    yield Place(device, name, position, f"{found}/{os.path.basename(found)}.db")

    def _select(self, path: str) -> list[tuple[object, ...]]:
        """Return the rows of a database, read-only: nothing is merged, rolled back or made."""
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            # PERF: to attach a database to a connection that is there takes three quarters of what a connection of its own
            # does (bench/space.py). The one of each thread is to nothing, in memory.
            connection = sqlite3.connect("file::memory:", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            connection.text_factory = bytes
        self._of_thread.connection = None
        try:
            connection.execute("ATTACH ? AS one", (f"file:{quote(os.fsencode(path))}?mode=ro",))
            rows = _rows(connection)
            connection.execute("DETACH one")
        except BaseException:
            connection.close()  # and with it whatever is still attached
            raise
        self._of_thread.connection = connection
        return rows

    def _ask(self, place: Place, stored: Report) -> Report | None:
        """Return what the account server says of an account that has pending rows."""
        server = self._ring.server(place.device)
        if server is None:
            raise unread(stored.account,
                         f"{place.path} has pending rows, and no server of the account ring has {place.device}")
        path = f"/{quote(server.device)}/{place.partition}/{quote(stored.account, safe='')}"
        try:
            with closing(http.client.HTTPConnection(server.ip, server.port, timeout=self._timeout)) as connection:
                connection.request("HEAD", path, headers={"User-Agent": "swiftstats"})
                answer = connection.getresponse()
                headers = answer.getheaders()
        except (OSError, http.client.HTTPException) as error:
            raise unread(stored.account, f"its account server {server.ip}:{server.port} does not answer: {error}") from None
        read_at = int(self._clock())
        if answer.status == 404:
            if not os.path.exists(place.path):
                return None
            return gone(stored.account, "deleted", replica=stored.replica, position=stored.position, read_at=read_at)
        if not 200 <= answer.status < 300:
            raise unread(stored.account, f"its account server {server.ip}:{server.port} answered {answer.status}")
        return of_headers(stored.account, headers, self._by_lower_case, replica=stored.replica, position=stored.position,
                          read_at=read_at)


def _rows(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    for query in _QUERIES[:-1]:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if not str(error).startswith(("no such column", "no such table: one.policy_stat")):
                raise
    return connection.execute(_QUERIES[-1]).fetchall()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _list(folder: str) -> Iterator[str | Unread]:
    """Yield the paths in a folder; nothing where it is gone or none, and what kept us from looking."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.path
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield Unread(folder, f"cannot be listed: {error.strerror}")


def _descend(folder: str, depth: int) -> Iterator[str | Unread]:
    """Yield what lies `depth` folders below."""
    for found in _list(folder):
        if depth == 1 or isinstance(found, Unread):
            yield found
        else:
            yield from _descend(found, depth - 1)
