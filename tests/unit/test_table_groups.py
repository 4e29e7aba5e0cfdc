"""Sums of groups of petnames: own and total, some groups at a time, in bounded memory."""

from __future__ import annotations

import random
from typing import Optional

from swiftstats.query.table_groups import GroupSum, GroupSums

ROWS: list[tuple[Optional[str], int]] = [
    ("physics", 1), ("physics/lab1", 2), ("physics/lab1", 4), ("physics/lab2/röntgen", 8), ("physics-old", 16), (None, 32),
    ("phys", 64), ("chemistry/物理", 128), (None, 256),
]
SUMS = {
    "chemistry": (0, 128), "chemistry/物理": (128, 128), "phys": (64, 64), "physics": (1, 15), "physics/lab1": (6, 6),
    "physics/lab2": (0, 8), "physics/lab2/röntgen": (8, 8), "physics-old": (16, 16), None: (288, 288),
}


def sums(rows: list[tuple[Optional[str], int]], after: Optional[str] = None, most: int = 100, within: tuple[str, ...] = (),
         ) -> dict[Optional[str], tuple[Optional[int], Optional[int]]]:
    added = GroupSums(after=None if after is None else after.encode(), most=most, within=within)
    for petname, value in rows:
        added.add(petname, (None, 0), (value,))
    return {each.group: (each.own[0], each.total[0]) for found in added.found() for each in found}


def test_own_and_total() -> None:
    """A group's own is of those called just so, its total with all below; groups at the top and the unnamed are everything."""
    found = sums(ROWS)
    assert list(found.items()) == list(SUMS.items())
    assert sum(total or 0 for group, (_, total) in found.items() if "/" not in (group or "")) == sum(value for _, value in ROWS)


def test_some_groups_at_a_time() -> None:
    """However the rows come and however few groups a pass has room for, passes joined are the whole, nothing half."""
    shuffled = list(ROWS)
    for seed in range(50):
        random.Random(seed).shuffle(shuffled)
        for most in (1, 2, 3, 8):
            found: dict[Optional[str], tuple[Optional[int], Optional[int]]] = {}
            after = None
            while page := sums(shuffled, after, most):
                found |= page
                after = list(page)[-1]
                if after is None:
                    break
            assert list(found.items()) == list(SUMS.items())


def test_within_groups() -> None:
    """Of groups that are asked for only they are there, and what is below them."""
    assert list(sums(ROWS, within=("physics/lab1", "phys"))) == ["phys", "physics/lab1"]


def test_unknown_values() -> None:
    """What is not known of any account stays so, and adds nothing to what is known of others."""
    added = GroupSums(after=None, most=9, within=())
    added.add("a/b", ("proxy-01", 3600), (None, 1))
    added.add("a/c", ("proxy-01", 3600), (None, None))
    (above,), (first,), (second,) = added.found()
    assert above == GroupSum("a", "proxy-01", 3600, (None, 0), (None, 1))
    assert (first.own, second.own) == ((None, 1), (None, None))
