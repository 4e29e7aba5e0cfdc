"""What the store asks of a database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, Mapping, NamedTuple, Optional, Sequence

from sqlalchemy import URL, ColumnElement, Connection, Engine, Table

from swiftstats.errors import StoreError

#: Seconds that one statement may wait for a lock.
LOCK_TIMEOUT = 20


class Partition(NamedTuple):
    """A partition of a table by day: days before `before` that are in none before it (None: all); `rows` is an estimate."""

    name: str
    before: Optional[int]
    rows: int
    bytes: int


class Dialect(ABC):
    """What the store asks of a database. `writes_lines`: whether it has `lines`."""

    writes_lines = False

    @abstractmethod
    def connect_arguments(self, url: URL, *, patient: bool = False) -> dict[str, Any]:
        """Return the driver's arguments; what the URL's query gives is left as the operator wrote it.

        `patient`: an answer may take as long as it takes.
        """

    @abstractmethod
    def connected(self, dbapi_connection: Any) -> None:
        """Prepare a connection that was just opened."""

    @abstractmethod
    def begin(self, connection: Connection, read_only: bool) -> None:
        """Begin a transaction: a snapshot to read, or one that may write."""

    @abstractmethod
    def clock(self, connection: Connection) -> int | None:
        """Return the server's UTC seconds; None where the database has no clock of its own."""

    @abstractmethod
    def error(self, original: BaseException, where: str) -> StoreError:
        """Return the store's own error for the driver's; its message holds neither SQL nor data."""

    @abstractmethod
    def maximum(self, connection: Connection, table: Table, key: Sequence[str], greatest: Sequence[str],
                rows: Sequence[Sequence[Any]], same: Mapping[str, int]) -> None:
        """Insert rows (every column but a self-numbering id); where `key` is there, the `greatest` columns keep the greater.

        `same`: columns that rows leave out, and their value in every one.
        """

    @abstractmethod
    def latest(self, connection: Connection, table: Table, key: Sequence[str], order: Sequence[str],
               rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows (integers and bytes); where `key` is there, the whole row is replaced.

        With `order`, columns by which rows are compared as tuples, only a greater row replaces one. They are all that the key
        is not, or what they leave out follows from them.
        """

    @abstractmethod
    def account_ids(self, connection: Connection, names: Sequence[bytes]) -> dict[bytes, int]:
        """Return the ids of those of `names` that the dictionary of accounts has."""

    @abstractmethod
    def accounts_between(self, connection: Connection, first: bytes, last: bytes) -> dict[bytes, int]:
        """Return the ids of all accounts from `first` to `last`, both included, some thousands."""

    @abstractmethod
    def exact_sum(self, column: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """Return expressions (high, low) of a sum = high × 2^32 + low, exact beyond 2^63."""

    @abstractmethod
    def packed(self, columns: Sequence[ColumnElement[int]], *, summed: bool) -> list[ColumnElement[Any]]:
        """Return what reads `columns`, or their exact sums, in as few columns as are cheap to read; see `unpacked`."""

    @abstractmethod
    def unpacked(self, row: Sequence[Any], *, summed: bool) -> tuple[int, ...]:
        """Return the numbers of a row of `packed`."""

    @abstractmethod
    def lines(self, connection: Connection, month: int, template: Sequence[str | None | tuple[str, Optional[str]]], after: bytes,
              last: Optional[bytes], petnames: bool) -> Optional[str]:
        """Return lines of some accounts by name; see many.lines."""

    @abstractmethod
    def exact_order(self, plus: Sequence[ColumnElement[int]], minus: Sequence[ColumnElement[int]]) -> list[ColumnElement[Any]]:
        """Return what orders groups by the exact sum of all of `plus` less that of all of `minus`."""

    @abstractmethod
    def partitions(self, connection: Connection, table: Table) -> list[Partition]:
        """Return a table's partitions, ascending; none where it is not partitioned."""

    @abstractmethod
    def drop_partitions(self, connection: Connection, table: Table, names: Sequence[str]) -> None:
        """Drop partitions, and commit; raise DatabaseBusy where somebody reads or writes the table and does not end soon."""

    @abstractmethod
    def split_partition(self, connection: Connection, table: Table, last: str, bounds: Sequence[int]) -> None:
        """Cut days before each of `bounds` off the last partition, and commit; raise as `drop_partitions`."""

    @abstractmethod
    def alone(self, engine: Engine, purpose: str) -> AbstractContextManager[None]:
        """Let nobody else do `purpose` to this database meanwhile; raise DatabaseBusy where somebody does."""


def unless_given(url: URL, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in url.query}


def inserted(table: Table) -> list[str]:
    """Return the columns that a row gives: all but an id that numbers itself."""
    return [column.name for column in table.columns if column is not table.autoincrement_column]
