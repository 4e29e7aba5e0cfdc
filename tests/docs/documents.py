"""The project's documents as text, for the tests that hold them against the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]


def read(name: str) -> str:
    """Return the text of a file of the project, such as `docs/api.md`."""
    return (ROOT / name).read_text(encoding="utf-8")


def plain(text: str) -> str:
    """Return text with every run of white space as one space, so that line breaks do not matter."""
    return re.sub(r"\s+", " ", text)


def fenced(text: str, language: str) -> list[str]:
    """Return the content of the fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """Return text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
