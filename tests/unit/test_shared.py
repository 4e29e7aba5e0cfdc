"""Several readers at once: every batch once and in order, as few begun as said, and nothing left behind."""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats.query import shared

NAMES = st.lists(st.binary(min_size=1, max_size=3), unique=True, max_size=40).map(sorted)


class Names:
    """Names, read by readers that are numbers; `begun` notes who read what, `failing` is one that cannot be."""

    def __init__(self, names: list[bytes], size: int, failing: Optional[bytes] = None) -> None:
        self.names, self.size, self.failing = names, size, failing
        self.begun: list[tuple[int, bytes]] = []
        self.busy: set[int] = set()

    def cut(self, reader: int, after: bytes) -> Optional[bytes]:
        """Return the last name of a batch."""
        following = self._between(reader, after, None)
        return following[self.size - 1] if len(following) >= self.size else None

    def read(self, reader: int, after: bytes, last: Optional[bytes]) -> list[bytes]:
        """Return a batch."""
        self.begun.append((reader, after))
        found = self._between(reader, after, last)
        if self.failing in found:
            raise ValueError(self.failing)
        return found

    def _between(self, reader: int, after: bytes, last: Optional[bytes]) -> list[bytes]:
        assert reader not in self.busy
        self.busy.add(reader)
        found = self.names[bisect_right(self.names, after):None if last is None else bisect_right(self.names, last)]
        self.busy.remove(reader)
        return found


def threads() -> int:
    return sum(each.name.startswith("swiftstats-read") for each in threading.enumerate())


@given(NAMES, st.integers(1, 5), st.integers(1, 4))
def test_each_once_in_order(names: list[bytes], size: int, readers: int) -> None:
    """However many read, all is what one would have read, and no reader does two things at once."""
    found = list(shared.batches(range(readers), (of := Names(names, size)).cut, of.read))
    assert [name for batch in found for name in batch] == names
    assert all(len(batch) == size for batch in found[:-1]) and threads() == 0


@given(NAMES, st.integers(1, 4), st.integers(0, 20))
def test_left_early(names: list[bytes], readers: int, taken: int) -> None:
    """Whoever leaves early leaves no thread, and but a few batches were begun that nobody wants."""
    of = Names(names, 1)
    batches = shared.batches(range(readers), of.cut, of.read)
    found = [batch for _, batch in zip(range(taken), batches)]
    batches.close()
    assert [name for batch in found for name in batch] == names[:taken]
    assert len(of.begun) <= (len(found) + readers + 1 if taken else 0) and threads() == 0


@given(NAMES.filter(bool), st.integers(1, 5), st.integers(1, 4), st.data())
def test_what_fails_fails_in_its_place(names: list[bytes], size: int, readers: int, data: st.DataObject) -> None:
    """What comes before a batch that fails is there, then that is raised, and no thread stays."""
    at = data.draw(st.integers(0, len(names) - 1))
    of, found = Names(names, size, names[at]), []
    with pytest.raises(ValueError) as raised:
        for batch in shared.batches(range(readers), of.cut, of.read):
            found += batch
    assert raised.value.args == (names[at],) and found == names[:at // size * size] and threads() == 0


def test_what_cannot_be_cut() -> None:
    """Where the end of a batch cannot be told, that is raised, also by those who wait for it."""
    def cut(reader: int, after: bytes) -> Optional[bytes]:
        if after:
            raise KeyError(after)
        return b"a"

    batches = shared.batches(range(3), cut, lambda reader, after, last: last)
    assert next(batches) == b"a"
    with pytest.raises(KeyError):
        next(batches)
    assert threads() == 0
