"""`swiftstats retention`: let hours leave that are older than they are kept, or show what would."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time

from sqlalchemy.engine import Engine

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.cli import log
from swiftstats.config import Config
from swiftstats.flush import retention
from swiftstats.flush.retention import Plan, Step
from swiftstats.flush.turns import PAUSE_SECONDS, NotOurTurn
from swiftstats.periods import DAY
from swiftstats.represent import as_table
from swiftstats.store import engine as engines

DESCRIPTION = """Let hours of usage and space leave that are older than `keep_hours_months`; days and months stay, and sums over
them are the same as before. Only months leave that are over, closed by every server, and rolled up. The flushers do this when
they are idle; run it by itself where their database user may not change tables. One process at a time does it for the site."""

TITLES = ("Table", "From", "Before", "Days", "Rows", "Bytes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what would leave: days, rows, and bytes where known")
    parser.add_argument("--once", action="store_true",
                        help="one attempt, in short steps; without it what is in use now is tried again until it has gone")
    parser.add_argument("--verbose", action="store_true", help="say more in the log")


def run(arguments: argparse.Namespace) -> int:
    """Show or do it; return 1 where something that has left could not be removed, or another process is at it."""
    settings = configuration.load(arguments.config)
    log.begin(logging.INFO if arguments.verbose else logging.WARNING)
    engine = engines.create(settings.require("database"))
    engines.check_schema(engine)
    found = retention.plan(engine, keep_months=settings.keep_hours_months)
    print("\n".join(said(found, settings.keep_hours_months)))
    if arguments.dry_run:
        print(_stock(found), end="")
        return 0
    return _let_go(engine, settings, until_gone=not arguments.once)


def said(found: Plan, keep_months: int) -> list[str]:
    """Say from when on hours are kept, and would be."""
    lines = [f"hours are kept from {periods.format(found.mark * DAY)} on" if found.mark else "no hours have left yet"]
    if not keep_months:
        return [*lines, "hours are kept for ever (keep_hours_months = 0)"]
    if found.day > found.mark:
        lines.append(f"those before {periods.format(found.day * DAY)} may leave")
    if found.held:
        lines.append(f"those before {periods.format(found.wanted * DAY)} are to leave, but {found.held}")
    return lines


def _stock(found: Plan) -> str:
    if not found.stock:
        return "nothing is to be removed\n"
    return as_table.rows(TITLES, [
        (each.table, periods.format(each.first * DAY), periods.format((each.last + 1) * DAY), each.days,
         f"about {each.rows}" if each.estimated else each.rows, "-" if each.bytes is None else each.bytes)
        for each in found.stock], aligned=sys.stdout.isatty())


def _let_go(engine: Engine, settings: Config, *, until_gone: bool) -> int:
    holder = f"{settings.server}/{os.getpid()}"
    while True:
        busy: list[Step] = []
        removed: dict[tuple[str, str], int] = {}
        try:
            for step in retention.let_go(engine, holder=holder, keep_months=settings.keep_hours_months,
                                         batch_rows=settings.batch_rows):
                if step.busy:
                    busy.append(step)
                else:
                    what = step.table, "partitions" if step.partitions else "rows"
                    removed[what] = removed.get(what, 0) + step.number
                time.sleep(PAUSE_SECONDS)
        except NotOurTurn as error:
            print(f"swiftstats retention: {error}", file=sys.stderr)
            return 1
        for (table, unit), number in removed.items():
            print(f"{table}: {number} {unit} removed")
        for step in busy:
            print(f"{step.table}: in use; what has left of it is removed another time", file=sys.stderr)
        if not (busy and until_gone):
            return 1 if busy else 0
        time.sleep(1)
