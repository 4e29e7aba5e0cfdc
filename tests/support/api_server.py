"""`swiftstats api` as it is run for real: a process with a configuration, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Mapping, NamedTuple
from urllib.parse import urlencode

from swiftstats.demo.processes import Process, free_port, listening

ROOT = Path(__file__).resolve().parents[2]

CAPTURED: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120, "stdin": subprocess.DEVNULL}


class Answer(NamedTuple):
    """A response: `headers` as they came, so that one that came twice is there twice."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Return each value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)


def with_tokens(folder: Path, **options: object) -> str:
    """Return the configuration of a service with a file of tokens over the folder's SQLite database; options: more of [api]."""
    more = "".join(f"{name} = {value}\n" for name, value in options.items())
    return f"[DEFAULT]\ndatabase = sqlite:///{folder}/usage.db\n\n[api]\nauth = tokens\ntokens_file = {folder}/tokens\n{more}"


class ApiServer:
    """A context manager: the service with a configuration in a folder"""

    def __init__(self, folder: Path, configuration: str) -> None:
        self.folder, self.port = folder, free_port()
        self.configuration = folder / "swiftstats.conf"
        self.configuration.write_text(configuration)
        self.configuration.chmod(0o600)
        self.log = folder / "api.log"
        self._process = Process("api", self._argv("api", "--port", str(self.port)), self.log, directory=ROOT)

    def __enter__(self) -> ApiServer:
        self._process.start()
        self._process.wait_ready(lambda: listening(self.port))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._process.stop()

    @property
    def pid(self) -> int:
        """The service's process."""
        return self._process.pid

    def get(self, path: str, parameters: Mapping[str, str] | None = None, *, token: str | None = None, method: str = "GET",
            headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None, source: str = "127.0.0.1") -> Answer:
        """Send one request and read the answer. form: what a form sends; source: the loopback's address that it comes from."""
        sent = {**({} if token is None else {"X-Auth-Token": token}), **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))
        try:
            body = None if form is None else urlencode(form)
            if form is not None:
                sent["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path + ("?" + urlencode(parameters) if parameters else ""), body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def command(self, *words: str) -> str:
        """Run a command with this configuration; return what it prints."""
        return subprocess.run(self._argv(*words), check=True, **CAPTURED).stdout

    def refused(self) -> str:
        """Return what the service says when it refuses to start."""
        done = subprocess.run(self._argv("api", "--port", "0"), **CAPTURED)
        assert done.returncode == 1, done.stderr
        return done.stderr

    def logged(self) -> str:
        """Return all that it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "swiftstats", "--config", str(self.configuration), *words]


def environment() -> dict[str, str]:
    """Return variables with which `swiftstats` is found by its name, as where it is installed."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}
