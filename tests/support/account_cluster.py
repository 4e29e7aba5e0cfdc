"""A Swift of several replicas for tests of space, and what its operator does with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote

from swiftstats.demo.processes import wait_for
from swiftstats.demo.swift import Swift

#: What the updaters have to bring the accounts up to date (s).
UPDATED_SECONDS = 60
POLICIES = ("gold", "Silver-2")


class Cluster:
    """The cluster, and what its operator does with it."""

    def __init__(self, swift: Swift) -> None:
        from swiftclient import Connection

        self.swift = swift
        user = swift.user("admin")
        _url, self.token = Connection(swift.auth_url, user.login, user.key, retries=0).get_auth()

    def client(self, account: str) -> Any:
        """Return a client of an account, as a reseller admin."""
        from swiftclient import Connection

        return Connection(preauthurl=f"{self.swift.url}/v1/{quote(account, safe='')}", preauthtoken=self.token, retries=0)

    def request(self, method: str, account: str) -> int:
        """Return the status of a request on an account itself."""
        request = urllib.request.Request(f"{self.swift.url}/v1/{quote(account, safe='')}", method=method,
                                         headers={"X-Auth-Token": self.token})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def fill(self, account: str, containers: dict[str, tuple[int, list[int]]]) -> None:
        """Make containers: name → (index of its policy, sizes of its objects)."""
        client = self.client(account)
        for name, (policy, sizes) in containers.items():
            client.put_container(name, headers={"X-Storage-Policy": POLICIES[policy]})
            for number, size in enumerate(sizes):
                client.put_object(name, f"o{number}", b"x" * size)

    def stat(self, account: str) -> dict[str, int]:
        """Return what `swift stat` shows of an account."""
        return {name: int(value) for name, value in self.client(account).head_account().items()
                if name.endswith(("-count", "-bytes-used"))}

    def wait_for(self, account: str, containers: int, objects: int, size: int) -> None:
        """Return when every primary replica, whichever the proxy may ask, has these figures."""
        wait_for(lambda: self.replicas(account) == [(containers, objects, size)] * 3, seconds=UPDATED_SECONDS,
                 what=lambda: f"the figures of {account}: {self.replicas(account)}")

    def ring(self) -> Any:
        """Return the ring of the accounts."""
        from swift.common import utils

        utils.SWIFT_CONF_FILE = str(self.swift.folder / "swift.conf")
        from swift.common.ring import Ring

        return Ring(str(self.swift.folder), ring_name="account")

    def replicas(self, account: str) -> list[tuple[int, ...] | None]:
        """Return (containers, objects, bytes) as each primary's account server says it; None where there is no such account."""
        found: list[tuple[int, ...] | None] = []
        partition, nodes = self.ring().get_nodes(account)
        for node in nodes:
            request = urllib.request.Request(
                f"http://{node['ip']}:{node['port']}/{node['device']}/{partition}/{quote(account, safe='')}", method="HEAD")
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    found.append(tuple(int(answer.headers[f"X-Account-{name}"])
                                       for name in ("Container-Count", "Object-Count", "Bytes-Used")))
            except urllib.error.HTTPError as error:
                error.close()
                found.append(None)
        return found

    def databases(self) -> Iterator[Path]:
        """Yield the path of every account database that there is."""
        yield from (self.swift.folder / "devices").glob("*/accounts/*/*/*/*.db")

    def positions(self) -> dict[str, list[tuple[int, str]]]:
        """Return, per folder of an account's database, (position in the ring, device) of each replica that there is."""
        ring = self.ring()
        found: dict[str, list[tuple[int, str]]] = {}
        for path in self.databases():
            device, partition = path.parts[-6], int(path.parts[-4])
            order = [each["device"] for each in (*ring.get_part_nodes(partition), *ring.get_more_nodes(partition))]
            found.setdefault(path.stem, []).append((order.index(device), device))
        return found

    def is_primary(self, path: Path) -> bool:
        """Tell whether a database lies where the ring wants it."""
        return path.parts[-6] in [each["device"] for each in self.ring().get_part_nodes(int(path.parts[-4]))]

    def displace(self, path: Path) -> None:
        """Move a database from a primary's device to the first handoff's, as if that had been away when it was made."""
        device, partition = path.parts[-6], int(path.parts[-4])
        handoff = next(iter(self.ring().get_more_nodes(partition)))["device"]
        place = self.swift.folder / "devices"
        os.renames(path.parent, place / handoff / path.parent.relative_to(place / device))


def name_of(path: Path) -> str:
    """Return the account that a database is of, without writing to it."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return str(connection.execute("SELECT account FROM account_stat").fetchone()[0])
