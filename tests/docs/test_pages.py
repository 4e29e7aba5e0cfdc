"""The pages hang together: links lead somewhere, every page is reached, and what they name is there."""

from __future__ import annotations

import configparser
import re
import shlex

import pytest

from swiftstats.cli import main
from tests.docs.documents import DOCS, PAGES, ROOT, prose, read

UNITS = ("etc/swiftstats-flusher.service", "etc/swiftstats-api.service", "etc/swiftstats-space.service")


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Each link to a file of the project names one that exists, and its anchor a heading there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name}: {target}"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), f"{page.name}: {target}"


def test_every_page_is_reached_from_the_readme():
    """No document is written that a reader of the README cannot find."""
    for page in DOCS:
        assert f"(docs/{page.name})" in read("README.md"), page.name


@pytest.mark.parametrize("unit", UNITS)
def test_units_start_a_command_that_there_is(unit):
    """The systemd units run our command with arguments that it takes."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(read(unit))
    accepted(parser["Service"]["ExecStart"])


def test_cron_runs_a_command_that_there_is():
    """The line for cron runs our command with arguments that it takes, once."""
    lines = re.findall(r"^#?[*/\d]+ .*? swift +(swiftstats .*)$", read("etc/swiftstats.cron"), re.MULTILINE)
    assert len(lines) == 2
    assert all(accepted(line.split(" >")[0]).once for line in lines)


def test_make_help_names_every_target_of_the_documents():
    """Each `make TARGET` that a page names is a target that `make help` lists."""
    listed = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text, re.MULTILINE))
        assert {first or second for first, second in named} <= listed, page.name


def test_commands_in_examples_exist():
    """Each `swiftstats COMMAND` in an example is a command that there is, with arguments that it takes."""
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                command = re.match(r"(?:\S*/)?swiftstats .*", line)
                if command and "--version" not in line and "--help" not in line:
                    accepted(command.group(0))


def accepted(command: str):
    """Parse a command line of ours; return its arguments, or fail where it would be refused."""
    program, *words = shlex.split(command, comments=True)
    assert program.endswith("swiftstats")
    name = next(word for word in words if word in main.COMMANDS)
    try:
        return main.build_parser(name).parse_args(words)
    except SystemExit as error:
        raise AssertionError(f"refused: {command}") from error


def test_the_licence_is_the_whole_apache_licence():
    """LICENSE is the text of the Apache License 2.0, not a pointer to it."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_dependency_has_its_reason():
    """docs/dependencies.md names just the packages that are required, by the package itself and by each extra."""
    setup = configparser.ConfigParser()
    setup.read_string(read("setup.cfg"))
    required = {"": setup["options"]["install_requires"], **setup["options.extras_require"]}
    page = read("docs/dependencies.md")
    for extra, lines in required.items():
        names = {re.split(r"[<>=;\s]", line)[0].lower() for line in lines.split("\n") if line.strip()}
        if extra:
            row = re.search(rf"^\| `{extra}` \| ([^|]+) \|", page, re.MULTILINE)
            said = set(row.group(1).strip().lower().split(", ")) if row else set()
        else:
            said = set(re.findall(r"^\| ([\w-]+) \| ", page.split("| extra |")[0].lower(), re.MULTILINE)) - {"package"}
        assert said == names, extra
