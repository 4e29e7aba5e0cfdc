"""Fields, routes and parameters stand in the documents as the tables of the code have them."""

from __future__ import annotations

import json
import re

import pytest

from swiftstats import fields
from swiftstats.api import routes
from swiftstats.api.pages.site import PAGES
from tests.docs.documents import fenced, read


def test_counting_explains_every_figure():
    """docs/counting.md has each figure under the title that answers use, with unit and meaning, in the order of answers."""
    lines = [line for line in read("docs/counting.md").splitlines() if re.match(r"\| `\w+` \|", line)]
    wanted = [f"| `{field.title}` | {field.unit} | {field.help} |" for field in fields.FIELDS]
    assert lines[: len(wanted)] == wanted


def test_api_explains_every_figure_of_space():
    """docs/api.md has each figure of space under the title that answers use, with unit and meaning, in the order of answers."""
    lines = [line for line in read("docs/api.md").splitlines() if re.match(r"\| `[A-Z]\w+` \|", line)]
    wanted = [f"| `{each.title}` | {each.unit} | {each.help} |" for each in (*fields.SPACE_FIELDS, *fields.SPACE_SUM_FIELDS)]
    assert [line for line in lines if line in wanted] == wanted


def test_api_explains_every_column():
    """docs/api.md has each figure of tables of many accounts, with unit, kind and meaning, in the order of answers."""
    lines = read("docs/api.md").splitlines()
    wanted = [f"| `{each.name}` | {each.unit} | {each.kind} | {each.help} |" for each in (*fields.COLUMNS, *fields.SPACE_COUNTS)]
    assert [line for line in lines if line in wanted] == wanted


def test_the_documented_answers_have_every_figure():
    """The JSON answers in docs/api.md have just the figures that the service sends, in its order."""
    shown = [json.loads(block) for block in fenced(read("docs/api.md"), "json")]
    answers = [answer[1] for answer in shown if isinstance(answer, list)]
    rows = [next(iter(answer.values())) if isinstance(next(iter(answer.values())), dict) else answer for answer in answers]
    assert [list(row) for row in rows] == [
        [each.title for each in table] for table in (fields.FIELDS, fields.FIELDS, fields.SPACE_FIELDS, fields.SPACE_SUM_FIELDS)]
    for answer in answers:
        assert all(list(row) == list(rows[answers.index(answer)]) for row in answer.values() if isinstance(row, dict))


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.path)
def test_every_route_is_documented(route):
    """docs/api.md lists each route with its methods, and says whether it needs a token."""
    row = re.search(rf"^\| `{re.escape(route.path)}` \| ([A-Z, ]+) \| .+ \| ([a-z /]+) \|$", read("docs/api.md"), re.MULTILINE)
    assert row, f"docs/api.md lacks the route {route.path}"
    assert row.group(1) == ", ".join(route.methods)
    assert row.group(2).startswith("yes") == route.token


def test_every_page_is_documented():
    """docs/pages.md lists just the pages that there are, each with what it shows."""
    listed = re.findall(r"^\| `(/\w*/?)` \| (.+) \|$", read("docs/pages.md"), re.MULTILINE)
    assert listed == list(PAGES.items())


def test_no_other_route_is_documented():
    """docs/api.md promises no route that there is not."""
    listed = re.findall(r"^\| `(/\w*)` \|", read("docs/api.md"), re.MULTILINE)
    assert sorted(listed) == sorted(route.path for route in routes.ROUTES)
