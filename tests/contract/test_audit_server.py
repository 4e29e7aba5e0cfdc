"""The audit log over HTTP: one line for each read of every account, however it is sent, and none of it holds a token."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

from swiftstats.demo.processes import wait_for
from swiftstats.store import engine as engines
from swiftstats.store import usage
from tests.support.api_server import ApiServer, with_tokens
from tests.support.service import HOUR, T, cells, close, count, fresh, sqlite

ACCOUNTS = 5000
MANY = {"begin": "2012-10-22T08:00:00Z", "end": "2012-10-22T09:00:00Z"}
SPAN = " begin=2012-10-22T08:00:00Z end=2012-10-22T09:00:00Z"


class Site(NamedTuple):
    service: ApiServer
    token: str

    def lines(self) -> list[str]:
        """Return what the audit log has, without time and level."""
        return re.findall(r"swiftstats\.audit: (.*)", self.service.logged())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service whose accounts fill many chunks of a stream."""
    folder: Path = tmp_path_factory.mktemp("audit")
    engine = fresh(sqlite(folder))
    writer = count(engine, account=b"AUTH_%032d" % 0, get_count=1)
    rows = [(b"AUTH_%032d" % number, cells(get_count=1)) for number in range(1, ACCOUNTS)]
    with engines.write(engine) as connection:
        usage.merge(connection, writer=writer, period=T, rows=rows, now=T)
    close(engine, writer, through=T + HOUR)
    engine.dispose()
    service = ApiServer(folder, with_tokens(folder, metrics_accounts=3))
    token = service.command("token", "create", "--name", "billing", "--all").strip()
    with service:
        yield Site(service, token)
    assert token not in service.logged()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "given", "span", "rows"), [
    ("/usage", {**MANY, "format": "json", "limit": "7"}, SPAN, 7), ("/usage", {**MANY, "format": "csv"}, SPAN, ACCOUNTS),
    ("/usage", {**MANY, "format": "ndjson"}, SPAN, ACCOUNTS), ("/usage", {**MANY, "format": "html"}, SPAN, 100),
    ("/accounts", {"format": "json", "limit": "7"}, "", 7), ("/accounts", {"format": "csv"}, "", ACCOUNTS),
    ("/metrics", {}, SPAN, 3)])
def test_each_read_is_one_line(site: Site, method: str, path: str, given: dict[str, str], span: str, rows: int) -> None:
    """JSON, streams, pages and metrics, and HEAD on each, leave one line: who, from where, which range, how many rows."""
    before = len(site.lines())
    assert site.service.get(path, given, token=site.token, method=method).status == 200
    wait_for(lambda: len(site.lines()) > before, seconds=30, what="a line")
    assert site.lines()[before:] == [f"read who=tokens:billing address=127.0.0.1 request={method}%20{path}{span} rows={rows}"]


@pytest.mark.parametrize("form", ["json", "csv", "ndjson"])
def test_what_the_client_has(site: Site, form: str) -> None:
    """304 is a line too, without a row."""
    given, first = {**MANY, "format": form}, len(site.lines())
    (tag,) = site.service.get("/usage", given, token=site.token).header("ETag")
    wait_for(lambda: len(site.lines()) > first, seconds=30, what="the line of the first read")
    before = len(site.lines())
    assert site.service.get("/usage", given, token=site.token, headers={"If-None-Match": tag}).status == 304
    assert site.lines()[before:] == [f"read who=tokens:billing address=127.0.0.1 request=GET%20/usage{SPAN} rows=0"]


def test_a_client_that_goes_away(site: Site) -> None:
    """A stream whose reader hangs up is one line, with no more rows than there are."""
    before = len(site.lines())
    with socket.create_connection(("127.0.0.1", site.service.port), 30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(f"GET /usage?begin={MANY['begin']}&end={MANY['end']}&format=ndjson HTTP/1.1\r\nHost: x\r\n"
                       f"X-Auth-Token: {site.token}\r\n\r\n".encode())
        assert client.recv(100)
    wait_for(lambda: len(site.lines()) > before, seconds=60, what="the line of a read that was cut off")
    assert site.service.get("/healthcheck").status == 200
    (line,) = site.lines()[before:]
    assert line.startswith(f"read who=tokens:billing address=127.0.0.1 request=GET%20/usage{SPAN} rows=")
    assert 0 <= int(line.rpartition("=")[2]) <= ACCOUNTS
