"""The page of the site: who was busy in the last closed hour, and how much more than usual."""

from __future__ import annotations

import re
from pathlib import Path

from swiftstats.store import engine as engines
from swiftstats.store import petnames
from tests.support.service import HOUR, Client, T, close, count, fresh, make, sqlite


def test_busiest(tmp_path: Path) -> None:
    """The busiest come first, with how many times their median of the day before, and petnames; nobody idle is among them."""
    engine = fresh(sqlite(tmp_path))
    for hour in range(24):
        count(engine, period=T + hour * HOUR, account=b"AUTH_a", get_count=10)
        count(engine, period=T + hour * HOUR, account=b"AUTH_idle", get_count=1)
    now = T + 24 * HOUR
    count(engine, period=now, account=b"AUTH_a", get_count=30)
    count(engine, period=now, account=b"AUTH_new", put_count=20)
    writer = count(engine, period=now, account=b"AUTH_idle", denied=5)
    close(engine, writer, through=now + HOUR)
    client = Client(make(sqlite(tmp_path), now=now + HOUR))

    def shown() -> list[list[str]]:
        page = client.get("/status", headers={"Accept": "text/html"}).text.partition("Busiest accounts")[2]
        return [re.sub(r"<[^>]+>", " ", row).split() for row in page.split("<tr>")[2:]]

    assert [(row[0], row[1], " ".join(row[3:])) for row in shown()] == [
        ("AUTH_a", "30", "× 3.0"), ("AUTH_new", "20", "usually idle")]
    with engines.write(engine) as connection:
        petnames.put(connection, {b"AUTH_a": "Alice"})
    assert [row[:3] for row in shown()] == [["AUTH_a", "Alice", "30"], ["AUTH_new", "?", "no"]]
