"""`/metrics`: what Prometheus reads of the service and the site, who may read it, and that Prometheus can."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import Engine

from swiftstats.api.auth.tokens import TokensFile
from swiftstats.store import engine as engines
from swiftstats.store import usage, writers
from tests.support.levels import run
from tests.support.promtool import promtool
from tests.support.service import HOUR, RANGE, Client, T, close, count, fresh, make, sqlite

LOOK = {"metrics_accounts": 1}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return fresh(sqlite(tmp_path))


@pytest.fixture
def site(engine: Engine) -> Engine:
    """Two servers, one of them late with a backlog, a loss, a crawl, and an hour of two accounts."""
    one, three = count(engine, get_count=3, passed_out=1000), count(engine, "proxy-03", account=b"AUTH_b\xff\n\"", put_count=30)
    close(engine, one, three, through=T + HOUR)
    close(engine, one, through=T + 2 * HOUR)
    with engines.write(engine) as connection:
        writers.report(connection, writer=three, now=T + 100, spool_bytes=65536, backlog_periods=4)
        usage.record_loss(connection, server_id=one.server_id, writer_id=one.id, begin=T, end=T + HOUR, kind="uncounted",
                          requests=17, bytes_in=5, bytes_out=6, now=T + 9)
        usage.record_loss(connection, server_id=one.server_id, writer_id=one.id, begin=T, end=T + HOUR, kind="late",
                          requests=2**63 - 1, now=T)
    run(engine, seen=5, read=4, failed=1)
    return engine


def samples(text: str) -> dict[str, float]:
    """Return each sample, `name{label="value",…}` with its value, as a strict reader of OpenMetrics finds them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def scrape(tmp_path: Path, **options: Any) -> dict[str, float]:
    answer = Client(make(sqlite(tmp_path), **options)).get("/metrics")
    assert answer.status_int == 200
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    return samples(answer.text)


def test_the_site(site: Engine, tmp_path: Path) -> None:
    """A scrape says how far the site is complete, who holds it up, what is lost by kind, and how the crawlers ran."""
    found = scrape(tmp_path)
    for name, value in {
        "database_up": 1, "complete_through_timestamp_seconds": T + HOUR,
        'servers{state="live"}': 2, 'servers{state="retired"}': 0,
        'server_closed_through_timestamp_seconds{server="proxy-01"}': T + 2 * HOUR,
        'server_closed_through_timestamp_seconds{server="proxy-03"}': T + HOUR,
        'server_last_flush_timestamp_seconds{server="proxy-03"}': T + 100, 'server_backlog_periods{server="proxy-03"}': 4,
        'server_spool_bytes{server="proxy-03"}': 65536,
        'losses{kind="uncounted",server="proxy-01"}': 1, 'lost_requests{kind="uncounted",server="proxy-01"}': 17,
        'lost_bytes{kind="uncounted",server="proxy-01"}': 11, 'lost_requests{kind="late",server="proxy-01"}': 2.0**63,
        'loss_recorded_timestamp_seconds{kind="uncounted",server="proxy-01"}': T + 9,
        'crawler_run_failed_accounts{method="databases",server="account-01"}': 1,
        'crawler_run_duration_seconds{method="databases",server="account-01"}': 60,
        'crawler_run_complete{method="databases",server="account-01"}': 1,
    }.items():
        assert found["swiftstats_" + name] == value, name
    assert 'swiftstats_server_last_flush_timestamp_seconds{server="proxy-01"}' not in found  # unknown, and not 0


def test_requests_by_route_and_status(site: Engine, tmp_path: Path) -> None:
    """Requests are counted by route, method and status; what somebody makes up, path or method, adds no label."""
    client = Client(make(sqlite(tmp_path)))
    answers = [client.get("/io_sum", RANGE), client.get("/io_detail", RANGE), client.get("/io_sum", {}),
               *(client.get(path) for path in ("/a", "/b", "/io_sum/c")), client.get("/io_sum", RANGE, method="BREW")]
    assert all(answer.body for answer in answers)  # read to the end, as a server does
    found = samples(client.get("/metrics").text)
    name = "swiftstats_http_request_duration_seconds_count"
    assert {key: value for key, value in found.items() if key.startswith(name)} == {
        f'{name}{{method="GET",route="/io_sum",status="200"}}': 1, f'{name}{{method="GET",route="/io_detail",status="200"}}': 1,
        f'{name}{{method="GET",route="/io_sum",status="400"}}': 1, f'{name}{{method="GET",route="other",status="404"}}': 3,
        f'{name}{{method="other",route="other",status="405"}}': 1}
    assert samples(client.get("/metrics").text)[f'{name}{{method="GET",route="/metrics",status="200"}}'] == 1


def test_accounts_are_bounded(site: Engine, tmp_path: Path) -> None:
    """No account is named unless that is wanted; then so many, any name escaped, and all the others in one sum."""
    assert not any("account_" in name for name in scrape(tmp_path) if "crawler" not in name)
    one = scrape(tmp_path, metrics_accounts=1)
    requests = "swiftstats_account_requests"
    assert {name: value for name, value in one.items() if name.startswith(requests)} == {
        requests + '{account="AUTH_b\\xff\n""}': 30, requests + '{account="(other)"}': 3}
    assert one['swiftstats_account_out_bytes{account="(other)"}'] == 1000
    assert one["swiftstats_accounts_period_timestamp_seconds"] == T
    many = scrape(tmp_path, metrics_accounts=9)
    assert many['swiftstats_account_requests{account="(other)"}'] == 0
    assert many['swiftstats_account_requests{account="AUTH_7f6a"}'] == 3


def test_who_may_read(site: Engine, tmp_path: Path) -> None:
    """Only who may read every account is answered, by either header; a tenant is refused, and so is nobody at all."""
    file = TokensFile(str(tmp_path / "tokens"))
    operator, tenant = file.create("operator", None, now=T), file.create("tenant", ["AUTH_7f6a"], now=T)
    client = Client(make(sqlite(tmp_path), auth=("tokens",), tokens_file=file.path, **LOOK))
    assert client.get("/metrics").status_int == client.get("/metrics", headers={"Authorization": "Bearer x"}).status_int == 401
    assert client.get("/metrics", headers={"X-Auth-Token": tenant}).status_int == 403
    for headers in ({"X-Auth-Token": operator}, {"Authorization": f"Bearer {operator}"}):
        answer = client.get("/metrics", headers=headers)
        assert answer.status_int == 200 and "AUTH_b" in answer.text and operator not in answer.text


def test_anonymous(site: Engine, tmp_path: Path) -> None:
    """With metrics_anonymous everybody is answered, and nobody but who may read every account is told an account's name."""
    file = TokensFile(str(tmp_path / "tokens"))
    operator, tenant = file.create("operator", None, now=T), file.create("tenant", ["AUTH_7f6a"], now=T)
    client = Client(make(sqlite(tmp_path), auth=("tokens",), tokens_file=file.path, metrics_anonymous=True, **LOOK))
    for headers in ({}, {"X-Auth-Token": tenant}, {"X-Auth-Token": "nonsense"}):
        answer = client.get("/metrics", headers=headers)
        assert answer.status_int == 200 and "proxy-03" in answer.text and "AUTH_" not in answer.text
    assert "AUTH_b" in client.get("/metrics", headers={"X-Auth-Token": operator}).text


def test_the_database_away(tmp_path: Path) -> None:
    """With the database away a scrape is answered, says so, and tells nothing that it does not know."""
    found = scrape(tmp_path / "gone")
    assert found["swiftstats_database_up"] == 0
    assert not any("complete" in name for name in found)


def test_prometheus_reads_it(site: Engine, tmp_path: Path) -> None:
    """promtool finds no fault in names, helps and types; who accepts only the older text format gets it."""
    client = Client(make(sqlite(tmp_path), **LOOK))
    client.get("/io_sum", RANGE)
    answer = client.get("/metrics", headers={"Accept": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"})
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert promtool("check", "metrics", given=answer.text) == ""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    assert client.get("/metrics", headers={"Accept": accept}).text.endswith("# EOF\n")
    assert not re.search(r"^# HELP \S+ *$", answer.text, re.MULTILINE)
