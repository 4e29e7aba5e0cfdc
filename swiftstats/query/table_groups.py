"""Adds up rows of accounts by the groups of their petnames: of each group its own, called just so, and with all below.

Every beginning of a petname is a group: `physics/lab1` is one, and below `physics`, which need not be anybody's petname. So
the totals of the groups at the top, and the accounts without a petname, which are a group by themselves, are all there is.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Sequence

from swiftstats.petnames import SEPARATOR, is_within

Values = tuple[Optional[int], ...]
#: Of what a sum is: a server, None for all together, and the start of a step.
Of = tuple[Optional[str], int]
#: What stands behind all groups: UTF-8 has no such byte.
_UNNAMED = (b"\xff",)


class GroupSum(NamedTuple):
    """A group's sum; values are None where nothing is known of any of the accounts."""

    group: Optional[str]  #: None: the accounts without a petname
    server: Optional[str]
    time: int
    own: Values
    total: Values


class GroupSums:
    """Sums of at most `most` groups, the first ones behind the group `after`, each before those below it, bytewise.

    Memory is bounded by twice `most`, whatever the number of groups. With `within`, only these groups and those below them.
    """

    def __init__(self, *, after: Optional[bytes], most: int, within: Sequence[str]) -> None:
        self._after = () if after is None else tuple(after.split(SEPARATOR.encode()))
        self._most, self._within = most, within
        self._last: Optional[tuple[bytes, ...]] = None  # groups behind it were left out
        self._own: dict[Optional[str], dict[Of, Values]] = {}
        self._total: dict[Optional[str], dict[Of, Values]] = {}

    def add(self, petname: Optional[str], of: Of, values: Values) -> None:
        """Add a row of an account that is called so."""
        for group in _groups(petname):
            if not self._is_asked(group):
                continue
            if group not in self._total and len(self._total) >= 2 * self._most:
                self._leave_out()
                if not self._is_asked(group):
                    continue
            _add(self._total.setdefault(group, {}), of, values)
            if group == petname:
                _add(self._own.setdefault(group, {}), of, values)

    def found(self) -> Iterator[list[GroupSum]]:
        """Yield the sums of each group, those without a petname last."""
        for group in sorted(self._total, key=_key)[:self._most]:
            own, total = self._own.get(group, {}), self._total[group]
            yield [GroupSum(group, *of, own.get(of) or _none_of(total[of]), total[of])
                   for of in sorted(total, key=lambda of: (of[0] or "", of[1]))]

    def _is_asked(self, group: Optional[str]) -> bool:
        key = _key(group)
        if key <= self._after or (self._last is not None and key > self._last):
            return False
        return not self._within or (group is not None and any(is_within(group, each) for each in self._within))

    def _leave_out(self) -> None:
        ordered = sorted(self._total, key=_key)
        for group in ordered[self._most:]:
            del self._total[group]
            self._own.pop(group, None)
        self._last = _key(ordered[self._most - 1])


def _none_of(total: Values) -> Values:
    """Return the sums of no account: nothing, where anything is known."""
    return tuple(None if each is None else 0 for each in total)


def _groups(petname: Optional[str]) -> Iterator[Optional[str]]:
    """Yield a petname's groups, the petname itself last."""
    if petname is None:
        yield None
        return
    parts = petname.split(SEPARATOR)
    for length in range(1, len(parts) + 1):
        yield SEPARATOR.join(parts[:length])


def _key(group: Optional[str]) -> tuple[bytes, ...]:
    return _UNNAMED if group is None else tuple(group.encode().split(SEPARATOR.encode()))


def _add(sums: dict[Of, Values], of: Of, values: Values) -> None:
    before = sums.get(of)
    sums[of] = values if before is None else tuple(
        one if other is None else other if one is None else one + other for one, other in zip(before, values))
