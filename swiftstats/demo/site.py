"""One small site in a folder: Swift with our filter, a database, the flusher and the statistics service; started and stopped.

The order of stopping is what loses nothing: first the proxy, so that no request is counted any more; then the flusher; then one
last `flush --once`, which ships what the proxy counted after the flusher's last sweep; and the service at the very end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Mapping

from swiftstats.demo.processes import DemoError, Process, free_port
from swiftstats.demo.swift import Swift, check_extended_attributes

CONFIGURATION = """\
[DEFAULT]
database = {database}
spool = {folder}/spool
server = {server}
period_seconds = {period_seconds}
reseller_prefix = {reseller_prefix}

[flusher]
flush = external
flush_interval = {flush_interval}
flush_jitter = 0

[space]
method = databases
devices = {folder}/swift/devices
swift_dir = {folder}/swift
mount_check = no

[api]
bind_port = {port}
auth = tokens, swift
tokens_file = {folder}/tokens
swift_url = {swift_url}
"""


class Site:
    """A context manager; `folder` is made where it is missing, and stays.

    database: an SQLAlchemy URL; an SQLite file in the folder where it is not given. period_seconds, flush_interval: of the
    meter. reseller_prefix: Swift's, comma separated. api_port, swift_port: taken if free, else another one. swift_options:
    what else `Swift` takes.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        database: str | None = None,
        server: str = "demo-proxy",
        period_seconds: int = 20,
        flush_interval: int = 5,
        reseller_prefix: str = "AUTH",
        api_port: int = 0,
        swift_port: int = 0,
        progress: Callable[[str], None] = lambda line: None,
        swift_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.period_seconds = period_seconds
        self.configuration = self.folder / "swiftstats.conf"
        self.database = database or f"sqlite:///{self.folder}/usage.sqlite"
        self._reseller_prefix = reseller_prefix
        self.server, self._flush_interval, self._progress = server, flush_interval, progress
        self.port = free_port(api_port)
        #: May read every account; known once the site runs.
        self.token = ""
        #: Whether there may be something in the spool that no flusher will ship any more.
        self._counted = False
        self.swift = Swift(
            self.folder / "swift", meter={"config": str(self.configuration)}, port=free_port(swift_port), progress=progress,
            **(swift_options or {}),
        )
        self.flusher = self._process("flusher", "flush")
        self.service = self._process("service", "api")

    def __enter__(self) -> Site:
        self.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The statistics service."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start everything; return when Swift and the service answer. Stops it again when something fails."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The database's URL may hold a password.
            self.configuration.touch(mode=0o600)
            self.configuration.write_text(CONFIGURATION.format(
                database=self.database, folder=self.folder, server=self.server, period_seconds=self.period_seconds,
                flush_interval=self._flush_interval, reseller_prefix=self._reseller_prefix, port=self.port, swift_url=f"http://127.0.0.1:{self.swift.port}",
            ))
            self.command("migrate")
            self._progress(f"database {self.database.split('@')[-1]}")
            self.swift.start()
            self.flusher.start()
            self._progress("flusher")
            # The service refuses to start without a file of tokens.
            self.token = self.create_token(f"demo-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}")
            self.service.start()
            self.service.wait_ready(lambda: _answers(self.url + "/healthcheck"))
            self._progress(f"statistics service on {self.url}")
            self.check()
            self._counted = True
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything that runs, in the order that loses nothing."""
        try:
            self.swift.stop()
            self.flusher.stop()
            if self._counted:
                self._counted = False
                self.flush()
        finally:
            self.flusher.stop()
            self.service.stop()

    def flush(self) -> None:
        """Send to the database what is in the spool now."""
        self.command("flush", "--once")

    def check(self) -> None:
        """Raise DemoError, with the end of its log, where a server has ended by itself."""
        for process in (self.swift.proxy.process, self.flusher, self.service):
            if not process.running:
                raise DemoError(f"the {process.name} has ended by itself\n{process.tail()}")

    def create_token(self, name: str) -> str:
        """Return a new token that may read every account."""
        return self.command("token", "create", "--name", name, "--all").split()[-1]

    def command(self, *words: str) -> str:
        """Run a command of swiftstats with this site's configuration; return what it prints, raise DemoError if it fails."""
        argv = self._argv(*words)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, start_new_session=True)
        if done.returncode != 0:
            raise DemoError(f"{' '.join(argv)} ended with status {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
        return done.stdout

    def _process(self, name: str, *words: str) -> Process:
        return Process(name, self._argv(*words), self.folder / f"{name}.log")

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "swiftstats", "--config", str(self.configuration), *words]


def make_folder() -> Path:
    """Make a temporary directory where files have extended attributes, as they do not on every /tmp."""
    reasons = []
    for parent in dict.fromkeys((tempfile.gettempdir(), "/var/tmp", os.getcwd())):
        try:
            folder = Path(tempfile.mkdtemp(prefix="swiftstats-demo-", dir=parent))
        except OSError as error:
            reasons.append(f"{parent}: {error.strerror}")
            continue
        try:
            check_extended_attributes(folder)
            return folder
        except DemoError as error:
            folder.rmdir()
            reasons.append(str(error))
    raise DemoError("; ".join(reasons))


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
        return bool(response.status == 200)
    return False
