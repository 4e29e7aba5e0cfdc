"""Small plots for a terminal: a bar of a share, columns side by side, text cut to its width. Nothing of it goes into a pipe."""

from __future__ import annotations

from typing import Optional, Sequence

from swiftstats.represent.as_table import width

#: The columns of a whole bar.
COLUMNS = 20
#: Parts of a column, an eighth each.
_EIGHTHS = " ▏▎▍▌▋▊▉█"
#: Heights of a column from the least to the most; what is nothing, what is not known, and what has not begun.
_HEIGHTS = "▁▂▃▄▅▆▇█"
NOTHING, UNKNOWN, NOT_BEGUN = "·", "?", " "


def bar(value: int, most: int, columns: int = COLUMNS) -> str:
    """Draw `value` of `most` to an eighth of a column; whatever is more than nothing shows."""
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, min(columns * 8, value * columns * 8 // most))
    return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def columns(values: Sequence[Optional[int]], *, begun: int) -> str:
    """Draw a column for each value, the greatest as high as a line; None is unknown, and not begun from the `begun`-th on."""
    most = max((value for value in values if value is not None), default=0)
    return "".join(
        (UNKNOWN if place < begun else NOT_BEGUN) if value is None
        else _HEIGHTS[(value * len(_HEIGHTS) - 1) // most] if value > 0 else NOTHING
        for place, value in enumerate(values))


def cut(text: str, columns: int) -> str:
    """Cut a line to so many columns, the last of them an ellipsis where anything is gone."""
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + "…"
