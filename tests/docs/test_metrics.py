"""docs/metrics.md tells each metric that there is, its labels and meaning, and no other; rules and dashboard name only those."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from swiftstats.collect import space_metrics
from swiftstats.collect.space import Outcome
from swiftstats.config import Config
from swiftstats.flush.metrics import DONE, FILE, Metrics
from tests.docs.documents import read
from tests.support.hosts import Host
from tests.support.levels import run
from tests.support.promtool import promtool
from tests.support.service import HOUR, RANGE, Client, T, close, count, fresh, make, sqlite

RULES, DASHBOARD = "etc/prometheus-alerts.yml", "etc/grafana-dashboard.json"
#: What every process tells of itself; they are prometheus_client's own.
PROCESS = "process_"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Metric]]:
    """What service, flusher and crawler write when there is something of everything."""
    folder = tmp_path_factory.mktemp("site")
    engine = fresh(sqlite(folder))
    host = Host(engine, folder / "spool")
    host.count()
    host.damage(host.segments()[0])
    Metrics(Config({**host.options, "metrics_dir": str(folder)})).swept(DONE, host.close(), 0.1)
    writer = count(engine, get_count=3)
    close(engine, writer, through=T + HOUR)
    run(engine)
    client = Client(make(sqlite(folder), metrics_accounts=1))
    assert client.get("/io_sum", RANGE).body
    service = client.get("/metrics", headers={"Accept": "text/plain"}).text
    crawled = space_metrics.registry_of("proxy", Outcome(T, T + 1, 1, 1, 0, True))
    return {"service": list(text_string_to_metric_families(service)),
            "flusher": list(text_string_to_metric_families((folder / FILE).read_text())), "space": list(families(crawled))}


def families(registry: CollectorRegistry) -> Iterator[Metric]:
    yield from registry.collect()


def rows(metrics: list[Metric]) -> list[str]:
    """Return the lines of the documentation for metrics."""
    found = []
    for metric in metrics:
        if metric.name.startswith(PROCESS) or metric.name.endswith("_created"):
            continue
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = sorted({label for sample in metric.samples for label in sample.labels} - {"le"})
        found.append(f"| `{name}` | {', '.join(labels) or '–'} | {metric.documentation} |")
    return found


def names(written: dict[str, list[Metric]]) -> set[str]:
    """Return the name of every sample that there is."""
    return {sample.name for metrics in written.values() for metric in metrics for sample in metric.samples}


def test_every_metric_is_documented(written: dict[str, list[Metric]]) -> None:
    """An operator finds each metric of a scrape in docs/metrics.md, and none there that is not in a scrape."""
    said = [line for line in read("docs/metrics.md").splitlines() if line.startswith("| `swiftstats_")]
    assert said == [row for metrics in written.values() for row in rows(metrics)]


def named(text: str) -> set[str]:
    """Return the metrics that an expression or a file names."""
    return set(re.findall(r"\bswiftstats_[a-z_]+\b(?!:)", text))


def test_rules_name_metrics_that_there_are(written: dict[str, list[Metric]]) -> None:
    """No alert waits for a metric that nobody writes."""
    assert named(read(RULES)) and named(read(RULES)) <= names(written)


def test_the_dashboard_names_metrics_that_there_are(written: dict[str, list[Metric]]) -> None:
    """Each panel of the dashboard asks for something, and only for metrics that there are."""
    panels = [panel for panel in json.loads(read(DASHBOARD))["panels"] if panel["type"] != "row"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(panels) >= 8 and all(panel["title"] and panel["targets"] for panel in panels)
    assert all(named(expression) for expression in asked)
    assert set().union(*map(named, asked)) <= names(written)


def test_prometheus_takes_the_rules() -> None:
    """promtool reads the alert rules, and each fires where it should, and only there: etc/prometheus-alerts.test.yml."""
    folder = Path(__file__).resolve().parents[2]
    assert "SUCCESS" in promtool("check", "rules", RULES, folder=folder)
    assert "SUCCESS" in promtool("test", "rules", "tests/docs/prometheus-alerts.test.yml", folder=folder)
    tested = set(re.findall(r"alertname: (\w+)", read("tests/docs/prometheus-alerts.test.yml")))
    assert tested == set(re.findall(r"- alert: (\w+)", read(RULES)))


def test_queries_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    """promtool reads each query of the dashboard."""
    panels = [panel for panel in json.loads(read(DASHBOARD))["panels"] if panel["type"] != "row"]
    rules = [{"record": f"panel:{number}", "expr": target["expr"].replace("$__rate_interval", "5m")}
             for number, target in enumerate(target for panel in panels for target in panel["targets"])]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "rules.yml", folder=tmp_path)
