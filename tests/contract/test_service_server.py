"""`swiftstats api` as a process: it starts only where it may, serves over a real socket, and ends cleanly."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import pytest
import waitress

from swiftstats.errors import DatabaseAway
from swiftstats.query import io as queries
from tests.support.service import HOUR, T, close, count, fresh, make, sqlite

QUERY = "account_id=7f6a;begin_time=2012-10-22+08:00:00;end_time=2012-10-22+10:00:00"
SECONDS = 30


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = sqlite(tmp_path)
    engine = fresh(url)
    close(engine, count(engine, get_count=3), through=T + 2 * HOUR)
    return url


def configured(folder: Path, url: str, api: str = "auth = none\nallow_anonymous = yes\n", more: str = "") -> str:
    path = folder / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {url}\n[api]\nbind_port = 0\n{api}\n{more}")
    return str(path)


def command(path: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "swiftstats", "--config", path, "api", *words]


@contextmanager
def served(path: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service; yield the process and its port."""
    with subprocess.Popen(command(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            said = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)$", said.strip())
            assert found, said + process.stderr.read()
            yield process, int(found.group(1))
        finally:
            process.kill()


def ask(port: int, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(method, path, headers={})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_and_ends(tmp_path: Path, url: str, number: signal.Signals) -> None:
    """It says its address, answers there, and a signal ends it with status 0 and without a traceback."""
    with served(configured(tmp_path, url)) as (process, port):
        answer, body = ask(port, "/io_sum?" + QUERY)
        assert (answer.status, json.loads(body)[1]["GET"]) == (200, 3)
        for path in ("/io_detail?" + QUERY, "/io_sum?" + QUERY):
            head, nothing = ask(port, path, "HEAD")
            assert (head.status, nothing) == (200, b"")
        process.send_signal(number)
        said = process.communicate(timeout=SECONDS)[1]
        assert process.returncode == 0 and "Traceback" not in said


def test_no_body_after_head(tmp_path: Path, url: str) -> None:
    """A HEAD of a streamed answer leaves nothing on the connection that could be read as the next answer."""
    with served(configured(tmp_path, url)) as (_, port), socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(f"HEAD /io_detail?{QUERY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b"".join(iter(lambda: client.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 200 OK\r\n") and received.endswith(b"\r\n\r\n") and received.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(("api", "said"), [
    ("", "auth is needed"), ("auth = none", "allow_anonymous"), ("auth = tokens\ntokens_file = /nonexistent", "token create"),
    ("auth = swift", "swift_url"), ("auth = nonsense", "line"),
])
def test_refuses_to_start(tmp_path: Path, url: str, api: str, said: str) -> None:
    """Without a working authenticator it does not start, and says what is missing."""
    done = subprocess.run(command(configured(tmp_path, url, api)), capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_refuses_an_open_tokens_file(tmp_path: Path, url: str) -> None:
    """A tokens file that others could read or write is refused at start."""
    (tmp_path / "tokens").touch(0o644)
    os.chmod(tmp_path / "tokens", 0o644)
    path = configured(tmp_path, url, f"auth = tokens\ntokens_file = {tmp_path}/tokens")
    done = subprocess.run(command(path), capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and "chmod 600" in done.stderr


def test_refuses_a_schema_that_is_missing(tmp_path: Path) -> None:
    """A database without our schema refuses to start, and names the command that makes it."""
    path = configured(tmp_path, sqlite(tmp_path))
    done = subprocess.run(command(path), capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and "swiftstats migrate" in done.stderr and "Traceback" not in done.stderr


def test_port_taken(tmp_path: Path, url: str) -> None:
    """A port that another process has is said, without a traceback."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        words = command(configured(tmp_path, url), "--port", str(other.getsockname()[1]))
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and "cannot listen" in done.stderr and "Traceback" not in done.stderr


def test_database_away_at_start(tmp_path: Path) -> None:
    """Without the database it starts and answers 503; when it comes, it answers, without a restart."""
    url = sqlite(tmp_path / "later")
    with served(configured(tmp_path, url)) as (_, port):
        answer, _ = ask(port, "/io_sum?" + QUERY)
        assert answer.status == 503 and answer.headers["Retry-After"]
        (tmp_path / "later").mkdir()
        count(fresh(url), get_count=4)
        answer, body = ask(port, "/io_sum?" + QUERY)
        assert (answer.status, json.loads(body)[1]["GET"]) == (200, 4)


@pytest.mark.parametrize("one_file", [True, False])
def test_pipeline(tmp_path: Path, one_file: bool) -> None:
    """PasteDeploy sections are served as they stand: in our own file, where a % is a %, or in one that names ours."""
    filters = "[pipeline:main]\npipeline = marked stats\n"
    filters += "[filter:marked]\npaste.filter_factory = tests.support.service:marking_filter\n"
    url = f"sqlite:///{tmp_path}/usage%40.db"
    count(fresh(url), get_count=3)
    if one_file:
        path = configured(tmp_path, url, more=filters + "[app:stats]\nuse = egg:swiftstats#api\n")
    else:
        named = configured(tmp_path, url)
        path = str(tmp_path / "paste.ini")
        Path(path).write_text(f"[api]\nbind_port = 0\n{filters}[app:stats]\nuse = egg:swiftstats#api\nconfig = {named}\n")
    with served(path) as (_, port):
        answer, body = ask(port, "/io_sum?" + QUERY)
        assert (answer.status, json.loads(body)[1]["GET"], answer.headers["X-Marked"]) == (200, 3, "yes")


def test_bad_pipeline(tmp_path: Path, url: str) -> None:
    """PasteDeploy sections that cannot be served are a message, not a traceback."""
    path = configured(tmp_path, url, more="[pipeline:main]\npipeline = nowhere stats\n[app:stats]\nuse = egg:swiftstats#api\n")
    done = subprocess.run(command(path), capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and "nowhere" in done.stderr and "Traceback" not in done.stderr


def test_sample_pipeline(tmp_path: Path, url: str) -> None:
    """The sample in etc/ serves as it stands, once it names the configuration that there is."""
    sample = Path(__file__).parents[2] / "etc" / "api-paste.ini-sample"
    path = tmp_path / "api-paste.ini"
    sections = sample.read_text().replace("/etc/swiftstats/swiftstats.conf", configured(tmp_path, url))
    path.write_text(sections + "\n[api]\nbind_port = 0\n")
    with served(str(path)) as (_, port):
        assert ask(port, "/io_sum?" + QUERY)[0].status == 200


@contextmanager
def breaking(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve with waitress, in this process, from a database that goes away after 500 hours; yield the port."""
    def rows(*_: object) -> Iterator[Any]:
        for hour in range(500):
            yield T + hour * HOUR, (1,) * 14
        raise DatabaseAway("gone")

    monkeypatch.setattr(queries.usage, "hours", rows)
    server = waitress.create_server(make(url), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        server.trigger.pull_trigger(server.close)  # in its own loop, which then has nothing left to wait for
        thread.join(SECONDS)
        server.task_dispatcher.shutdown()
        assert not thread.is_alive()


def test_cut_on_the_wire(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP/1.1 an answer that breaks half-way has no end: a client sees that it is cut."""
    with breaking(url, monkeypatch) as port, pytest.raises(http.client.IncompleteRead) as caught:
        ask(port, "/io_detail?" + QUERY.replace("2012-10-22+10", "2012-12-22+10"))
    assert len(caught.value.partial) > 10_000


@pytest.mark.parametrize("form", ["json", "csv"])
def test_cut_over_http_1_0(url: str, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Over HTTP/1.0, where the end of the connection ends an answer, one that breaks half-way is malformed in its format."""
    path = "/io_detail?" + QUERY.replace("2012-10-22+10", "2012-12-22+10") + ";format=" + form
    with breaking(url, monkeypatch) as port, socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        received = b"".join(iter(lambda: client.recv(65536), b""))
    body = received.partition(b"\r\n\r\n")[2].decode()
    assert len(body) > 10_000
    with pytest.raises((ValueError, csv.Error)):
        json.loads(body) if form == "json" else list(csv.reader(io.StringIO(body, newline=""), strict=True))
