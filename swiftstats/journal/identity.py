"""Which writer this host is: an incarnation, minted once for a boot, a spool, a server name and a period length.

The identity is a JSON file in the spool that names what it was minted for: the boot id, its own device and inode, the server and
the period length. Where one of them differs (a reboot, a restored image, a copied spool), it is not ours: a new one is minted,
which names those before it. A new writer can never hide another one's counts behind its own maximum.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from typing import NamedTuple

from swiftstats.errors import JournalError

VERSION = 1
#: So many predecessors are remembered; the flusher ends each of them once it has shipped what they left.
PREDECESSORS = 16

_INCARNATION = re.compile("[0-9a-f]{32}")

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Identity(NamedTuple):
    """An incarnation (32 hexadecimal digits), those before it in this spool (latest first), and since when (s)."""

    incarnation: str
    predecessors: tuple[str, ...]
    created: int


def boot_id() -> str:
    """Return what the kernel calls this boot."""
    with open(BOOT_ID, encoding="ascii") as file:
        return file.read().strip()


def load(path: str, *, boot: str, server: str, period_seconds: int) -> Identity | None:
    """Return the identity at `path` if it was minted for just this; None where there is none, or another's."""
    document = _document(path)
    if document is None:
        return None
    status = os.stat(path)
    wanted = {"boot_id": boot, "device": status.st_dev, "inode": status.st_ino, "server": server,
              "period_seconds": period_seconds}
    if any(document.get(name) != value for name, value in wanted.items()):
        return None
    return Identity(document["incarnation"], tuple(document["predecessors"]), document["created"])


def mint(path: str, *, boot: str, server: str, period_seconds: int, now: int) -> Identity:
    """Write a new identity, successor of what stands at `path`; the caller holds the spool's lock."""
    before = _document(path)
    chain = () if before is None else (before["incarnation"], *before["predecessors"])
    identity = Identity(uuid.uuid4().hex, tuple(chain[:PREDECESSORS]), now)
    temporary = path + ".new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        status = os.fstat(fd)  # a rename keeps device and inode
        json.dump({"version": VERSION, **identity._asdict(), "boot_id": boot, "device": status.st_dev, "inode": status.st_ino,
                   "server": server, "period_seconds": period_seconds}, file)
    os.rename(temporary, path)
    return identity


def sync(path: str) -> None:
    """Force the file at `path` to disk; never in a worker."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _document(path: str) -> dict | None:  # type: ignore[type-arg]
    """Return the file's content; None where there is no file, or one that says nothing (a torn write of a power cut)."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return None
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("version"), int):
        return None
    if document["version"] > VERSION:
        raise JournalError(f"{path}: identity of version {document['version']}; this is older: upgrade it")
    chain = document.get("predecessors")
    if not isinstance(chain, list) or not isinstance(document.get("created"), int):
        return None
    if not all(isinstance(one, str) and _INCARNATION.fullmatch(one) for one in (document.get("incarnation"), *chain)):
        return None
    return document
