"""The command `swiftstats`: a table of commands, each a module of this package.

A command's module has `DESCRIPTION`, `add_arguments(parser)` and `run(arguments) -> int`, the exit status: 0 done, 1 failed,
2 usage. It is imported when it is asked for, so that `flush` never loads the service. A SwiftStatsError is a message, not a
traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Sequence

import swiftstats
from swiftstats import config
from swiftstats.errors import SwiftStatsError

#: command: what it does, in a line
COMMANDS = {
    "flush": "send this host's usage to the database",
    "replay": "send the archive's closed periods again",
    "rollup": "sum hours up to days and months",
    "retention": "let hours leave that are older than they are kept",
    "space": "measure the space that each account occupies",
    "api": "answer usage over HTTP",
    "usage": "show an account's usage",
    "status": "show spool, backlog, completeness and losses",
    "top": "show the busiest accounts",
    "verify": "compare what was metered with Swift's access log",
    "petname": "give accounts names that people know",
    "server": "list, add or retire servers",
    "token": "create, list, rotate or revoke tokens of the tokens file",
    "completion": "write what a shell needs to complete our commands",
    "migrate": "create or upgrade the database's schema",
    "check-config": "read the configuration and say what is wrong with it",
    "demo": "run the whole meter on a real Swift, on this machine",
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; with `command`, that one's own arguments are known to it."""
    parser = argparse.ArgumentParser(prog="swiftstats", description=swiftstats.__doc__)
    parser.add_argument("--version", action="version", version=f"swiftstats {swiftstats.__version__}")
    parser.add_argument("--config", metavar="FILE", default=os.environ.get("SWIFTSTATS_CONFIG", config.DEFAULT_PATH),
                        help=f"the configuration (default: $SWIFTSTATS_CONFIG, else {config.DEFAULT_PATH})")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if name != command:
            subparsers.add_parser(name, help=summary, add_help=False)
            continue
        module = importlib.import_module("swiftstats.cli." + name.replace("-", "_"))
        child = subparsers.add_parser(name, help=summary, description=module.DESCRIPTION)
        # The same option is understood before and after the command's name.
        child.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="the configuration")
        module.add_arguments(child)
        child.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    # A file may be called like a command: what follows --config is none.
    command = next((word for before, word in zip(["", *words], words) if word in COMMANDS and before != "--config"), None)
    parser = build_parser(command)
    arguments = parser.parse_args(words)
    if arguments.command is None:
        parser.print_help()
        return 2
    try:
        return arguments.run(arguments)  # type: ignore[no-any-return]
    except SwiftStatsError as error:
        print(f"swiftstats {arguments.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output went away (`| head`): no traceback, and none from the interpreter's last flush either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a path that cannot be used; the message names it
        print(f"swiftstats {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
