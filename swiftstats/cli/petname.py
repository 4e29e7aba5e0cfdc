"""`swiftstats petname set | import | list | unset`: what this site calls its accounts; a running service shows it at once."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from typing import Iterable, TextIO

from sqlalchemy import Engine

from swiftstats import config as configuration
from swiftstats import petnames as rules
from swiftstats.cli import petname_file
from swiftstats.config import Config
from swiftstats.query.question import resolve
from swiftstats.represent import as_table
from swiftstats.store import engine as store
from swiftstats.store import petnames

DESCRIPTION = (
    "Give accounts names that people know, in groups such as physics/lab1. They are shown beside the account's id, and stay "
    "at this site; a running service shows them at once."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the four verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    set_ = verbs.add_parser("set", help="name an account", description="Name an account, one that has used nothing yet too.")
    set_.add_argument("account", metavar="ACCOUNT", help="AUTH_7f6a, or the id without the prefix")
    set_.add_argument("name", metavar="NAME", help="what it is called, such as physics/lab1")
    import_ = verbs.add_parser("import", help="name many accounts, from a file", description=(
        "Name the accounts of a file with an account and a petname a line, as CSV, or separated by tabs; a first line "
        "`account,petname` is a title. Every fault of it is said at once, and then nothing is done."))
    import_.add_argument("file", metavar="FILE", help="the file, in UTF-8; - for standard input")
    import_.add_argument("--replace", action="store_true", help="take away the petnames of accounts that the file does not name")
    list_ = verbs.add_parser("list", help="show petnames, or groups", description="Show petnames, by name; or groups.")
    list_.add_argument("--group", metavar="GROUP", help="those of this group, with all below")
    list_.add_argument("--groups", action="store_true",
                       help="the groups, with how many accounts are called just so, and with all below")
    list_.add_argument("--format", choices=("table", "csv"), default="table",
                       help="table (the default) is aligned on a terminal, and separated by tabs in a pipe; csv is for import")
    unset = verbs.add_parser("unset", help="take petnames away", description="Take the petnames of accounts away.")
    unset.add_argument("account", metavar="ACCOUNT", nargs="+", help="AUTH_7f6a, or the id without the prefix")


def run(arguments: argparse.Namespace) -> int:
    """Do one of them; return 2 for names that will not do, and nothing is done then. Raises SwiftStatsError."""
    config = configuration.load(arguments.config)
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    if arguments.verb == "list":
        return _list(engine, arguments)
    if arguments.verb == "unset":
        return _unset(engine, config, arguments.account)
    if arguments.verb == "set":
        # As a file of one line: the same checks, in the same words.
        return _put(engine, petname_file.checked([(None, [arguments.account, arguments.name])], config.reseller_prefix), False)
    with _opened(arguments.file) as file:
        return _put(engine, petname_file.read(file, config.reseller_prefix), arguments.replace)


def _opened(path: str) -> TextIO:
    if path == "-":
        content = io.BytesIO(sys.stdin.buffer.read())  # standard input itself would be closed with it
        return io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="")
    return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _put(engine: Engine, found: petname_file.Found, replace: bool) -> int:
    if found.faults:
        for fault in found.faults:
            print(f"swiftstats petname: {fault}", file=sys.stderr)
        print("swiftstats petname: nothing is done", file=sys.stderr)
        return 2
    with store.write(engine) as connection:
        gone = 0
        if replace:
            others = [each.account for each in petnames.listed(connection) if each.account not in found.names]
            gone = petnames.remove(connection, others)
        petnames.put(connection, found.names)
    print(f"{len(found.names)} named" + (f", {gone} taken away" if replace else ""))
    return 0


def _unset(engine: Engine, config: Config, accounts: Iterable[str]) -> int:
    """Take petnames away; return 1 where one of the accounts had none."""
    names, wrong = [], False
    for asked in accounts:
        try:
            names.append(resolve(asked, config.reseller_prefix))
        except ValueError as error:
            wrong = True
            print(f"swiftstats petname: ACCOUNT: {asked!r} will not do; expected {error}", file=sys.stderr)
    if wrong:
        return 2
    with store.write(engine) as connection:
        gone = petnames.remove(connection, sorted(set(names)))
    print(f"{gone} taken away")
    return 0 if gone == len(set(names)) else 1


def _list(engine: Engine, arguments: argparse.Namespace) -> int:
    aligned = sys.stdout.isatty()
    with store.read(engine) as connection:
        if arguments.groups:
            found = [each for each in petnames.groups(connection)
                     if arguments.group is None or rules.is_within(each.name, arguments.group)]
            print(as_table.rows(("Group", "Own", "With all below"), found, aligned=aligned), end="")
            return 0
        rows = ((each.account.decode(), each.name) for each in petnames.listed(connection, arguments.group))
        if arguments.format == "csv":
            writer = csv.writer(sys.stdout, lineterminator="\r\n")
            writer.writerow(petname_file.TITLES)
            writer.writerows(rows)
        else:
            print(as_table.rows(("Account", "Petname"), rows, aligned=aligned), end="")
    return 0
