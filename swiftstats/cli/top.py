"""`swiftstats top`: the busiest accounts of the last complete period, or of the running one; again and again on a terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from dataclasses import dataclass
from typing import Mapping

from sqlalchemy import Engine

from swiftstats import config as configuration
from swiftstats import fields, periods
from swiftstats.config import Config
from swiftstats.errors import StoreError
from swiftstats.names import text_of
from swiftstats.query import busiest
from swiftstats.query.busiest import BY, Busiest
from swiftstats.represent import as_table, bars, people
from swiftstats.store import engine as store
from swiftstats.store import petnames, writers

DESCRIPTION = (
    "Show the busiest accounts of the last complete period, and all others together: on a terminal again and again, until "
    "Ctrl-C; in a pipe once, with exact figures."
)
TITLES = ("Account", "Petname", "Requests", "Bytes in", "Bytes out")
#: Accounts in a pipe, and on a terminal that does not say its height.
LINES = 20
#: Lines of a terminal that are no account: what stands above, the titles, the others, and the last one.
OTHER_LINES = 6
_HOME_AND_CLEAR, _HIDE_CURSOR, _SHOW_CURSOR, _TO_LINE_END, _BELOW = "\x1b[H\x1b[2J", "\x1b[?25l", "\x1b[?25h", "\x1b[K", "\x1b[J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is looked at, and how often."""
    parser.add_argument("--by", choices=tuple(BY), default="requests", help="what makes an account busy (default: requests)")
    parser.add_argument("--running", action="store_true",
                        help="the running period so far, as far as it was flushed, instead of the last complete one")
    parser.add_argument("--lines", metavar="N", type=int, choices=range(1, 1001), help="so many accounts (default: what fits)")
    parser.add_argument("--interval", metavar="SECONDS", type=float, default=5.0,
                        help="on a terminal, how long to wait between two looks (default: 5)")
    parser.add_argument("--once", action="store_true", help="on a terminal too: once")


@dataclass(frozen=True)
class Look:
    """What is shown at one moment; `called`: whether any account has a petname, `final`: whether the period is complete."""

    now: int
    found: Busiest | None
    petnames: Mapping[bytes, str]
    called: bool
    final: bool


def run(arguments: argparse.Namespace) -> int:
    """Show it once, or until Ctrl-C. Raises SwiftStatsError where it cannot be shown at all."""
    config = configuration.load(arguments.config)
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    aligned = sys.stdout.isatty()
    if not aligned or arguments.once:
        sys.stdout.write(written(look(engine, config, arguments, arguments.lines or LINES), arguments.by, aligned=aligned))
        return 0
    return _again_and_again(engine, config, arguments)


def look(engine: Engine, config: Config, arguments: argparse.Namespace, limit: int) -> Look:
    """Read who is busy now."""
    with store.read(engine) as connection:
        now, through = int(store.now(connection)), writers.complete_through(connection).complete_through
        end = periods.floor(now, config.period_seconds) + config.period_seconds if arguments.running else through
        if end is None:
            return Look(now, None, {}, False, False)
        found = busiest.busiest(connection, end - config.period_seconds, end, limit=limit, by=arguments.by)
        named = petnames.of(connection, [row.account for row in found.rows])
        return Look(now, found, named, petnames.is_there(connection), through is not None and through >= end)


def written(seen: Look, by: str, *, aligned: bool) -> str:
    """Write a look: for a terminal with sizes and bars, else exact."""
    if seen.found is None:
        return "nothing is complete yet\n"
    called = seen.called and aligned
    totals = [(text_of(row.account), people.petname(seen.petnames.get(row.account), any_=called), row.cells)
              for row in seen.found.rows] + [("(other)", "", seen.found.others)]
    if not aligned:
        body = [(account, petname, *figures(cells).values()) for account, petname, cells in totals]
        return as_table.rows(TITLES, body, aligned=False)
    most = max(figures(cells)[by] for _, _, cells in totals)
    shown = []
    for account, petname, cells in totals:
        counted = figures(cells)
        shown.append((account, petname, people.count(counted["requests"]), people.size(counted["bytes_in"]),
                      people.size(counted["bytes_out"]), bars.bar(counted[by], most)))
    period = people.span(seen.found.begin, seen.found.end)
    head = f"{period}, {'complete' if seen.final else 'not complete yet'}; seen {people.moment(seen.now)}\n\n"
    return head + as_table.rows((*TITLES, "By " + by.replace("_", " ")), shown, aligned=True, right=(2, 3, 4))


def figures(cells: tuple[int, ...]) -> dict[str, int]:
    """Return the figures of BY."""
    return {by: sum(cells[fields.CELL_INDEX[name]] for name in names) for by, names in BY.items()}


def _again_and_again(engine: Engine, config: Config, arguments: argparse.Namespace) -> int:
    """Show it at each interval, until Ctrl-C; the terminal is left as it was."""
    sys.stdout.write(_HIDE_CURSOR + _HOME_AND_CLEAR)
    try:
        while True:
            size = shutil.get_terminal_size((80, LINES + OTHER_LINES))
            limit = arguments.lines or max(1, size.lines - OTHER_LINES)
            try:
                text = written(look(engine, config, arguments, limit), arguments.by, aligned=True)
            except StoreError as error:
                text = f"{error}\nLooking again in {arguments.interval:g} s.\n"
            lines = [bars.cut(line, size.columns) for line in text.splitlines()[:size.lines - 1]]
            sys.stdout.write("\x1b[H" + "".join(line + _TO_LINE_END + os.linesep for line in lines) + _BELOW)
            sys.stdout.flush()
            time.sleep(max(arguments.interval, 0.1))
    except KeyboardInterrupt:
        return 0
    finally:
        sys.stdout.write(_SHOW_CURSOR)
        sys.stdout.flush()
