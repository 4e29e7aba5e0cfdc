"""What an answer is, whatever was asked: every representation writes these three, and knows no query by itself.

A query's own answers inherit from them and say its name and the titles of its figures. Figures are exact integers of any size,
None where nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Iterator, Optional, Sequence

from swiftstats.query.freshness import Header

Values = tuple[Optional[int], ...]


@dataclass(frozen=True)
class Sum:
    """The whole range in one row; `values` in the order of `titles`."""

    query: ClassVar[str]
    titles: ClassVar[tuple[str, ...]]

    header: Header
    values: Values


@dataclass(frozen=True)
class Detail:
    """Every period of the range, in order: (start, values), or (start, None) where nothing is known of it.

    `rows` streams: it is read once, inside the snapshot that it was made in, and may raise StoreError half-way.
    """

    query: ClassVar[str]
    titles: ClassVar[tuple[str, ...]]

    header: Header
    rows: Iterator[tuple[int, tuple[int, ...] | None]]


@dataclass(frozen=True)
class Breakdown:
    """Every period of the range, in order, by name: (start, ((name, values), …)), or (start, None); else as Detail."""

    query: ClassVar[str]
    titles: ClassVar[tuple[str, ...]]

    header: Header
    rows: Iterator[tuple[int, Sequence[tuple[str, Values]] | None]]

    def flat(self) -> Iterator[tuple[int, str | None, Values]]:
        """Yield (start, name, values), a row per name. A period of which nothing is known, or in which there is nothing, has
        one row without a name: of nulls, or of zeros."""
        for start, parts in self.rows:
            if not parts:
                yield start, None, (None if parts is None else 0,) * len(self.titles)
                continue
            for name, values in parts:
                yield start, name, values
