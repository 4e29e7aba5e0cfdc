"""`swiftstats usage`: an account's usage, or that of all, in a terminal or a pipe, straight from the database.

Of one account here, of all in usage_table.py. The same questions, queries and representations as the service's; completeness
goes to stderr where the format has no place for it (a detail's table in a pipe, CSV).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from datetime import datetime, timezone
from typing import BinaryIO

from sqlalchemy import Connection

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.cli import usage_plots, usage_table
from swiftstats.config import Config
from swiftstats.errors import TimeError
from swiftstats.query import answer, io, space, steps
from swiftstats.query.freshness import Header
from swiftstats.query.question import BadQuestion, Question, ask, fault
from swiftstats.query.steps import GRANULARITIES
from swiftstats.query.table_header import NotFinal
from swiftstats.represent import as_table, people, table_formats
from swiftstats.represent.negotiate import FORMATS
from swiftstats.store import engine as store
from swiftstats.store import petnames

DESCRIPTION = (
    "Show an account's requests and bytes, or the space that it occupies, or with --all both of every account: this month so "
    "far, unless a range is given. Exit 3, and no figures, where --final was asked for and it is not."
)
#: What --all may be told by.
BY = ("account", "server", "account,server", "group", "group,server")
#: What goes with --all alone.
OF_ALL = ("granularity", "timezone", "fields", "order", "limit", "account_prefix")
#: What a fault's parameter is called here.
_NAMES = {"period": "--period", "account_id": "ACCOUNT", "begin_time": "--begin", "end_time": "--end"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add account, range and format."""
    parser.add_argument("account", metavar="ACCOUNT", nargs="?", help="AUTH_7f6a, or the id without the prefix; or '(unknown)'")
    parser.add_argument("--all", action="store_true", help="every account, a row each, instead of one")
    parser.add_argument("--group", metavar="GROUP", action="append",
                        help="the accounts with a petname in this group, such as physics/lab1, with all below; may be repeated")
    parser.add_argument("--period", metavar="PERIOD",
                        help="the whole of 2026-10, 2026-10-21, this-month, last-month or today, instead of --begin and --end")
    parser.add_argument("--begin", metavar="TIME", help="inclusive, UTC unless it says otherwise (default: this month's start)")
    parser.add_argument("--end", metavar="TIME", help="exclusive (default: the end of the running period)")
    parser.add_argument("--detail", action="store_true", help="period by period, instead of the sum")
    parser.add_argument("--space", action="store_true", help="the space that it occupies, instead of requests and bytes")
    parser.add_argument("--by", choices=(*space.PARTS, *BY),
                        help="with --space: period by period, each by storage policy, or by container; with --all: a row per "
                             "account (the default), server, both, or group of petnames: what is its own, and its total with "
                             "all below")
    parser.add_argument("--format", choices=("table", *table_formats.FORMATS), default="table",
                        help="table (the default) is aligned on a terminal, and separated by tabs in a pipe; ndjson and focus "
                             "are for --all")
    parser.add_argument("--final", action="store_true", help="exit 3, and print no figures, where the range is not complete")
    parser.add_argument("--granularity", choices=GRANULARITIES, help="with --all: a row per step (default: total)")
    parser.add_argument("--timezone", metavar="ZONE", help="with --all: whose days and months, as Europe/Berlin (default: UTC)")
    parser.add_argument("--fields", metavar="NAMES",
                        help="with --all: only these figures, separated by commas (default: all; in a terminal some)")
    parser.add_argument("--order", metavar="FIELD", help="with --all: a top list, such as --order=-bytes_out")
    parser.add_argument("--limit", metavar="N", help="with --all: at most so many accounts (1,000 at most; in a terminal 100)")
    parser.add_argument("--account-prefix", metavar="PREFIX", help="with --all: only accounts whose names begin so")


def run(arguments: argparse.Namespace) -> int:
    """Print the answer; return 2 for a question that cannot be answered, 3 where it is not final. Raises SwiftStatsError."""
    mistake = mistake_in(arguments)
    if mistake:
        print(f"swiftstats usage: {mistake}", file=sys.stderr)
        return 2
    arguments.detail = arguments.detail or arguments.by in space.PARTS
    config = configuration.load(arguments.config)
    try:
        return usage_table.run(arguments, config) if is_of_many(arguments) else _one(arguments, config)
    except NotFinal as error:
        print(f"swiftstats usage: not final: {error}", file=sys.stderr)
        return 3
    except BadQuestion as error:
        for each in error.faults:
            name = _NAMES.get(each.parameter) or usage_table.fault_name(each.parameter)
            print(f"swiftstats usage: {name}: {each.value!r} will not do; expected {each.expected}", file=sys.stderr)
        return 2


def is_of_many(arguments: argparse.Namespace) -> bool:
    """Tell whether a table of many accounts is asked for: all, or those of groups."""
    return arguments.all or arguments.group is not None or (arguments.by or "").startswith("group") and arguments.account is None


def mistake_in(arguments: argparse.Namespace) -> str | None:
    """Return what does not go together, or None."""
    many = is_of_many(arguments)
    if many == (arguments.account is not None):
        return "either an ACCOUNT, or --all or --group"
    if arguments.period is not None and (arguments.begin is not None or arguments.end is not None):
        return "either --period, or --begin and --end"
    if many:
        wrong = [name for name in ("space", "detail") if getattr(arguments, name)]
        wrong += ["by"] if arguments.by in space.PARTS else []
        return f"--{wrong[0]} is for one account" if wrong else None
    of_all = [name for name in OF_ALL if getattr(arguments, name) is not None]
    if of_all or arguments.by in BY or arguments.format in ("ndjson", "focus"):
        return "that needs --all"
    return "--by needs --space" if arguments.by and not arguments.space else None


def _one(arguments: argparse.Namespace, config: Config) -> int:
    """Print one account's answer."""
    question = question_of(arguments, config, now=time.time())
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    out = sys.stdout.buffer
    with store.read(engine) as connection:
        found = ask_for(connection, question, arguments)
        if arguments.final and found.header.waiting_for is not None:
            _say(found.header)
            print("swiftstats usage: not final", file=sys.stderr)
            return 3
        if isinstance(found, answer.Sum):
            drawn = arguments.format == "table" and out.isatty()
            _total(found, arguments.format, out, petname=_petname(connection, question) if drawn else "")
            if drawn:
                wide = shutil.get_terminal_size().columns
                out.write(usage_plots.drawn(connection, question, config, space=arguments.space, columns=wide).encode())
        else:
            _detail(found, arguments.format, out)
    out.flush()
    return 0


def ask_for(connection: Connection, question: Question, arguments: argparse.Namespace,
            ) -> answer.Sum | answer.Detail | answer.Breakdown:
    """Return the answer that the arguments ask for."""
    now = store.now(connection)
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
    if arguments.period is not None:
        first, after = _span(arguments.period, now)
        begin, end = periods.format(first), periods.format(after)
    if end is None:
        end = periods.format(periods.floor(now, config.period_seconds) + config.period_seconds)
    given = {"account_id": arguments.account, "begin_time": begin, "end_time": end}
    return ask(given, prefixes=config.reseller_prefix, period_seconds=config.period_seconds,
               max_periods=config.max_periods if arguments.detail else None)


def _span(period: str, now: float) -> tuple[int, int]:
    """Return begin and end of a period by its name; raise BadQuestion."""
    try:
        begin, end = steps.span(period, timezone.utc, now)
    except TimeError as error:
        raise BadQuestion([fault("period", period, error.expected)]) from None
    if end is None:
        raise BadQuestion([fault("period", period, "a month or a day: 2026-10, 2026-10-21, " + ", ".join(steps.WORDS))])
    return begin, end


def _petname(connection: Connection, question: Question) -> str:
    """Return what the account is called here, for a terminal."""
    called = petnames.of(connection, [question.account]).get(question.account)
    return people.petname(called, any_=petnames.is_there(connection))


def _total(found: answer.Sum, form: str, out: BinaryIO, *, petname: str) -> None:
    if form == "table":
        out.write(as_table.total(found, aligned=out.isatty(), petname=petname).encode())
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
