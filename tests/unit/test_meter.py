"""The meter as other code calls it: the same classification, on the same journal."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from swiftstats import fields
from swiftstats.collect.meter import Meter
from swiftstats.fields import UNKNOWN
from tests.support import spools
from tests.support.recorder import Recorder


@pytest.fixture
def journal() -> Recorder:
    return Recorder()


@pytest.mark.parametrize(("method", "status", "usage"), [
    ("GET", 200, {"GET": 1, "bytes_in": 3, "bytes_out": 5}),
    ("PUT", 201, {"PUT": 1, "bytes_in": 3, "bytes_out": 5}),
    ("COPY", 201, {"OTHER": 1, "bytes_in": 3, "bytes_out": 5}),
    ("GET", 404, {"GET": 1, "client_errors": 1, "bytes_in": 3, "bytes_out": 5}),
    ("GET", 403, {"denied": 1, "unbilled_bytes_in": 3, "unbilled_bytes_out": 5}),
    ("GET", 503, {"server_errors": 1, "unbilled_bytes_in": 3, "unbilled_bytes_out": 5}),
    ("PUT", 499, {"PUT": 1, "disconnects": 1, "bytes_in": 3, "bytes_out": 5}),
])
def test_a_request_counts_as_in_the_filter(method: str, status: int, usage: dict[str, int], journal: Recorder) -> None:
    """Method and status decide, as for a request that passes the filter."""
    Meter(spool="unused", counters=journal).count("AUTH_a", method, status, 3, 5)
    assert journal.usage("AUTH_a") == usage
    assert len(journal.adds) == 1


@pytest.mark.parametrize(("given", "prefixes", "counted"), [
    ("AUTH_7f6a", "AUTH", "AUTH_7f6a"),
    ("7f6a", "AUTH", "AUTH_7f6a"),
    ("SERVICE_1", "AUTH, SERVICE", "SERVICE_1"),
    ("SERVICE_1", ("AUTH_", "SERVICE_"), "SERVICE_1"),
    ("SERVICE_1", "AUTH", "AUTH_SERVICE_1"),
    ("7f6a", "", "7f6a"),
    ("é", "AUTH", "AUTH_\xc3\xa9"),
    (b"AUTH_\xff", "AUTH", "AUTH_\xff"),
    (UNKNOWN, "AUTH", UNKNOWN),
    ("", "AUTH", UNKNOWN),
    ("x" * 252, "AUTH", UNKNOWN),
    ("x" * 251, "AUTH", "AUTH_" + "x" * 251),
])
def test_an_account_is_named_as_people_name_it(given: str | bytes, prefixes: str, counted: str, journal: Recorder) -> None:
    """An id without a reseller prefix gets the first; a name is its UTF-8, as Swift has it; none is longer than 256 bytes."""
    Meter(spool="unused", counters=journal, reseller_prefix=prefixes).count(given, "GET", 200)
    assert journal.accounts() == {counted}


@pytest.mark.parametrize(("method", "status", "account", "evidence"), [
    ("GET", 200, "AUTH_a", True), ("GET", 401, "AUTH_a", False), ("OPTIONS", 200, "AUTH_a", False), ("GET", 200, UNKNOWN, False),
])
def test_evidence_is_as_in_the_filter(method: str, status: int, account: str, evidence: bool, journal: Recorder) -> None:
    """What proves an account real does so whoever counts."""
    Meter(spool="unused", counters=journal).count(account, method, status)
    assert journal.evidence(account) is evidence


@pytest.mark.parametrize("arguments", [
    ("AUTH_a", "GET", 200, -1, 0), ("AUTH_a", "GET", "two hundred", 0, 0), (None, "GET", 200, 0, 0),
])
def test_nonsense_is_logged_and_not_raised(arguments: tuple, journal: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """Metering never fails the code that is metered, and a counter never falls."""
    meter = Meter(spool="unused", counters=journal)
    meter.count(*arguments)
    meter.count(*arguments)
    assert journal.adds == []
    assert len(caplog.records) == 1


def test_nothing_is_opened_before_the_first_count(tmp_path: Path) -> None:
    """A meter that is made and never used leaves no trace on disk."""
    meter = Meter(spool=str(tmp_path / "spool"), server="proxy-1")
    assert list(tmp_path.iterdir()) == []
    meter.count("AUTH_a", "GET", 200)
    assert (tmp_path / "spool").is_dir()
    meter.close()


def test_threads_lose_nothing_on_the_real_journal(tmp_path: Path) -> None:
    """32 threads count into one segment, exactly."""
    meter = Meter(spool=str(tmp_path / "spool"), server="proxy-1")

    def work() -> None:
        for _ in range(200):
            meter.count("AUTH_a", "PUT", 201, 10, 1)

    threads = [threading.Thread(target=work) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.close()
    total = [sum(column) for column in zip(*(row.cells for snapshot in spools.snapshots(tmp_path / "spool")
                                             for row in snapshot.rows() if row.name == b"AUTH_a"))]
    figures = {field.name: value for field, value in zip(fields.FIELDS, fields.values(total)) if value}
    assert figures == {"PUT": 6400, "bytes_in": 64_000, "bytes_out": 6400}
