"""Devices with account databases that Swift's own code made, and a ring and swift.conf for them: no server runs."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Any, Sequence

#: Of the ring.
PART_POWER = 8
POLICIES = ("gold", "Silver-2")


def make_ring(folder: Path, devices: Sequence[str], *, replicas: int = 1, port: int = 6202) -> Path:
    """Write account.ring.gz and swift.conf for devices of this host; return their folder."""
    from swift.common.ring import RingBuilder

    folder.mkdir(parents=True, exist_ok=True)
    builder = RingBuilder(PART_POWER, replicas, 1)
    for number, device in enumerate(devices):
        builder.add_dev({"id": number, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": device, "weight": 1.0,
                         "replication_ip": "127.0.0.1", "replication_port": port, "meta": ""})
    builder.rebalance(seed="1")
    builder.get_ring().save(str(folder / "account.ring.gz"))
    sections = ["[swift-hash]\nswift_hash_path_suffix = test\n"]
    for index, name in enumerate(POLICIES):
        sections.append(f"[storage-policy:{index}]\nname = {name}\ndefault = {'no' if index else 'yes'}\n")
    (folder / "swift.conf").write_text("".join(sections))
    return folder


def place(device: Path, account: bytes) -> Path:
    """Return where a device has an account's database; the hash is not salted as Swift's is."""
    digest = hashlib.md5(account, usedforsecurity=False).hexdigest()
    folder = device / "accounts" / str(int(digest[:8], 16) >> (32 - PART_POWER)) / digest[-3:] / digest
    return folder / f"{digest}.db"


def make_account(device: Path, account: str, containers: Sequence[tuple[str, int, int, int]] = ()) -> Path:
    """Make an account's database by Swift's own code; containers are (name, objects, bytes, policy). Return its path."""
    from swift.account.backend import AccountBroker
    from swift.common.utils import Timestamp

    path = place(device, account.encode())
    path.parent.mkdir(parents=True)
    broker: Any = AccountBroker(str(path), account=account)
    broker.initialize(Timestamp(1).internal)
    for name, objects, size, policy in containers:
        broker.put_container(name, Timestamp(2).internal, Timestamp(0).internal, objects, size, policy)
    broker.get_info()  # merges what is pending
    return path


def make_accounts(device: Path, count: int, *, first: int = 0) -> None:
    """Make `count` accounts, AUTH_0, AUTH_1, … or from another number on, each in two policies: copies of one database, renamed.

    The one of number n has n containers more than it lists, so that each has figures of its own.
    """
    template = make_account(device, "AUTH_template", [("a", 3, 4096, 0), ("b", 5, 1, 1)])
    content = template.read_bytes()
    for path in sorted(template.parent.iterdir()):
        path.unlink()
    os.removedirs(template.parent)
    for number in range(first, first + count):
        name = f"AUTH_{number}"
        path = place(device, name.encode())
        os.makedirs(path.parent)
        path.write_bytes(content)
        change(path, f"UPDATE account_stat SET account = '{name}', container_count = 2 + {number}", quick=True)
        change(path, f"UPDATE policy_stat SET container_count = 1 + {number} WHERE storage_policy_index = 0", quick=True)


def change(path: Path, statement: str, *, quick: bool = False) -> None:
    """Run a statement on a database; `quick`: what a power cut would leave does not matter."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        if quick:
            connection.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
        connection.execute(statement)
    finally:
        connection.close()
