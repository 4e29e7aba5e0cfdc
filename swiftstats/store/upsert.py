"""Merge rows by maximum, or the later ones, and give names their ids: any number of repetitions leaves the same."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Collection, Iterator, Mapping, Sequence, overload

from sqlalchemy import Connection, Table, UniqueConstraint, bindparam, select

from swiftstats.store import dialects
from swiftstats.store.schema import accounts

#: Names that one statement asks for: below the 999 parameters of old SQLite.
NAMES = 900
#: So many accounts are looked up at once; more than a few as a range of the dictionary, where it holds at most so many for each.
LOOKED_UP, FEW, CLOSE = 5000, 50, 2
_NOTHING: Mapping[str, int] = MappingProxyType({})
#: Whether a range holds more than `most` accounts.
_FURTHER = (select(accounts.c.id).where(accounts.c.name.between(bindparam("first"), bindparam("last")))
            .order_by(accounts.c.name).limit(1).offset(bindparam("most")))


class Joined(Sequence[tuple[int, ...]]):
    """Rows of a first column and a tuple of all others.

    PERF: bench/flush.py; they are put together a few at a time, as they are used: else each figure comes from memory twice.
    """

    def __init__(self, pairs: Sequence[tuple[int, tuple[int, ...]]]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, at: int) -> tuple[int, ...]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[int, ...]]: ...

    def __getitem__(self, at: int | slice) -> tuple[int, ...] | list[tuple[int, ...]]:
        if isinstance(at, slice):
            return [(first,) + others for first, others in self._pairs[at]]
        first, others = self._pairs[at]
        return (first,) + others

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return ((first,) + others for first, others in self._pairs)


def maximum(connection: Connection, table: Table, rows: Sequence[Sequence[Any]], greatest: Sequence[str], *,
            same: Mapping[str, int] = _NOTHING) -> None:
    """Insert rows, in the order given; where a row's key is there, each column of `greatest` keeps the greater value.

    A row has every column of the table in its order, but not an id that numbers itself, nor those that are the `same` in each
    row. The key is the primary key, or the unique constraint where that is such an id. Rows in key order keep concurrent writers
    from deadlock.
    """
    if rows:
        dialects.of(connection).maximum(connection, table, _key(table), greatest, rows, same)


def latest(connection: Connection, table: Table, rows: Sequence[Sequence[Any]], order: Sequence[str] = ()) -> None:
    """Insert rows as `maximum` does; where a row's key is there, the new row replaces it as a whole.

    With `order`, it does where the tuple of these columns is greater: then any order of arrival leaves the same. Columns
    are integers or bytes.
    """
    if rows:
        dialects.of(connection).latest(connection, table, _key(table), order, rows)


def account_ids(connection: Connection, names: Collection[bytes]) -> dict[bytes, int]:
    """Return the ids of accounts that the dictionary knows. They are good for this transaction only."""
    ordered = sorted(names)
    found: dict[bytes, int] = {}
    for start in range(0, len(ordered), LOOKED_UP):
        found.update(_ids(connection, ordered[start:start + LOOKED_UP]))
    return found


def _ids(connection: Connection, names: Sequence[bytes]) -> dict[bytes, int]:
    # PERF: bench/flush.py; a range is one seek and then a row after the other, and each name that is asked for is a seek.
    dialect = dialects.of(connection)
    if len(names) > FEW:
        span = {"first": names[0], "last": names[-1], "most": CLOSE * len(names)}
        if connection.execute(_FURTHER, span).first() is None:
            between = dialect.accounts_between(connection, names[0], names[-1])
            return {name: between[name] for name in names if name in between}
    return dialect.account_ids(connection, names)


def add_accounts(connection: Connection, names: Collection[bytes], now: int) -> dict[bytes, int]:
    """Return the ids of accounts, having added those that are new."""
    found = account_ids(connection, names)
    if len(found) < len(names) and (missing := sorted(set(names) - found.keys())):
        # Another writer may add the same name at the same time: who comes second waits, and finds the first's id.
        maximum(connection, accounts, [(name, now) for name in missing], ())
        found.update(account_ids(connection, missing))
    return found


def _key(table: Table) -> list[str]:
    if table.autoincrement_column is None:
        return [column.name for column in table.primary_key]
    unique = next(constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint))
    return [column.name for column in unique.columns]
