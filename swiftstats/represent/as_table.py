"""Tables and pairs for a terminal: aligned for people, separated by tabs, with exact integers, for a pipe."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import Collection, Iterable, Iterator, Sequence

from swiftstats import periods
from swiftstats.query.answer import Breakdown, Detail, Sum
from swiftstats.query.freshness import Header

# What would move the cursor, or break a line or a column.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def clean(value: object) -> str:
    """Return a value as text that keeps to its cell; None is empty."""
    return "" if value is None else _CONTROL.sub("\ufffd", str(value))


def width(text: str) -> int:
    """Return how many columns a terminal takes for a text: two for a wide character, none for what combines with others."""
    return sum(0 if unicodedata.combining(each) or unicodedata.category(each) in ("Mn", "Me", "Cf")
               else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Return a text with as many spaces as fill so many columns, behind it, or before it."""
    space = " " * (columns - width(text))
    return space + text if right else text + space


def rows(titles: Sequence[str], body: Iterable[Sequence[object]], *, aligned: bool, right: Collection[int] = ()) -> str:
    """Write a table with a line of titles. Numbers are aligned to the right, and so are the columns of `right`."""
    lines = [[clean(value) for value in row] for row in body]
    if not aligned:
        return "".join("\t".join(line) + "\n" for line in [list(titles), *lines])
    table = [list(titles), *lines]
    widths = [max(width(line[column]) for line in table) for column in range(len(titles))]
    numeric = [column in right or bool(lines) and all(re.fullmatch(r"-?\d*", line[column]) for line in lines)
               for column in range(len(titles))]
    return "".join(
        "  ".join(padded(cell, columns, right=number) for cell, columns, number in zip(line, widths, numeric)).rstrip() + "\n"
        for line in table
    )


def drawn(titles: Sequence[str], body: Sequence[Sequence[object]], *, aligned: bool) -> str:
    """Write a table for a terminal with `rich`, where it is installed, at the terminal's width; else as `rows` does."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return rows(titles, body, aligned=aligned)
    if not aligned:
        return rows(titles, body, aligned=False)
    lines = [[clean(value) for value in row] for row in body]
    # NO_COLOR is for colours alone, and rich keeps to that; bold titles are an escape sequence all the same.
    table = Table(box=None, pad_edge=False, header_style="" if os.environ.get("NO_COLOR") else "table.header")
    for column, title in enumerate(titles):
        numeric = all(re.fullmatch(r"-?\d*", line[column]) for line in lines)
        table.add_column(title, justify="right" if numeric else "left", overflow="fold", no_wrap=False)
    for line in lines:
        table.add_row(*(Text(f"{int(cell):,}" if re.fullmatch(r"\d{4,}", cell) else cell) for cell in line))
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def pairs(found: Iterable[tuple[str, object]], *, aligned: bool) -> str:
    """Write a name and a value a line."""
    lines = [(name, clean(value)) for name, value in found]
    if not aligned:
        return "".join(f"{name}\t{value}\n" for name, value in lines)
    columns = max((width(name) for name, _ in lines), default=0)
    return "".join(f"{padded(name, columns)}  {value}".rstrip() + "\n" for name, value in lines)


def header_pairs(header: Header) -> list[tuple[str, object]]:
    """Return what stands above an answer, in the words of the JSON form."""
    question, through = header.question, header.complete_through
    found: list[tuple[str, object]] = [
        ("Account_ID", question.asked),
        ("Begin Time", periods.format(question.begin)),
        ("End Time", periods.format(question.end)),
        ("Complete Through", None if through is None else periods.format(through)),
    ]
    if header.waiting_for is not None:
        found.append(("Waiting For", ", ".join(header.waiting_for)))
    for name, starts in (("Incomplete", header.incomplete), ("Corrected", header.corrected)):
        if starts:
            found.append((name, ", ".join(spans(starts, question.period_seconds))))
    return found


def spans(starts: Sequence[int], period_seconds: int) -> list[str]:
    """Write periods, given by their starts in order, as people read them: one by its start, many in a row as from and to."""
    runs: list[list[int]] = []
    for start in starts:
        if runs and start == runs[-1][1]:
            runs[-1][1] += period_seconds
        else:
            runs.append([start, start + period_seconds])
    return [
        periods.format(begin) if end - begin == period_seconds else f"{periods.format(begin)} to {periods.format(end)}"
        for begin, end in runs
    ]


def total(answer: Sum, *, aligned: bool, petname: str = "") -> str:
    """Write a sum: a field a line, after what stands above it; with the petname, where there is one to show."""
    account, *above = header_pairs(answer.header)
    called = [("Petname", petname)] if petname else []
    return pairs([account, *called, *above, *zip(answer.titles, answer.values)], aligned=aligned)


def detail(answer: Detail | Breakdown, *, aligned: bool) -> str:
    """Write a detail: a row per period, or per period and name; a null is an empty cell."""
    if isinstance(answer, Breakdown):
        return rows(("Time", "Name", *answer.titles), _by_name(answer), aligned=aligned)
    return rows(("Time", *answer.titles), _by_time(answer), aligned=aligned)


def _by_time(answer: Detail) -> Iterator[tuple[object, ...]]:
    for start, values in answer.rows:
        yield (periods.format(start), *([None] * len(answer.titles) if values is None else values))


def _by_name(answer: Breakdown) -> Iterator[tuple[object, ...]]:
    for start, name, values in answer.flat():
        yield (periods.format(start), name, *values)
