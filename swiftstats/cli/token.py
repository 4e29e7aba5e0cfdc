"""`swiftstats token create | list | rotate | revoke`: the tokens of `auth = tokens`."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Iterator, Mapping

from swiftstats import config as configuration
from swiftstats import periods
from swiftstats.api.auth import uses
from swiftstats.api.auth.tokens import TokensFile, is_prefix, key_of
from swiftstats.config import Config
from swiftstats.errors import ConfigError
from swiftstats.query.question import resolve
from swiftstats.represent import as_table

DESCRIPTION = "Create, list, rotate or revoke tokens of the tokens file, which holds their hashes only."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the four verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="make a token and print it, once", description="Make a token and print it, once.")
    create.add_argument("--name", required=True, help="what it is called, for list and revoke")
    scope = create.add_mutually_exclusive_group(required=True)
    scope.add_argument("--all", action="store_true", help="it may read every account")
    scope.add_argument("--account", action="append", metavar="A", help="it may read this account; may be given several times")
    scope.add_argument("--account-prefix", action="append", metavar="P",
                       help="it may read every account whose full name begins so, such as AUTH_lab-; may be given several times")
    create.add_argument("--expires", metavar="TIME", help="it is good until then, such as 2030-01-01 or 2030-01-01T00:00:00Z")
    verbs.add_parser("list", help="show the tokens, without their secrets", description="Show the tokens, without their secrets.")
    rotate = verbs.add_parser("rotate", help="give a token's name and rights another secret",
                              description="Make another token in place of one, with its name and rights, and print it, once.")
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument("--keep", type=int, choices=range(30 * 86400 + 1), default=0, metavar="SECONDS",
                        help="how long the old one is still good, up to 30 days (default: not at all)")
    rotate.add_argument("--expires", metavar="TIME", help="the new one is good until then (default: as the old one)")
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
    if arguments.verb == "rotate":
        expires = None if arguments.expires is None else periods.parse(arguments.expires)
        return _shown(file.rotate(arguments.name, now=time.time(), keep=arguments.keep, expires=expires))
    rows = list(_rows(file, uses.read(uses.path_of(config))))
    print(as_table.rows(("Name", "May read", "Created", "Expires", "Last used"), rows, aligned=sys.stdout.isatty()), end="")
    return 0


def _rows(file: TokensFile, used: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    for entry in file.read():
        scope = [*(entry.accounts or ()), *(prefix + "*" for prefix in entry.prefixes)]
        keys = [key_of(entry.name, sha256) for sha256 in (entry.sha256, *(entry.previous or ())[:1])]
        last = max((used[key] for key in keys if key in used), default=None)
        yield (entry.name, "all" if entry.accounts is None else ", ".join(scope),
               *("" if moment is None else periods.format(moment) for moment in (entry.created, entry.expires, last)))


def _create(file: TokensFile, config: Config, arguments: argparse.Namespace) -> int:
    if not arguments.name.strip() or not arguments.name.isprintable():
        raise ConfigError(f"a token cannot be named {arguments.name!r}")
    named, prefixes = arguments.account or [], arguments.account_prefix or []
    try:
        accounts = None if arguments.all else [resolve(name, config.reseller_prefix).decode() for name in named]
    except ValueError as error:
        raise ConfigError(f"--account: expected {error}") from None
    if not all(prefix.startswith(config.reseller_prefix) and is_prefix(prefix) for prefix in prefixes):
        raise ConfigError(f"--account-prefix: expected it to begin with {' or '.join(config.reseller_prefix)}")
    expires = None if arguments.expires is None else periods.parse(arguments.expires)
    return _shown(file.create(arguments.name, accounts, now=time.time(), expires=expires, prefixes=prefixes))


def _shown(token: str) -> int:
    print("This token is shown once, and kept nowhere:", file=sys.stderr)
    print(token)
    return 0
