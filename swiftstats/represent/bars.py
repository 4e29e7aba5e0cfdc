"""Small plots for a terminal: a bar of a share, and text cut to a terminal's width. Nothing of it goes into a pipe."""

from __future__ import annotations

from swiftstats.represent.as_table import width

#: The columns of a whole bar.
COLUMNS = 20
#: Parts of a column, an eighth each.
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(value: int, most: int, columns: int = COLUMNS) -> str:
    """Draw `value` of `most` to an eighth of a column; whatever is more than nothing shows."""
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, min(columns * 8, value * columns * 8 // most))
    return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def cut(text: str, columns: int) -> str:
    """Cut a line to so many columns, the last of them an ellipsis where anything is gone."""
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + "…"
