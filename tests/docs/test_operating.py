"""Every warning and error that the programs can log is explained in docs/operating.md."""

from __future__ import annotations

import ast
import re
from typing import Iterator

import pytest

from tests.docs.documents import ROOT, plain, read

#: Methods whose first text is a line of the log at WARNING or above; the last are the journal's and filter's own.
LOGGING = ("warning", "error", "critical", "exception", "_say", "_warn")
#: What is a message to whoever ran the command, at that moment, is not looked for.
LEFT_OUT = ("cli", "demo")


def messages() -> Iterator[tuple[str, str]]:
    """Yield (file and line, message) of each call that logs; what differs from time to time is written as `…`."""
    for path in sorted((ROOT / "swiftstats").rglob("*.py")):
        if path.relative_to(ROOT / "swiftstats").parts[0] in LEFT_OUT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGGING and node.args:
                message = spoken(node.args[0])
                if len(re.findall(r"[A-Za-z]{2,}", message)) >= 3:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", message


def spoken(node: ast.expr) -> str:
    """Return the text of an expression, `…` for each part that is only known when it runs."""
    if isinstance(node, ast.Constant):
        return re.sub(r"%[-\d.]*[a-z]", "…", str(node.value)).removeprefix("swiftstats: ")
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return spoken(node.left) + spoken(node.right)
    return "…"


@pytest.mark.parametrize(("where", "message"), list(messages()))
def test_the_line_is_explained(where, message):
    """An operator who finds a line in the log finds it in docs/operating.md too, and what to do about it."""
    assert plain(message.strip()) in plain(read("docs/operating.md")), f"{where}: docs/operating.md lacks: {message}"


def kinds() -> set[str]:
    """Return every kind of loss that is recorded anywhere: the fourth value of a Loss, or `kind=`."""
    found = set()
    for path in (ROOT / "swiftstats").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {each.targets[0].id: each.value for each in tree.body
                     if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                given = [word.value for word in node.keywords if word.arg == "kind"]
                if name == "Loss":
                    given += node.args[3:4]
                if name in ("Loss", "record_loss", "record_losses"):
                    given = [constants.get(each.id) if isinstance(each, ast.Name) else each for each in given]
                    found |= {each.value for each in given if isinstance(each, ast.Constant)}
    return found


def test_every_kind_of_loss_is_explained():
    """What an operator finds in `status` as the kind of a loss stands in docs/operating.md, and no other does."""
    section = read("docs/operating.md").split("## Losses")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == kinds()
