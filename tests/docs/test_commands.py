"""Every command and each of its arguments stands in docs/commands.md as `--help` shows it, and nothing else does."""

from __future__ import annotations

import argparse
import re
from typing import Iterator

import pytest

from swiftstats.cli import main
from tests.docs.documents import plain, read


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield (`swiftstats flush`, its parser) of each command, and of each verb of a command that has verbs."""
    yield "swiftstats", main.build_parser()
    for name in main.COMMANDS:
        found = chosen(main.build_parser(name), name)
        yield f"swiftstats {name}", found
        for verb in verbs(found):
            yield f"swiftstats {name} {verb}", chosen(found, verb)


def chosen(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    """Return the parser of a subcommand."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found: argparse.ArgumentParser = action.choices[name]
            return found
    raise AssertionError(f"no subcommands in {parser.prog}")


def verbs(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of a command's own subcommands."""
    return [name for action in parser._actions if isinstance(action, argparse._SubParsersAction) for name in action.choices]


def rows(parser: argparse.ArgumentParser) -> list[str]:
    """Return the table of a command's arguments, a row each; --help is not told."""
    found = []
    formatter = parser._get_formatter()
    for action in parser._actions:
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)) or action.help is argparse.SUPPRESS:
            continue
        if action.dest == "config" and parser.prog != "swiftstats":
            continue  # the same for every command
        name = ", ".join(action.option_strings)
        if not name:
            name = str(action.metavar or action.dest)
        elif action.nargs != 0:
            name += f" {formatter._format_args(action, formatter._get_default_metavar_for_optional(action))}"
        found.append(f"| `{plain(name)}` | {plain(formatter._expand_help(action)) if action.help else ''} |".replace("  |", " |"))
    return found


def section(title: str) -> str:
    """Return what docs/commands.md says below a heading, up to the next one."""
    parts = re.split(r"^##+ `([^`]+)`$", read("docs/commands.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2])).get(title, "")


@pytest.mark.parametrize(("title", "parser"), [pytest.param(*each, id=each[0]) for each in parsers()])
def test_the_command_is_documented(title, parser):
    """Whoever reads docs/commands.md finds what `--help` says: the command's purpose, and each of its arguments."""
    said = section(title)
    assert said, f"docs/commands.md lacks: ## `{title}`"
    assert plain(str(parser.description or "").strip()) in plain(said)
    assert [plain(line) for line in said.splitlines() if re.match(r"\| `(?!argument)", line)] == rows(parser)


def test_no_other_command_is_documented():
    """A command that is gone is gone from docs/commands.md too."""
    titles = re.findall(r"^##+ `([^`]+)`$", read("docs/commands.md"), re.MULTILINE)
    assert titles == [title for title, _ in parsers()]
