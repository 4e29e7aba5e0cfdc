"""`swiftstats usage ACCOUNT`: an account's usage in a terminal or a pipe, straight from the database.

The same questions, queries and representations as the service's; completeness goes to stderr where the format has no place
for it (a detail's table in a pipe, CSV).
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timezone
from typing import BinaryIO

from sqlalchemy import Connection

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.config import Config
from swiftstats.query import answer, io, space
from swiftstats.query.freshness import Header
from swiftstats.query.question import BadQuestion, Question, ask
from swiftstats.represent import as_table
from swiftstats.represent.negotiate import FORMATS
from swiftstats.store import engine as store

DESCRIPTION = (
    "Show an account's requests and bytes, or the space that it occupies: this month so far, unless a range is given."
)
#: What a fault's parameter is called here.
_NAMES = {"account_id": "ACCOUNT", "begin_time": "--begin", "end_time": "--end"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add account, range and format."""
    parser.add_argument("account", metavar="ACCOUNT", help="AUTH_7f6a, or the id without the prefix; or '(unknown)'")
    parser.add_argument("--begin", metavar="TIME", help="inclusive, UTC unless it says otherwise (default: this month's start)")
    parser.add_argument("--end", metavar="TIME", help="exclusive (default: the end of the running period)")
    parser.add_argument("--detail", action="store_true", help="period by period, instead of the sum")
    parser.add_argument("--space", action="store_true", help="the space that it occupies, instead of requests and bytes")
    parser.add_argument("--by", choices=space.PARTS,
                        help="with --space: period by period, each by storage policy, or by container")
    parser.add_argument("--format", choices=("table", *FORMATS), default="table",
                        help="table (the default) is aligned on a terminal, and separated by tabs in a pipe")


def run(arguments: argparse.Namespace) -> int:
    """Print the answer; return 2 for a question that cannot be answered. Raises SwiftStatsError."""
    if arguments.by and not arguments.space:
        print("swiftstats usage: --by needs --space", file=sys.stderr)
        return 2
    arguments.detail = arguments.detail or arguments.by is not None
    config = configuration.load(arguments.config)
    try:
        question = question_of(arguments, config, now=time.time())
    except BadQuestion as error:
        for each in error.faults:
            name = _NAMES[each.parameter]
            print(f"swiftstats usage: {name}: {each.value!r} will not do; expected {each.expected}", file=sys.stderr)
        return 2
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    out = sys.stdout.buffer
    with store.read(engine) as connection:
        found = ask_for(connection, question, arguments)
        if isinstance(found, answer.Sum):
            _total(found, arguments.format, out)
        else:
            _detail(found, arguments.format, out)
    out.flush()
    return 0


def ask_for(connection: Connection, question: Question, arguments: argparse.Namespace,
            ) -> answer.Sum | answer.Detail | answer.Breakdown:
    """Return the answer that the arguments ask for."""
    clock = store.clock(connection)
    now = time.time() if clock is None else clock
    if arguments.by:
        return space.breakdown(connection, question, by=arguments.by, now=now)
    if arguments.space:
        return (space.detail if arguments.detail else space.total)(connection, question, now=now)
    return io.detail(connection, question, now=now) if arguments.detail else io.total(connection, question)


def question_of(arguments: argparse.Namespace, config: Config, *, now: float) -> Question:
    """Return the question; raise BadQuestion. The default range ends with the running period."""
    month = datetime.fromtimestamp(now, timezone.utc).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = periods.format(int(month.timestamp())) if arguments.begin is None else arguments.begin
    end = arguments.end
    if end is None:
        end = periods.format(periods.floor(now, config.period_seconds) + config.period_seconds)
    given = {"account_id": arguments.account, "begin_time": begin, "end_time": end}
    return ask(given, prefixes=config.reseller_prefix, period_seconds=config.period_seconds,
               max_periods=config.max_periods if arguments.detail else None)


def _total(found: answer.Sum, form: str, out: BinaryIO) -> None:
    if form == "table":
        out.write(as_table.total(found, aligned=out.isatty()).encode())
        return
    if form == "csv":
        _say(found.header)
    out.write(FORMATS[form].total(found))


def _detail(found: answer.Detail | answer.Breakdown, form: str, out: BinaryIO) -> None:
    if form in ("table", "csv"):
        _say(found.header)
    if form == "table":
        out.write(as_table.detail(found, aligned=out.isatty()).encode())
        return
    write = FORMATS[form]
    for chunk in write.breakdown(found) if isinstance(found, answer.Breakdown) else write.detail(found):
        out.write(chunk)


def _say(header: Header) -> None:
    """Say on stderr what stands above an answer."""
    print(as_table.pairs(as_table.header_pairs(header), aligned=True), end="", file=sys.stderr)
