"""A billing system's month as docs/billing.md walks through it, over HTTP with curl, read with pandas and with DuckDB."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any, Iterator

import duckdb
import pandas
import pytest
from sqlalchemy import Engine
from waitress.server import create_server

from swiftstats.api.auth.tokens import TokensFile
from swiftstats.fields import STORED_MAX
from swiftstats.periods import parse
from swiftstats.store import engine as engines
from swiftstats.store import usage
from tests.docs.documents import fenced, read
from tests.support.service import HOUR, cells, close, count, fresh, make

OCTOBER, NOVEMBER = parse("2026-10-01"), parse("2026-11-01")


@pytest.fixture
def engine(store_url: str) -> Engine:
    """A database in which October of some accounts is counted, beyond 2^63, and not closed."""
    engine = fresh(store_url)
    for name in (b"AUTH_a", b"AUTH_b", b'AUTH_"c", d'):
        for number in range(3):
            count(engine, account=name, first=OCTOBER, period=OCTOBER + number * 200 * HOUR, passed_out=STORED_MAX, get_count=1)
    return engine


@pytest.fixture
def shell(engine: Engine, store_url: str, tmp_path: Path) -> Iterator[Any]:
    """Runs a script in a folder, with the service's address and a token of an operator in the environment."""
    token = TokensFile(str(tmp_path / "tokens")).create("billing", None, now=OCTOBER)
    app = make(store_url, now=NOVEMBER + 10 * HOUR, auth=("tokens",), tokens_file=str(tmp_path / "tokens"))
    server = create_server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()

    def run(script: str) -> str:
        here = f"METER=http://127.0.0.1:{server.effective_port}\nTOKEN={token}\n"
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", here + script], cwd=tmp_path, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    try:
        yield run
    finally:
        server.trigger.pull_trigger(server.close)  # in its own loop, which then has nothing left to wait for
        thread.join(10)
        server.task_dispatcher.shutdown()
        assert not thread.is_alive()


def test_the_walk(engine: Engine, shell: Any, tmp_path: Path) -> None:
    """Not final, final, pulled, pulled again, corrected: the documented commands do what the document says of them."""
    section = read("docs/billing.md").split("## A month of all accounts")[1].split("\n## ")[0]
    is_final, pull, again, corrected = fenced(section, "sh")
    (difference,) = fenced(section, "sql")
    assert shell(is_final) == "409\n"
    writer = count(engine, account=b"AUTH_a", first=OCTOBER, period=OCTOBER, get_count=1)
    close(engine, writer, through=NOVEMBER)
    assert shell(is_final) == "200\n"
    shell(pull)
    table = pandas.read_csv(tmp_path / "2026-10.csv", dtype=object)
    assert {row.account: int(row.bytes_out) for row in table.itertuples()} == {
        name: 3 * STORED_MAX for name in ("AUTH_a", "AUTH_b", 'AUTH_"c", d')}
    count(engine, account=b"AUTH_new", first=OCTOBER, period=NOVEMBER, get_count=1)
    assert shell(again) == "304\n"
    shell(pull.replace("2026-10.csv", "same.csv"))
    assert (tmp_path / "same.csv").read_bytes() == (tmp_path / "2026-10.csv").read_bytes()
    with engines.write(engine) as connection:
        rows = [(b"AUTH_b", cells(passed_out=7))]
        usage.merge(connection, writer=writer, period=OCTOBER + HOUR, rows=rows, now=NOVEMBER + HOUR)
    assert shell(again) == "200\n"
    assert "2026-10-01T01:00:00Z" in shell(corrected)
    inside = difference.replace("'corrected.csv'", f"'{tmp_path}/corrected.csv'").replace("'2026-10.csv'",
                                                                                         f"'{tmp_path}/2026-10.csv'")
    assert duckdb.sql(inside).fetchall() == [("AUTH_b", 7)]
    added = f"SELECT sum(bytes_out::HUGEINT)::HUGEINT FROM read_csv('{tmp_path}/corrected.csv', all_varchar = true)"
    assert duckdb.sql(added).fetchall() == [(9 * STORED_MAX + 7,)]
