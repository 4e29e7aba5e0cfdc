"""A private, real MariaDB in a temporary folder, on a free port of the loopback: never the machine's own database."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pymysql

from swiftstats.demo.processes import free_port

INSTALL = "apt-get install -y --no-install-recommends mariadb-server"
#: Where Debian puts what a user's PATH may not show.
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"))
START_SECONDS = 60


class MariaDBError(RuntimeError):
    """MariaDB is missing or does not start; the message says what to do or shows the end of its log."""


class MariaDB:
    """One server with a data folder of its own; its user is root without a password, on 127.0.0.1 only.

    `kill` is SIGKILL, `restart` brings back the same data on the same port. As root it runs as root, elsewhere as the user.
    `options` are more words of mariadbd's command (`--read-only=1`). `prefix` is what its commands stand behind (`nsenter …`)
    and `data` where its data are for them; else they are in its folder.
    """

    def __init__(self, folder: str | None = None, *, options: tuple[str, ...] = (), prefix: Sequence[str] = (),
                 data: Path | None = None) -> None:
        self._mariadbd, self._install = find("mariadbd"), find("mariadb-install-db")
        self._owned = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="swiftstats-mariadb-") if folder is None else folder)
        self.options = options
        self._prefix, self._data, self._made = list(prefix), data or self.folder / "data", False
        # As root MariaDB wants to be told that it may be; another user needs no telling.
        self._as_root = ("--user=root",) if os.geteuid() == 0 else ()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._databases = 0

    @property
    def pid(self) -> int | None:
        """The server's process id; None while it is not running."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> MariaDB:
        """Start it, creating its data the first time; return when it answers. Raises MariaDBError."""
        data, log = self._data, self.folder / "log"
        if not self._made and not (data / "mysql").is_dir():
            self._make_data(data)
        self._made = True
        if not self.port:
            self.port = free_port()
        command = [
            *self._prefix, self._mariadbd, "--no-defaults", *self._as_root, f"--datadir={data}", f"--socket={self.folder}/s.sock",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid", "--skip-name-resolve",
            # Temporary tables are named by process id, and another server's of another pid namespace may be the same.
            f"--tmpdir={self.folder}",
            "--local-infile=1", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", *self.options,
        ]
        with open(log, "ab") as output:
            # A session of its own: Ctrl-C in a terminal reaches the tests, which then stop it in order.
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                             start_new_session=True)
        # Its end of the pipe is closed when this process ends, however that happens: no server outlives its tests.
        self._guard = subprocess.Popen(["/bin/sh", "-c", 'read line; kill -9 "$0"; [ -z "$1" ] || rm -rf "$1"',
                                        str(self._process.pid), str(self.folder) if self._owned else ""],
                                       stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        self._wait_until_it_answers(log)
        return self

    def stop(self) -> None:
        """Stop it in order; its data stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it with SIGKILL, as a crash would; its data stay."""
        self._end(signal.SIGKILL)

    def restart(self) -> MariaDB:
        """Stop it where it runs, and start it again: same data, same port."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop it, and remove the folder that it made."""
        self.kill() if self._owned else self.stop()
        if self._owned:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str | None = None) -> str:
        """Return the SQLAlchemy URL of a fresh, empty database; of that name, else of a new one."""
        if database is None:
            self._databases += 1
            database = f"test_{self._databases}"
        self.execute(f"DROP DATABASE IF EXISTS `{database}`", f"CREATE DATABASE `{database}`")
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as root, outside every engine under test; return the last one's rows."""
        connection = self._connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def __enter__(self) -> MariaDB:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _connect(self) -> pymysql.Connection:  # type: ignore[type-arg]
        # No COMMIT of ours: a Galera node that is cut off refuses one, and answers how it is all the same.
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=5, charset="utf8mb4",
                               autocommit=True)

    def _make_data(self, data: Path) -> None:
        done = subprocess.run(
            [*self._prefix, self._install, "--no-defaults", *self._as_root, f"--datadir={data}", f"--tmpdir={self.folder}",
             "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise MariaDBError(f"mariadb-install-db failed:\n{done.stdout.decode(errors='replace')[-2000:]}")

    def _wait_until_it_answers(self, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect().close()
                return
            except pymysql.MySQLError as error:
                if self.pid is None or time.monotonic() > deadline:
                    end = log.read_text(errors="replace")[-2000:]
                    raise MariaDBError(f"MariaDB does not start ({error}); the end of its log:\n{end}") from None
            assert self._process is not None
            try:
                self._process.wait(0.05)  # the wait of the poll: over at once where it dies
            except subprocess.TimeoutExpired:
                continue

    def _end(self, number: signal.Signals) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None


def find(program: str, install: str = INSTALL) -> str:
    """Return the path of a program; raise MariaDBError, with the command that installs it."""
    found = shutil.which(program, path=PLACES)
    if found is None:
        raise MariaDBError(f"{program} is missing, and tests need a real MariaDB; install it with: {install}")
    return found
