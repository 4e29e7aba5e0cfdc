"""The spool: one host's directory of counter files, and the locks on it.

    identity        which writer this is (identity.py)
    control         words that all processes share (control.py)
    spool.lock      held while identity or control are made
    workers.lock    shared by every worker for life: where it can be had alone, no worker lives
    flusher.lock    held by the flusher for life: elects one
    sweep.lock      held for one sweep
    segments/       PERIOD-PID-RANDOM.segment, a worker's counters (layout.py); `.new-…` while one is made
    copies/         what a running period's flush has read and shipped of a segment, under the segment's name
    periods/        PERIOD-END.period, the decided totals of a closed period (period_file.py)
    flusher.log     what a spawned flusher has to say, where the host has no system log
    aside/          what could not be read, and what came for a period whose totals were decided

Directories are 0700 and files 0600.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import secrets
from typing import Iterator, NamedTuple

from swiftstats.errors import JournalError
from swiftstats.journal import identity as identities
from swiftstats.journal.control import CLOSED_THROUGH, LAST_SWEEP, SHIPPED_THROUGH, Control, NoControl
from swiftstats.journal.identity import Identity

_SEGMENT_NAME = re.compile(r"(\d{1,12})-.*\.segment", re.ASCII)

DIRECTORIES = ("segments", "copies", "periods", "aside")


class SegmentFile(NamedTuple):
    """A segment by its name: where its period starts, and its path."""

    start: int
    name: str
    path: str


def period_of(name: str) -> int | None:
    """Return the period that a segment, or a copy of one, has in its name; None for the name of anything else."""
    match = _SEGMENT_NAME.fullmatch(name)
    return int(match[1]) if match else None


class Lock:
    """An advisory lock on a file, until `release` or the end of the process."""

    def __init__(self, path: str, operation: int) -> None:
        """Take the lock, or raise BlockingIOError with LOCK_NB where another process holds it."""
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._fd, operation)
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        os.close(self._fd)

    def is_in_place(self) -> bool:
        """Tell whether the file is still there: one that was removed keeps nobody else out."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Spool:
    """Paths and locks; nothing is made until `prepare`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.segments = os.path.join(path, "segments")
        self.copies = os.path.join(path, "copies")
        self.periods = os.path.join(path, "periods")
        self.aside = os.path.join(path, "aside")

    def prepare(self, *, server: str, period_seconds: int, now: int) -> tuple[Identity, Control]:
        """Make what is missing, and return who we are and the control words; raise OSError or JournalError."""
        os.makedirs(self.path, 0o700, exist_ok=True)
        self._check_owner()
        for name in DIRECTORIES:
            os.makedirs(os.path.join(self.path, name), 0o700, exist_ok=True)
        path = os.path.join(self.path, "identity")
        wanted = {"boot": identities.boot_id(), "server": server, "period_seconds": period_seconds}
        identity = identities.load(path, **wanted)  # type: ignore[arg-type]
        control = self._control()
        if identity is None or control is None:
            with self.lock("spool.lock", fcntl.LOCK_EX):
                # Another process may have made them while this one waited.
                identity = identities.load(path, **wanted)  # type: ignore[arg-type]
                if identity is None:
                    identity = identities.mint(path, now=now, **wanted)  # type: ignore[arg-type]
                control = control or self._control() or self._new_control()
        return identity, control

    def lock(self, name: str, operation: int) -> Lock:
        """Take one of the spool's locks; see Lock."""
        return Lock(os.path.join(self.path, name), operation)

    def worker_lock(self) -> Lock:
        """Say that a worker lives, until the lock is released."""
        return self.lock("workers.lock", fcntl.LOCK_SH)

    def workers_live(self) -> bool:
        """Tell whether any worker has the spool open."""
        return self._is_held("workers.lock", fcntl.LOCK_EX)

    def flusher_running(self) -> bool:
        """Tell whether this host's flusher lives."""
        return self._is_held("flusher.lock", fcntl.LOCK_SH)

    def new_segment_name(self, start: int) -> str:
        return f"{start}-{os.getpid()}-{secrets.token_hex(4)}.segment"

    def list_segments(self) -> list[SegmentFile]:
        """Return the segments that have their names, by period."""
        found = []
        for entry in self._entries(self.segments):
            start = period_of(entry.name)
            if start is not None:
                found.append(SegmentFile(start, entry.name, entry.path))
        return sorted(found)

    def counter_bytes(self) -> int:
        """Return what segments and their copies take: what `spool_max_bytes` bounds."""
        return sum(_size(entry) for directory in (self.segments, self.copies) for entry in self._entries(directory))

    def put_aside(self, path: str) -> str:
        """Move a file out of the way and return where it is now."""
        base = os.path.join(self.aside, os.path.basename(path))
        target, number = base, 0
        while os.path.exists(target):
            number += 1
            target = f"{base}.{number}"
        os.rename(path, target)
        return target

    def describe(self) -> dict[str, object]:
        """Return what `swiftstats status` shows of this host; every number is an integer, times are seconds or None."""
        control = self._control()
        segments = self.list_segments()
        closed = control.get(CLOSED_THROUGH) if control else 0
        described = {
            "path": self.path,
            "exists": os.path.isdir(self.path),
            "segments": len(segments),
            "bytes": self.counter_bytes(),
            "oldest_period": segments[0].start if segments else None,
            "period_files": sum(1 for _ in self._entries(self.periods)),
            "aside": sum(1 for _ in self._entries(self.aside)),
            "closed_through": closed or None,
            "shipped_through": (control.get(SHIPPED_THROUGH) if control else 0) or None,
            "last_sweep": (control.get(LAST_SWEEP) if control else 0) or None,
            "workers_live": self.workers_live(),
            "flusher_running": self.flusher_running(),
        }
        if control:
            control.close()
        return described

    def _check_owner(self) -> None:
        """Refuse another user's spool: files that root makes in it are files that the proxy cannot use."""
        status = os.stat(self.path)
        if status.st_uid != os.geteuid():
            raise JournalError(f"{self.path} belongs to user {_user(status.st_uid)}; run this as that user, not as"
                               f" {_user(os.geteuid())}")
        if status.st_mode & 0o077:
            os.chmod(self.path, 0o700)

    def _control(self) -> Control | None:
        """Map the control file; None where there is none. Raises JournalError for one of a newer version."""
        try:
            return Control(os.path.join(self.path, "control"))
        except (FileNotFoundError, NoControl):
            return None

    def _new_control(self) -> Control:
        # A damaged one is kept for whoever looks into it; the flusher learns from the database how far it had closed.
        path = os.path.join(self.path, "control")
        if os.path.lexists(path):
            self.put_aside(path)
        Control.create(path)
        return Control(path)

    def _is_held(self, name: str, operation: int) -> bool:
        path = os.path.join(self.path, name)
        if not os.path.exists(path):
            return False
        try:
            Lock(path, operation | fcntl.LOCK_NB).release()
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @staticmethod
    def _entries(directory: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                yield from entries
        except FileNotFoundError:
            return


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # unlinked by the flusher meanwhile
        return 0
