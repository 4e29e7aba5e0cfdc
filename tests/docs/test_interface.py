"""Fields, routes and parameters stand in the documents as the tables of the code have them."""

from __future__ import annotations

import json
import re

import pytest

from swiftstats import fields
from swiftstats.api import routes
from tests.docs.documents import fenced, read


def test_counting_explains_every_figure():
    """docs/counting.md has each figure under the title that answers use, with unit and meaning, in the order of answers."""
    lines = [line for line in read("docs/counting.md").splitlines() if re.match(r"\| `\w+` \|", line)]
    wanted = [f"| `{field.title}` | {field.unit} | {field.help} |" for field in fields.FIELDS]
    assert lines[: len(wanted)] == wanted


def test_the_documented_answers_have_every_figure():
    """The JSON answers in docs/api.md have just the figures that the service sends, in its order."""
    titles = [field.title for field in fields.FIELDS]
    shown = [json.loads(block) for block in fenced(read("docs/api.md"), "json")]
    answers = [answer for answer in shown if isinstance(answer, list)]
    assert len(answers) == 2
    for answer in answers:
        rows = [answer[1]] if "GET" in answer[1] else list(answer[1].values())
        assert all(list(row) == titles for row in rows)


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.path)
def test_every_route_is_documented(route):
    """docs/api.md lists each route with its methods, and says whether it needs a token."""
    row = re.search(rf"^\| `{re.escape(route.path)}` \| ([A-Z, ]+) \| .+ \| ([a-z /]+) \|$", read("docs/api.md"), re.MULTILINE)
    assert row, f"docs/api.md lacks the route {route.path}"
    assert row.group(1) == ", ".join(route.methods)
    assert row.group(2).startswith("yes") == (route.query is not None or route.path == "/")


def test_no_other_route_is_documented():
    """docs/api.md promises no route that there is not."""
    listed = re.findall(r"^\| `(/\w*)` \|", read("docs/api.md"), re.MULTILINE)
    assert sorted(listed) == sorted(route.path for route in routes.ROUTES)
