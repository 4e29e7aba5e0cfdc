"""A space crawler for tests: its configuration, the real command in a process of its own, and what it left in the database."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Mapping

from sqlalchemy import Engine

from swiftstats.store import engine as engines
from swiftstats.store import space
from swiftstats.store.space import Reading

#: Begin and end of time, for tests.
ALWAYS = (0, 2**33)


class Crawler:
    """`swiftstats space` with a configuration of its own; `options` are of its section, `prefixes` Swift's reseller prefixes."""

    def __init__(self, path: Path, *, database: str, server: str, options: Mapping[str, str], period_seconds: int = 3600,
                 prefixes: str = "AUTH") -> None:
        self.path = path
        lines = ["[DEFAULT]", f"database = {database}", f"server = {server}", f"period_seconds = {period_seconds}",
                 f"reseller_prefix = {prefixes}", "[space]", *(f"{name} = {value}" for name, value in options.items())]
        path.write_text("\n".join(lines) + "\n")

    def start(self) -> subprocess.Popen[str]:
        """Start one crawl."""
        return subprocess.Popen(
            [sys.executable, "-m", "swiftstats", "--config", str(self.path), "space", "--once"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def crawl(self, *, status: int = 0) -> str:
        """Crawl once; return what it said, having seen that it ended with `status`."""
        process = self.start()
        printed, logged = process.communicate(timeout=120)
        assert process.returncode == status, printed + logged
        return printed + logged


def reading(engine: Engine, account: str | bytes) -> Reading:
    """Return the only reading of an account."""
    with engines.read(engine) as connection:
        found = list(space.readings(connection, _name(account), *ALWAYS))
    assert len(found) == 1, f"{account!r}: {found}"
    return found[0]


def by_policy(engine: Engine, account: str | bytes) -> dict[str, tuple[int | None, int, int]]:
    """Return (containers, objects, bytes) of an account's only reading by policy."""
    with engines.read(engine) as connection:
        ((_, policies),) = space.policies(connection, _name(account), *ALWAYS)
    return {policy.name: (policy.containers, policy.objects, policy.bytes) for policy in policies or ()}


def by_container(engine: Engine, account: str | bytes) -> dict[bytes, tuple[int, int]] | None:
    """Return (objects, bytes) of an account's only reading by container."""
    with engines.read(engine) as connection:
        ((_, containers),) = space.containers(connection, _name(account), *ALWAYS)
    return None if containers is None else {name: (objects, size) for name, objects, size in containers}


def snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return inode, time of change (ns) and hash of the content of everything below a folder."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path)] = (status.st_ino, status.st_mtime_ns, content)
    return found


def _name(account: str | bytes) -> bytes:
    return account.encode() if isinstance(account, str) else account
