"""`swiftstats server list | add | retire`: who is waited for."""

from __future__ import annotations

import argparse
import sys
from typing import Iterator

from sqlalchemy import Engine

from swiftstats import config as configuration
from swiftstats import options, periods
from swiftstats.errors import ConfigError
from swiftstats.represent import as_table
from swiftstats.store import engine as store
from swiftstats.store import writers
from swiftstats.store.writers import Retirement, ServerStatus, WriterStatus

DESCRIPTION = "List the servers that report usage, announce a new one, or retire one that is gone for good."

TITLES = ("Server", "State", "Writer", "First period", "Closed through", "Last flush")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verbs.add_parser("list", help="show every server and its writers", description="Show every server and its writers.")
    add = verbs.add_parser("add", help="wait for a server from now on", description=(
        "Wait for a server from the running period on, before its flusher has registered it: no period is complete without it."))
    add.add_argument("name", metavar="NAME")
    retire = verbs.add_parser("retire", help="wait no longer for a server", description=(
        "Wait no longer for a server that is gone for good. What it has counted and not sent is given up, and the periods are "
        "named incomplete in every answer; says so, and asks, before it does it. A server that sends again is waited for again."))
    retire.add_argument("name", metavar="NAME")
    retire.add_argument("--writer", metavar="ID", help="retire one writer of it only, by its ID in `server list`")
    retire.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")


def run(arguments: argparse.Namespace) -> int:
    """Do one of them. Raises SwiftStatsError."""
    config = configuration.load(arguments.config)
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    if arguments.verb == "list":
        with store.read(engine) as connection:
            found = writers.servers(connection)
        print(as_table.rows(TITLES, _listed(found), aligned=sys.stdout.isatty()), end="")
        return 0
    if arguments.verb == "add":
        name = _name(arguments.name)
        with store.write(engine) as connection:
            now = int(store.now(connection))
            period = periods.floor(now, config.period_seconds)
            writers.announce(connection, server=name, period=period, now=now)
        print(f"waiting for {name} from {periods.format(period)} on")
        return 0
    return _retire(engine, arguments)


def _name(text: str) -> str:
    try:
        return options.server_name(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} cannot be a server's name; expected {error}") from None


def moment(seconds: int | None) -> str | None:
    """Write a moment, or nothing."""
    return None if seconds is None else periods.format(seconds)


def _listed(found: list[ServerStatus]) -> Iterator[tuple[object, ...]]:
    for server in found:
        if not server.writers:
            yield server.name, server.state, None, None, moment(server.closed_through), None
        for writer in server.writers:
            yield (server.name, _writer_state(writer), writer.incarnation, moment(writer.first_period),
                   moment(writer.closed_through), moment(writer.last_flush))


def _writer_state(writer: WriterStatus) -> str:
    return "live" if writer.live else "retired" if writer.retired_at is not None else "ended"


class _Undo(Exception):
    """Ends a transaction without its effects."""


def _retire(engine: Engine, arguments: argparse.Namespace) -> int:
    """Say what retiring gives up, ask, and do it."""
    print(_said(_given_up(engine, arguments)), flush=True)
    if not arguments.yes:
        if not sys.stdin.isatty():
            print("swiftstats server: nothing is done yet; say --yes to do it", file=sys.stderr)
            return 2
        print(f"Retire {_what(arguments)}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("nothing is done")
            return 1
    with store.write(engine) as connection:
        done = writers.retire(connection, server=arguments.name, writer=arguments.writer, now=int(store.now(connection)))
    print(f"retired {_what(arguments)}; complete through {moment(done.complete_through) or 'nothing yet'}")
    return 0


def _given_up(engine: Engine, arguments: argparse.Namespace) -> Retirement:
    """Return what retiring would give up: it is done, and undone before anybody sees it."""
    try:
        with store.write(engine) as connection:
            would = writers.retire(connection, server=arguments.name, writer=arguments.writer, now=int(store.now(connection)))
            raise _Undo
    except _Undo:
        return would


def _said(would: Retirement) -> str:
    if not would.given_up:
        return "This gives up nothing: all that was counted before the running period's end is closed."
    said = f"This gives up what {would.server} has counted and not sent; answers over these periods will name them incomplete:"
    lines = [f"  writer {each.incarnation}: {moment(each.begin)} to {moment(each.end)}" for each in would.given_up]
    return "\n".join([said, *lines])


def _what(arguments: argparse.Namespace) -> str:
    return f"writer {arguments.writer} of {arguments.name}" if arguments.writer else str(arguments.name)
