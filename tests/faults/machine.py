"""A machine of its own, as far as one process tree needs one: its mounts, its boot id, its clocks and no root's privileges.

A keeper process holds a mount namespace with a small tmpfs for the spool and a file mounted over the kernel's boot id; servers
are started inside it with `nsenter`. Who is not root gets a user namespace too (`unshare -Urm`). Clocks are moved per process by
Debian's libfaketime; the machine's own are left alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"
INSTALL = "apt-get install -y --no-install-recommends "
ROOT = Path(__file__).resolve().parents[2]
#: Root without these is as anybody where permissions are concerned.
PRIVILEGES = "-dac_override,-dac_read_search"


def needed(program: str, package: str) -> str:
    """Return the path of a program; fail with the command that installs it."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{program} is missing; install it with: {INSTALL}{package}"
    return found


def processes_of(folder: Path) -> list[str]:
    """Return id and command of each process that is started on something in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in command and int(entry.parent.name) != os.getpid():
                found.append(f"{entry.parent.name} {command}")
    return found


def sweep_clocks() -> None:
    """Remove what libfaketime keeps in shared memory for processes that were killed.

    The next one of the same id would end as soon as it is started, with status 0 and no word; ids come again within an hour.
    """
    for entry in Path("/dev/shm").glob("*faketime_s[eh]m_*"):
        if not Path(f"/proc/{entry.name.rpartition('_')[2]}").exists():
            with contextlib.suppress(OSError):
                entry.unlink()


class Clock:
    """The clock of some processes: `move` takes effect within a second."""

    def __init__(self, folder: Path, name: str) -> None:
        sweep_clocks()
        self._path = folder / f"clock-{name}"
        self.move(0)
        done = subprocess.run([needed("faketime", "faketime"), "-f", "+0", "printenv", "LD_PRELOAD"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=True)
        self.environment = {
            "LD_PRELOAD": done.stdout.strip(), "FAKETIME_TIMESTAMP_FILE": str(self._path), "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join((str(ROOT / "tests" / "faults" / "moved_clock"), str(ROOT))),
        }

    def move(self, seconds: float, rate: float = 1) -> None:
        """Set it so many seconds ahead of the machine's, and let it run so much faster."""
        new = self._path.with_suffix(".new")
        new.write_text(f"{seconds:+g}" + (f" x{rate:g}" if rate != 1 else "") + "\n")
        new.rename(self._path)
        self.offset = seconds


class Machine:
    """A mount namespace in which `spool` is a tmpfs of `megabytes`; a context manager. It holds a spool, or anything else."""

    def __init__(self, folder: Path, *, megabytes: int = 16) -> None:
        self.folder, self.spool, self._megabytes = folder, folder / "spool", megabytes
        self._boot = folder / "boot_id"
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Machine:
        self.spool.mkdir(parents=True)
        self.boot_again()
        script = (f"mount --make-rprivate / && mount -t tmpfs -o size={self._megabytes}m,mode=0700 tmpfs '{self.spool}' && "
                  f"mount --bind '{self._boot}' {BOOT_ID} && echo ready && exec cat")
        flags = ["-m"] if os.geteuid() == 0 else ["-Urm"]
        self._keeper = subprocess.Popen([needed("unshare", "util-linux"), *flags, "sh", "-c", script], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, start_new_session=True)
        assert self._keeper.stdout is not None and self._keeper.stdout.readline() == b"ready\n", "no mount namespace"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._keeper is not None and self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(30)

    @property
    def prefix(self) -> list[str]:
        """What to put before a command that is to run in here."""
        assert self._keeper is not None
        enter = [needed("nsenter", "util-linux"), "-t", str(self._keeper.pid), "-m"]
        if os.geteuid() == 0:
            return [*enter, "--", needed("setpriv", "util-linux"), "--bounding-set", PRIVILEGES, "--inh-caps", PRIVILEGES, "--"]
        # One more user namespace, in which they are who they are outside: Swift drops root's privileges, which fails in here.
        return [*enter, "-U", "--preserve-credentials", "--", needed("unshare", "util-linux"), "-U",
                f"--map-user={os.getuid()}", f"--map-group={os.getgid()}", "--"]

    def inside(self, path: Path) -> Path:
        """Return where a path of in here is seen from outside."""
        assert self._keeper is not None
        return Path(f"/proc/{self._keeper.pid}/root{path}")

    def mount(self, *words: str, command: str = "mount") -> None:
        """Run a command that root may, in here."""
        assert self._keeper is not None
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        subprocess.run([needed("nsenter", "util-linux"), "-t", str(self._keeper.pid), "-m", *user, "--", command, *words],
                       stdin=subprocess.DEVNULL, check=True)

    def boot_again(self) -> None:
        """Get another boot id: in the file that is mounted over the kernel's."""
        self._boot.write_text(f"{uuid.uuid4()}\n")
