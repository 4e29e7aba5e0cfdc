"""What pages say in words: who holds the site up, what was lost and why, and what each figure means."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from swiftstats import fields
from swiftstats.store import engine as engines
from swiftstats.store import losses, space_runs, writers
from tests.support.service import HOUR, Client, T, close, count, fresh, make, sqlite


def text(html: str) -> str:
    """Return what is read of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_what_is_not_well(tmp_path: Path) -> None:
    """Who holds the site up comes first, with its backlog; losses with their reason; crawlers with what they read."""
    engine = fresh(sqlite(tmp_path))
    well, late = count(engine, "proxy-01", get_count=1), count(engine, "proxy-03", get_count=1)
    now = T + 6 * HOUR
    close(engine, well, through=now)
    close(engine, late, through=T + HOUR)
    with engines.write(engine) as connection:
        writers.report(connection, writer=well, now=now, spool_bytes=1 << 20, backlog_periods=0)
        writers.report(connection, writer=late, now=T + HOUR, spool_bytes=3 << 20, backlog_periods=5)
        losses.record_loss(connection, server_id=late.server_id, writer_id=late.id, begin=T, end=T + HOUR, kind="full",
                           requests=1234, bytes_in=5, bytes_out=6, detail="the <spool> was full", now=now - 60)
        space_runs.end_run(connection, server="node-1", method="databases", period=now - HOUR, started_at=now - HOUR + 10,
                           ended_at=now - HOUR + 75, seen=9_000, read=8_997, failed=3, complete=True)
    page = Client(make(sqlite(tmp_path), now=now)).get("/status", headers={"Accept": "text/html"}).text
    tiles, _, rest = text(page).partition("Servers Server State")
    assert "✕ Not final: held up since 2012-10-22 09:00 UTC. proxy-03 silent for 5 hours." in tiles
    assert "swiftstats server retire proxy-03" in tiles
    assert "Complete through 2012-10-22 09:00" in tiles and "Servers up to date 1 of 2" in tiles
    assert "Backlog 5 periods" in tiles and "Lost, last 24 hours 1,234 requests full" in tiles
    servers, _, rest = rest.partition("Crawlers of space")
    assert servers.index("proxy-03") < servers.index("proxy-01")
    assert "proxy-03 ✕ holds the site up" in servers and "3.00 MiB 1,234" in servers and "proxy-01 ✓ up to date" in servers
    crawlers, _, rest = rest.partition("Losses From Until")
    assert "node-1 databases" in crawlers and "9,000 8,997 3" in crawlers
    lost, _, _ = rest.partition("Busiest accounts")
    assert "proxy-03 full 1,234 5 B 6 B the <spool> was full" in lost


def test_help_tells_every_figure(tmp_path: Path) -> None:
    """Each figure that a table can have stands on the help page with its unit and what it is, and each state of being final."""
    fresh(sqlite(tmp_path))
    said = text(Client(make(sqlite(tmp_path))).get("/help", headers={"Accept": "text/html"}).text)
    for column in (*fields.COLUMNS, *fields.SPACE_COUNTS):
        assert f"{column.name} {column.unit} {column.help}" in said
    for state in ("✓ Final", "◐ Not final", "✕ Held up", "— Unknown", "Empty"):
        assert state in said
