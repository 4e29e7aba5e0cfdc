"""The audit log: who was refused what, who read everything, and nothing that anybody else wrote."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from swiftstats.api import audit
from swiftstats.api.auth.tokens import TokensFile
from tests.support.service import RANGE, Client, T, fresh, make, sqlite


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "swiftstats.audit"]


def test_refusals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each refusal is one line: status, who, from where, what; a read of one's own is none, and no line holds a token."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    fresh(sqlite(tmp_path))
    token = TokensFile(str(tmp_path / "tokens")).create("alice", ["AUTH_7f6a"], now=T)
    client = Client(make(sqlite(tmp_path), auth=("tokens",), tokens_file=str(tmp_path / "tokens")))
    client.get("/io_sum", RANGE, headers={"X-Auth-Token": token})
    client.get("/io_sum", RANGE, headers={"X-Auth-Token": "secret-garbage"}, environ={"REMOTE_ADDR": "192.0.2.1"})
    client.get("/space_sum", {**RANGE, "account_id": "b\nread who=root"}, headers={"X-Auth-Token": token},
               environ={"REMOTE_ADDR": "192.0.2.1"})
    client.get("/nope")
    assert lines(caplog) == [
        "refused status=401 who=- address=192.0.2.1 request=GET%20/io_sum",
        "refused status=403 who=tokens:alice address=192.0.2.1 request=GET%20/space_sum asked=b%0Aread%20who%3Droot",
    ]
    assert token not in caplog.text and "secret-garbage" not in caplog.text


def test_reads(caplog: pytest.LogCaptureFixture) -> None:
    """A read of every account says who, which range, and how many rows."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    audit.read({"REMOTE_ADDR": "192.0.2.1", "REQUEST_METHOD": "GET", "PATH_INFO": "/usage"}, begin=T, end=T + 3600, rows=41)
    assert lines(caplog) == ["read who=- address=192.0.2.1 request=GET%20/usage begin=2012-10-22T08:00:00Z "
                             "end=2012-10-22T09:00:00Z rows=41"]


def test_a_long_value_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody fills the log with one request."""
    caplog.set_level(logging.INFO, logger="swiftstats.audit")
    audit.refused({"REQUEST_METHOD": "GET", "PATH_INFO": "/" + "x" * 10_000}, 401, "y" * 10_000)
    assert len(lines(caplog)[0]) < 1000
