"""A private Gnocchi: installed, started and asked; for the benchmark beside it.

Gnocchi is of PyPI, in an environment of its own under .bench/ that is made the first time (a minute or two); where it cannot be
installed, that is said and it is left out. It runs as it starts itself: `gnocchi-upgrade`, `gnocchi-api` (uWSGI: one and a half
processes a processor, of a thread a processor), `gnocchi-metricd` (a worker a processor), on loopback. Measures and aggregates
are in files (the driver `file`), its indexer is in the private MariaDB where our tables are too. Its archive policy holds what is
asked for and no more: sums of hours. Two settings are not its own: metricd looks for work each second, not each minute, and its
locks are files, of which a round through its 128 sacks takes a fifth of the time that locks in the database take.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Iterable

from bench.rounds import ROOT, say
from swiftstats.demo.processes import DemoError, Process, free_port, group_members
from swiftstats.fields import CELL_INDEX, FIELDS

PACKAGES = ("gnocchi[mysql]>=4.7", "pyuwsgi>=2.0.30")
ENVIRONMENT = ROOT / ".bench" / "gnocchi"
INSTALL_SECONDS, START_SECONDS, PROCESS_SECONDS = 900, 120, 600
#: Name and cells of each metric of an account.
METRICS = [(field.name, CELL_INDEX[field.plus], CELL_INDEX[field.minus] if field.minus else None) for field in FIELDS[:8]]
POLICY = {"name": "hours", "aggregation_methods": ["sum"], "definition": [{"granularity": "1:00:00", "timespan": "800 days"}]}
CLIENTS, BATCH = 4, 1000

Measures = dict[str, list[dict[str, int]]]


def install() -> None:
    """Make Gnocchi's environment where there is none; raise DemoError, in one line, where that does not work."""
    done, what = ENVIRONMENT / "installed", "\n".join(PACKAGES)
    if done.exists() and done.read_text() == what:
        return
    say(f"installing Gnocchi into {ENVIRONMENT}")
    python = ENVIRONMENT / "bin" / "python"
    try:
        for words in ((sys.executable, "-m", "venv", "--clear", ENVIRONMENT),
                      (python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", *PACKAGES)):
            subprocess.run(words, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or error.stdout.strip() or f"status {error.returncode}").splitlines()[-1]
        raise DemoError(f"it cannot be installed: {last}") from None
    except subprocess.TimeoutExpired:
        raise DemoError(f"it was not installed within {INSTALL_SECONDS} s") from None
    done.write_text(what)


class Gnocchi:
    """A context manager: Gnocchi with its files in a folder and its indexer at `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        programs, self._port = ENVIRONMENT / "bin", free_port()
        configuration = folder / "gnocchi.conf"
        configuration.write_text(
            f"[DEFAULT]\nverbose = false\ncoordination_url = file://{folder}/locks\n[indexer]\nurl = {url}\n"
            f"[storage]\ndriver = file\nfile_basepath = {folder}/measures\n"
            f"[api]\nhost = 127.0.0.1\nport = {self._port}\nauth_mode = basic\n[metricd]\nmetric_processing_delay = 1\n")
        # gnocchi-api finds uWSGI in the path.
        environment = {**os.environ, "PATH": f"{programs}:{os.environ.get('PATH', '')}"}
        self._upgrade, self._api, self.metricd = (
            Process(name, [str(programs / name), "--config-file", str(configuration)], folder / f"{name}.log",
                    environment=environment) for name in ("gnocchi-upgrade", "gnocchi-api", "gnocchi-metricd"))
        #: Which Gnocchi it is, and how it is set up.
        self.about = ""

    def __enter__(self) -> Gnocchi:
        try:
            self._upgrade.start()
            if self._upgrade.wait(seconds=START_SECONDS):
                raise DemoError(f"gnocchi-upgrade failed\n{self._upgrade.tail()}")
            self._api.start()
            self.metricd.start()
            self._api.wait_ready(self._answers, seconds=START_SECONDS)
            self.ask("POST", "/v1/archive_policy", POLICY)
            workers = os.cpu_count() or 1
            self.about = (
                f"{self.ask('GET', '/')['build']}, driver file, indexer in the same MariaDB, locks in files, uWSGI with"
                f" {workers * 3 // 2} processes of {workers} threads, metricd with {workers} workers, each second")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.metricd, self._api, self._upgrade):
            process.stop()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request; return what the JSON of the answer says. Raises DemoError where it is no success."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), {
                "Authorization": "Basic " + b64encode(b"admin:").decode(), "Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        if response.status >= 300:
            raise DemoError(f"Gnocchi answers {response.status}: {text[:500]!r}")
        return json.loads(text) if text else None

    def create(self, accounts: Iterable[str]) -> list[dict[str, str]]:
        """Make a resource an account, with its metrics; return the metrics' ids by their names."""
        metrics = {name: {"archive_policy_name": POLICY["name"]} for name, *_ in METRICS}
        with ThreadPoolExecutor(CLIENTS) as clients:
            made = clients.map(lambda account: self.ask("POST", "/v1/resource/generic", {"id": account, "metrics": metrics}),
                               accounts)
            return [resource["metrics"] for resource in made]

    def post(self, measures: Measures) -> None:
        """Send measures, by metric; return when all are accepted."""
        every = list(measures.items())
        metrics = max(1, BATCH // len(every[0][1]))
        batches = [dict(every[start:start + metrics]) for start in range(0, len(every), metrics)]
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(partial(self.ask, "POST", "/v1/batch/metrics/measures"), batches))

    def process(self) -> None:
        """Return when all measures are processed."""
        deadline = time.monotonic() + PROCESS_SECONDS
        while left := self.ask("GET", "/v1/status?details=false")["storage"]["summary"]["measures"]:
            if time.monotonic() > deadline:
                raise DemoError(f"Gnocchi has {left} measures unprocessed after {PROCESS_SECONDS} s\n{self.metricd.tail()}")
            time.sleep(0.2)  # a status walks through all the files, on the processors that metricd needs

    @property
    def pids(self) -> list[int]:
        """Its processes."""
        return [*group_members(self._api.pid), *group_members(self.metricd.pid)]

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/v1/status?details=false")
        except (OSError, http.client.HTTPException, DemoError):
            return False
        return True
