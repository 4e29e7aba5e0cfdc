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

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.config import Config
from swiftstats.query import io
from swiftstats.query.freshness import Header
from swiftstats.query.question import BadQuestion, Question, ask
from swiftstats.represent import as_table
from swiftstats.represent.negotiate import FORMATS
from swiftstats.store import engine as store

DESCRIPTION = "Show an account's requests and bytes: this month so far, unless a range is given."
#: What a fault's parameter is called here.
_NAMES = {"account_id": "ACCOUNT", "begin_time": "--begin", "end_time": "--end"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add account, range and format."""
    parser.add_argument("account", metavar="ACCOUNT", help="AUTH_7f6a, or the id without the prefix; or '(unknown)'")
    parser.add_argument("--begin", metavar="TIME", help="inclusive, UTC unless it says otherwise (default: this month's start)")
    parser.add_argument("--end", metavar="TIME", help="exclusive (default: the end of the running period)")
    parser.add_argument("--detail", action="store_true", help="period by period, instead of the sum")
    parser.add_argument("--format", choices=("table", *FORMATS), default="table",
                        help="table (the default) is aligned on a terminal, and separated by tabs in a pipe")


def run(arguments: argparse.Namespace) -> int:
    """Print the answer; return 2 for a question that cannot be answered. Raises SwiftStatsError."""
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
        if arguments.detail:
            now = store.clock(connection)
            _detail(io.detail(connection, question, now=time.time() if now is None else now), arguments.format, out)
        else:
            _total(io.total(connection, question), arguments.format, out)
    out.flush()
    return 0


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


def _total(answer: io.Sum, form: str, out: BinaryIO) -> None:
    if form == "table":
        out.write(as_table.total(answer, aligned=out.isatty()).encode())
        return
    if form == "csv":
        _say(answer.header)
    out.write(FORMATS[form].total(answer))


def _detail(answer: io.Detail, form: str, out: BinaryIO) -> None:
    if form == "table":
        _say(answer.header)
        out.write(as_table.rows(as_table.DETAIL_TITLES, as_table.detail_rows(answer), aligned=out.isatty()).encode())
        return
    if form == "csv":
        _say(answer.header)
    for chunk in FORMATS[form].detail(answer):
        out.write(chunk)


def _say(header: Header) -> None:
    """Say on stderr what stands above an answer."""
    print(as_table.pairs(as_table.header_pairs(header), aligned=True), end="", file=sys.stderr)
