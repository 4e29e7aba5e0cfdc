"""`swiftstats verify`: what was metered against Swift's own access log; every difference, and its likely reason."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from typing import Iterator

from sqlalchemy import Connection

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.collect.logfiles import LogReader
from swiftstats.config import Config
from swiftstats.errors import LogFileError, TimeError, UnknownServer
from swiftstats.names import text_of
from swiftstats.query.likely import Circumstances
from swiftstats.query.logged import Logged
from swiftstats.query.verify import Difference, compare
from swiftstats.represent import as_table
from swiftstats.store import engine as store
from swiftstats.store import usage, writers

DESCRIPTION = (
    "Compare what was metered with Swift's own proxy access log, as proxy-logging writes it through syslog: per account, period "
    "and figure, and in sum. Print every difference and its likely reason. Exit 0 where there is none, 1 where there is, 2 where "
    "nothing can be compared."
)
#: Lines of a table that are aligned together.
BLOCK = 500
TITLES = ("Account", "Time", "Figure", "Metered", "Logged", "Difference", "Likely reason")


class Incomparable(Exception):
    """What was asked cannot be compared; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add files, range, server and format."""
    parser.add_argument("--access-log", metavar="FILE", nargs="+", required=True,
                        help="the access log, plain or gzip; with a rotated one, all its files, oldest first")
    parser.add_argument("--begin", metavar="TIME", help="inclusive, a period's start (default: that of the log's first line)")
    parser.add_argument("--end", metavar="TIME", help="exclusive (default: the period after the log's last line, or what is "
                                                      "complete)")
    parser.add_argument("--server", metavar="NAME", help="compare with what this server metered, not the whole site: for the log "
                                                         "of one of several proxies")
    parser.add_argument("--format", choices=("table", "json"), default="table",
                        help="table (the default) is aligned on a terminal, and separated by tabs in a pipe")


def run(arguments: argparse.Namespace) -> int:
    """Print the differences; return 0, 1 or 2. Raises ConfigError and StoreError."""
    config = configuration.load(arguments.config)
    try:
        return _run(arguments, config)
    except (Incomparable, LogFileError, TimeError, UnknownServer, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"swiftstats verify: {error}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace, config: Config) -> int:
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    seconds = config.period_seconds
    begin = _moment("--begin", arguments.begin, seconds)
    end = _moment("--end", arguments.end, seconds)
    with store.read(engine) as connection:
        complete = _complete(connection, arguments.server)
    log = Logged(prefixes=config.reseller_prefix, period_seconds=seconds, begin=begin or 0,
                 end=complete if end is None else min(end, complete))
    reader = LogReader()
    for path in arguments.access_log:
        for line in reader.lines(path):
            log.add(line)
    if log.range[0] >= log.range[1]:
        raise Incomparable(f"nothing to compare: {log.clients + log.outside} requests in the log, and none of them in a period of"
                           f" the range that is complete (through {periods.format(complete)})")
    with store.read(engine) as connection:
        found = compare(connection, log, _circumstances(connection, log, reader, arguments.server), server=arguments.server)
        show = _as_json if arguments.format == "json" else _as_table
        count = show(found, log, reader)
    return 1 if count else 0


def _moment(option: str, text: str | None, seconds: int) -> int | None:
    if text is None:
        return None
    moment = periods.parse(text)
    if moment % seconds:
        raise Incomparable(f"{option}: {text!r} is not the start of a period of {seconds} seconds")
    return moment


def _complete(connection: Connection, server: str | None) -> int:
    """Return the moment through which figures are final, of the site or of one server."""
    if server is None:
        complete = writers.complete_through(connection).complete_through
    else:
        known = {each.name: each for each in writers.servers(connection)}
        if server not in known:
            raise UnknownServer(f"no server {server!r} is known; `swiftstats server list` shows who is")
        complete = known[server].closed_through
    if complete is None:
        raise Incomparable("nothing to compare: no period is complete yet")
    return complete


def _circumstances(connection: Connection, log: Logged, reader: LogReader, server: str | None) -> Circumstances:
    begin, end = log.range
    losses = usage.losses_between(connection, begin, end)
    return Circumstances(
        begin=begin, end=end, period_seconds=log.seconds, first=log.first or 0, last=log.last, bad_lines=reader.bad,
        servers=len(writers.servers(connection)), server=server, recorded_from=usage.first_recorded(connection, server),
        losses=[loss for loss in losses if server in (None, loss.server)])


def _pairs(log: Logged, reader: LogReader) -> list[tuple[str, object]]:
    """Return what was read and compared, in words."""
    begin, end = log.range
    return [
        ("Begin Time", periods.format(begin)),
        ("End Time", periods.format(end)),
        ("Lines", reader.read + reader.bad),
        ("Requests compared", log.clients),
        ("Swift's own requests", log.own),
        ("Not metered", log.unmetered),
        ("Outside the range", log.outside),
        ("Unreadable", reader.bad),
    ]


def _as_table(found: Iterator[Difference], log: Logged, reader: LogReader) -> int:
    aligned = sys.stdout.isatty()
    print(as_table.pairs(_pairs(log, reader), aligned=aligned), end="")
    for bad in reader.first_bad:
        print(as_table.clean(f"unreadable: {bad.path}, {f'line {bad.number}' if bad.number else 'at its end'}: {bad.reason}"))
    count = 0
    while block := list(islice(found, BLOCK)):
        rows = [(_account(each), "the whole range" if each.period is None else periods.format(each.period), each.figure,
                 each.metered, str(each.least) if each.least == each.most else f"{each.least} to {each.most}",
                 f"{each.amount:+d}", each.reason) for each in block]
        text = as_table.rows(TITLES, rows, aligned=aligned)
        print(("\n" if not count else "") + (text if not count or aligned else text.partition("\n")[2]), end="")
        count += len(block)
    print(f"\n{count} difference{'' if count == 1 else 's'}" if count else "\nno difference")
    return count


def _as_json(found: Iterator[Difference], log: Logged, reader: LogReader) -> int:
    begin, end = log.range
    above = {
        "begin": periods.iso(begin), "end": periods.iso(end), "lines": reader.read + reader.bad, "requests": log.clients,
        "own_requests": log.own, "not_metered": log.unmetered, "outside": log.outside, "unreadable": reader.bad,
        "first_unreadable": [bad._asdict() for bad in reader.first_bad],
    }
    print(json.dumps(above, indent=2)[:-2] + ',\n  "differences": [', end="")
    count = 0
    for each in found:
        row = {
            "account": None if each.account is None else _account(each), "figure": each.figure,
            "period": None if each.period is None else periods.iso(each.period), "metered": each.metered,
            "logged_least": each.least, "logged_most": each.most, "difference": each.amount, "likely": each.reason,
        }
        print(("," if count else "") + "\n    " + json.dumps(row), end="")
        count += 1
    print(("\n  " if count else "") + "]\n}")
    return count


def _account(difference: Difference) -> str:
    return "all accounts" if difference.account is None else text_of(difference.account)
