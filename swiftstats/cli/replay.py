"""`swiftstats replay`: ship the archive's period files once more."""

from __future__ import annotations

import argparse
import sys

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.cli import log
from swiftstats.errors import TimeError
from swiftstats.flush import replay
from swiftstats.flush.replay import DAMAGED, GONE, SHIPPED, TO_SHIP, Step
from swiftstats.store import engine as engines

DESCRIPTION = (
    "Ship this host's closed periods again, from the archive in its spool: for a database that was restored from a backup, or "
    "lost. Harmless, whatever is there already. Says of each period what was shipped, and what is gone. Exit 1 where something "
    "that was asked for, or that the database lacks, is gone or damaged."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where to begin, and a run without effect."""
    parser.add_argument("--since", metavar="TIME", help="begin with the period of this moment (default: with all that is kept)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be shipped; needs no database")
    parser.add_argument("--wait", type=float, default=60.0, metavar="SECONDS",
                        help="how long to wait for a sweep in progress (default: 60), then exit 1")


def run(arguments: argparse.Namespace) -> int:
    """Print a line per period; return 0, 1 or 2. Raises ConfigError, StoreError, JournalError."""
    log.begin()
    settings = configuration.load(arguments.config)
    try:
        since = None if arguments.since is None else periods.floor(periods.parse(arguments.since), settings.period_seconds)
    except TimeError as error:
        print(f"swiftstats replay: {error}", file=sys.stderr)
        return 2
    if arguments.dry_run:
        steps = replay.plan(settings, since=since)
    else:
        engine = engines.create(settings.require("database"))
        engines.check_schema(engine)
        steps = replay.replay(settings, engine, since=since, wait=arguments.wait)
    count = rows = 0
    failed = False
    for step in steps:
        print(line(step), flush=True)
        if step.outcome in (SHIPPED, TO_SHIP):
            count, rows = count + 1, rows + step.rows
        failed = failed or step.lost or step.outcome == DAMAGED or (step.outcome == GONE and since is not None)
    print(f"{count} periods, {rows} rows {'to be shipped' if arguments.dry_run else 'shipped'}")
    return 1 if failed else 0


def line(step: Step) -> str:
    """Say what became of a period."""
    end = periods.format(step.end)
    span = f"{periods.format(step.begin)} to {end}" if step.begin else f"everything before {end}"
    if step.outcome in (SHIPPED, TO_SHIP):
        return f"{span}: {step.rows} rows {step.outcome}"
    return (f"{span}: {step.outcome}{f', {step.reason}' if step.reason else ''}"
            f"{'; recorded as lost' if step.lost else ''}")
