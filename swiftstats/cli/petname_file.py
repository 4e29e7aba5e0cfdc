"""Read petnames from CSV, or what is separated by tabs: an account and its petname a line, and every fault of it at once."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import Iterable, Iterator, Optional, Sequence, TextIO

from swiftstats import petnames
from swiftstats.query.question import resolve

#: The first line that names the columns, where there is one; case does not matter.
TITLES = ("account", "petname")


@dataclass
class Found:
    """What a file says: the petnames by account, and what is wrong, a line each."""

    names: dict[bytes, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read(file: TextIO, prefixes: Sequence[str]) -> Found:
    """Read a file, opened with newline='' and surrogateescape; a tab in the first line makes tabs the separator."""
    return checked(_rows(file), prefixes)


def checked(rows: Iterable[tuple[Optional[int], Sequence[str]]], prefixes: Sequence[str]) -> Found:
    """Check rows, each with the number of its line (None: there are no lines); an account's full name may come without prefix."""
    found = Found()
    for line, row in rows:
        where = "" if line is None else f"line {line}: "
        if len(row) != 2:
            found.faults.append(f"{where}{len(row)} columns; expected two, an account and its petname")
            continue
        account = name = None
        try:
            account = resolve(row[0], prefixes)
        except ValueError as error:
            found.faults.append(f"{where}account {row[0]!r} will not do; expected {error}")
        try:
            name = petnames.checked(row[1].strip(" "))
        except ValueError as error:
            found.faults.append(f"{where}petname {row[1]!r} will not do; expected {error}")
        if account is None or name is None:
            continue
        if found.names.setdefault(account, name) != name:
            found.faults.append(f"{where}account {row[0]!r} is called {found.names[account]!r} before; expected one petname")
    return found


def _rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    first = file.readline()
    delimiter = "\t" if "\t" in first else ","
    reader = csv.reader(_lines(first, file), delimiter=delimiter)
    try:
        for number, row in enumerate(reader):
            if not any(row) or number == 0 and tuple(each.strip().lower() for each in row) == TITLES:
                continue
            yield reader.line_num, row
    except csv.Error as error:
        # What follows cannot be told from it: one more row that will not do.
        yield reader.line_num, [str(error)]


def _lines(first: str, file: TextIO) -> Iterator[str]:
    yield first
    yield from file
