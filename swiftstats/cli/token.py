"""`swiftstats token create | list | revoke`: the tokens of `auth = tokens`."""

from __future__ import annotations

import argparse
import sys
import time

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.api.auth.tokens import TokensFile
from swiftstats.config import Config
from swiftstats.errors import ConfigError
from swiftstats.query.question import resolve
from swiftstats.represent import as_table

DESCRIPTION = "Create, list or revoke tokens of the tokens file, which holds their hashes only."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="make a token and print it, once", description="Make a token and print it, once.")
    create.add_argument("--name", required=True, help="what it is called, for list and revoke")
    scope = create.add_mutually_exclusive_group(required=True)
    scope.add_argument("--all", action="store_true", help="it may read every account")
    scope.add_argument("--account", action="append", metavar="A", help="it may read this account; may be given several times")
    create.add_argument("--expires", metavar="TIME", help="it is good until then, such as 2030-01-01 or 2030-01-01T00:00:00Z")
    verbs.add_parser("list", help="show the tokens, without their secrets", description="Show the tokens, without their secrets.")
    revoke = verbs.add_parser("revoke", help="end a token now", description="End a token; a running service sees it at once.")
    revoke.add_argument("name", metavar="NAME")


def run(arguments: argparse.Namespace) -> int:
    """Do one of them; raise ConfigError for what will not do."""
    config = configuration.load(arguments.config)
    file = TokensFile(config.tokens_file)
    if arguments.verb == "create":
        return _create(file, config, arguments)
    if arguments.verb == "revoke":
        file.revoke(arguments.name)
        print(f"revoked {arguments.name}")
        return 0
    rows = [
        (entry.name, "all" if entry.accounts is None else ", ".join(entry.accounts), periods.format(entry.created),
         "" if entry.expires is None else periods.format(entry.expires))
        for entry in file.read()
    ]
    print(as_table.rows(("Name", "May read", "Created", "Expires"), rows, aligned=sys.stdout.isatty()), end="")
    return 0


def _create(file: TokensFile, config: Config, arguments: argparse.Namespace) -> int:
    if not arguments.name.strip() or not arguments.name.isprintable():
        raise ConfigError(f"a token cannot be named {arguments.name!r}")
    accounts = None
    if arguments.account is not None:
        try:
            accounts = [resolve(name, config.reseller_prefix).decode() for name in arguments.account]
        except ValueError as error:
            raise ConfigError(f"--account: expected {error}") from None
    expires = None if arguments.expires is None else periods.parse(arguments.expires)
    token = file.create(arguments.name, accounts, now=time.time(), expires=expires)
    print("This token is shown once, and kept nowhere:", file=sys.stderr)
    print(token)
    return 0
