"""`swiftstats status`: this host's spool, every server's completeness and backlog, runs of crawlers, and what was lost lately."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.cli.server import moment
from swiftstats.config import Config
from swiftstats.errors import StoreError
from swiftstats.journal.spool import Spool
from swiftstats.names import text_of
from swiftstats.query import site as sites
from swiftstats.query.site import Site, Space, outcome
from swiftstats.represent import as_table, bars, people
from swiftstats.store import engine as store
from swiftstats.store.writers import ServerStatus

DESCRIPTION = (
    "Show this host's spool, and from the database how far the site is complete, what each server has closed and sent, the last "
    "run of each crawler, and the losses of the last days. Status 1 where the database cannot be asked."
)

#: Of a spool's description: what is a moment.
_MOMENTS = ("oldest_period", "closed_through", "shipped_through", "last_sweep")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the format, and how far back losses are shown."""
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--days", type=int, choices=range(1, 3651), default=7, metavar="N",
                        help="show the losses of this many days (default: 7)")


def run(arguments: argparse.Namespace) -> int:
    """Print what there is; return 1 where the database cannot be asked. Raises ConfigError."""
    config = configuration.load(arguments.config)
    spool = spool_of(config)
    site, trouble = None, None
    try:
        site = site_of(config, days=arguments.days)
    except StoreError as error:
        trouble = str(error)
    if arguments.format == "json":
        print(json.dumps({"spool": _shown(spool, iso=True), "database": trouble or "ok", **_json(site)}, indent=2))
    else:
        print(_table(spool, site, arguments.days, aligned=sys.stdout.isatty()), end="")
    if trouble:
        print(f"swiftstats status: {trouble}", file=sys.stderr)
    return 1 if trouble else 0


def spool_of(config: Config) -> dict[str, Any]:
    """Return what this host's spool says of itself, or why it cannot."""
    try:
        return dict(Spool(config.spool).describe())
    except OSError as error:
        return {"path": config.spool, "trouble": f"cannot be read: {error.strerror}"}


def site_of(config: Config, *, days: int) -> Site:
    """Read what the database knows, in one snapshot. Raises ConfigError and StoreError."""
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    with store.read(engine) as connection:
        return sites.read(connection, now=int(store.now(connection)), days=days)


def _shown(spool: dict[str, Any], *, iso: bool) -> dict[str, Any]:
    write = periods.iso if iso else periods.format
    return {name: write(value) if name in _MOMENTS and value is not None else value for name, value in spool.items()}


def _json(site: Site | None) -> dict[str, Any]:
    if site is None:
        return {}
    through = site.freshness.complete_through
    return {
        "now": periods.iso(site.now),
        "complete_through": None if through is None else periods.iso(through),
        "servers": [
            {
                "name": server.name, "state": server.state, "closed_through": _iso(server.closed_through),
                "last_flush": _iso(server.last_flush), "backlog_periods": server.backlog_periods,
                "spool_bytes": server.spool_bytes,
                "live_writers": [writer.incarnation for writer in server.writers if writer.live],
            }
            for server in site.servers
        ],
        "losses": [
            {
                "begin": periods.iso(loss.begin), "end": periods.iso(loss.end), "server": loss.server, "writer": loss.incarnation,
                "kind": loss.kind, "subject": text_of(loss.subject), "requests": loss.requests, "bytes_in": loss.bytes_in,
                "bytes_out": loss.bytes_out, "detail": loss.detail,
            }
            for loss in site.losses
        ],
        "space": _space_json(site.space),
    }


def _space_json(found: Space) -> dict[str, Any]:
    lately, refused = found.coverage, found.refused
    return {
        "complete_through": _iso(found.complete_through),
        "last_period": None if lately is None else {
            "period": periods.iso(lately.period), "accounts": lately.known, "read": lately.read, "complete": lately.complete},
        "refused": None if refused is None else {
            "reports": refused.reports, "first_period": periods.iso(refused.first_period),
            "last_period": periods.iso(refused.last_period), "recorded_at": periods.iso(refused.recorded_at)},
        "runs": [
            {
                "server": run.server, "method": run.method, "period": periods.iso(run.period),
                "started_at": periods.iso(run.started_at), "ended_at": _iso(run.ended_at), "outcome": outcome(run),
                "seen": run.seen, "read": run.read, "failed": run.failed,
            }
            for run in found.runs
        ],
    }


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else periods.iso(seconds)


def _table(spool: dict[str, Any], site: Site | None, days: int, *, aligned: bool) -> str:
    shown = [(f"Spool, {name.replace('_', ' ')}", _word(value)) for name, value in _shown(spool, iso=False).items()]
    parts = [as_table.pairs(shown, aligned=aligned)]
    if site is not None:
        parts.append(as_table.pairs(_site_pairs(site, ago=aligned), aligned=aligned))
        parts.append(_servers_drawn(site) if aligned else _servers(site))
        parts += _space(site.space, aligned=aligned)
        parts.append(_losses(site, days, aligned=aligned))
    return "\n".join(parts)


def _word(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "-" if value is None else value


def _servers(site: Site) -> str:
    """Write servers for a pipe: by name, exact."""
    return as_table.rows(("Server", "State", "Closed through", "Last flush", "Backlog", "Spool"), [
        (server.name, _state(server), moment(server.closed_through), moment(server.last_flush), server.backlog_periods,
         server.spool_bytes) for server in site.servers], aligned=False)


def _servers_drawn(site: Site) -> str:
    """Write servers for a terminal: who holds up the site first, with a bar of how far each is behind."""
    behind = {server.name: max(0, site.now - server.closed_through)
              for server in site.servers if server.closed_through is not None and server.state in ("live", "announced")}
    ordered = sorted(site.servers, key=lambda server: (-behind.get(server.name, -1), server.name))
    most = max(behind.values(), default=0)
    return as_table.rows(("Server", "State", "Closed through", "Last flush", "Backlog", "Spool", "Behind", ""), [
        (server.name, _state(server), moment(server.closed_through), moment(server.last_flush), server.backlog_periods,
         people.size(server.spool_bytes), people.duration(behind[server.name]) if server.name in behind else None,
         bars.bar(behind.get(server.name, 0), most)) for server in ordered], aligned=True, right=(5, 6))


def _site_pairs(site: Site, *, ago: bool) -> list[tuple[str, object]]:
    """Return how far the site is complete, and who holds it up: who has closed the least. `ago`: for people."""
    through, closed = site.freshness.complete_through, site.freshness.closed_through
    shown = moment(through) or "nothing is closed yet"
    if ago and through is not None:
        shown += f", {people.duration(max(0, site.now - through))} ago"
    found: list[tuple[str, object]] = [("Complete through", shown)]
    if closed:
        least = min(closed.values())
        found.append(("Waiting for", ", ".join(site.freshness.waiting_for(least + 1))))
    return found


def _space(found: Space, *, aligned: bool) -> list[str]:
    if not found.runs:
        return ["No crawler has measured space yet.\n"]
    pairs: list[tuple[str, object]] = [
        ("Space, complete through", moment(found.complete_through) or "no period was read completely yet")]
    if found.coverage is not None:
        lately = found.coverage
        pairs.append(("Space, last period", f"{moment(lately.period)}, {lately.read} of {lately.known} accounts read"))
    if found.refused is not None:
        late = found.refused
        pairs.append(("Space, refused", f"{late.reports} reports, of {moment(late.first_period)} to {moment(late.last_period)},"
                      " came after their hours had left"))
    titles = ("Crawler", "Method", "Started", "Seconds", "Outcome", "Seen", "Read", "Failed")
    body = [(run.server, run.method, moment(run.started_at), None if run.ended_at is None else run.ended_at - run.started_at,
             outcome(run), run.seen, run.read, run.failed) for run in found.runs]
    return [as_table.pairs(pairs, aligned=aligned), as_table.rows(titles, body, aligned=aligned)]


def _state(server: ServerStatus) -> str:
    live = sum(writer.live for writer in server.writers)
    return f"{server.state}, {live} writers" if live > 1 else server.state


def _losses(site: Site, days: int, *, aligned: bool) -> str:
    if not site.losses:
        return f"No losses in the last {days} days.\n"
    titles = ("Lost from", "to", "Server", "Kind", "Subject", "Requests", "Bytes in", "Bytes out", "Detail")
    body = [(moment(loss.begin), moment(loss.end), loss.server, loss.kind, text_of(loss.subject), loss.requests, loss.bytes_in,
             loss.bytes_out, loss.detail) for loss in site.losses]
    return as_table.rows(titles, body, aligned=aligned)
