"""SQLite, as the store asks it: a file in WAL mode."""

from __future__ import annotations

import functools
import operator
import re
from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Optional, Sequence

from sqlalchemy import URL, ColumnElement, Connection, Engine, Table, func

from swiftstats.errors import DatabaseAway, DatabaseBusy, SchemaError, StoreError, TooLarge
from swiftstats.store.dialects.dialect import LOCK_TIMEOUT, Dialect, Partition, inserted, unless_given

#: Parameters of one statement: old SQLite takes 999.
PARAMETERS = 900


class SQLite(Dialect):
    """A file in WAL mode: readers see a snapshot, one transaction writes at a time."""

    def connect_arguments(self, url: URL, *, patient: bool = False) -> dict[str, Any]:
        # isolation_level None: the driver begins nothing by itself; engine.py's transactions do.
        return {"isolation_level": None} | unless_given(url, {"timeout": LOCK_TIMEOUT})

    def connected(self, dbapi_connection: Any) -> None:
        # WAL is a property of the file; asking first keeps a reader from wanting the file for itself.
        if dbapi_connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            dbapi_connection.execute("PRAGMA journal_mode=WAL")
        dbapi_connection.execute("PRAGMA synchronous=FULL")

    def begin(self, connection: Connection, read_only: bool) -> None:
        connection.exec_driver_sql(f"PRAGMA query_only={int(read_only)}")
        # IMMEDIATE: two transactions that read and then write would fail with SQLITE_BUSY instead of waiting.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    def clock(self, connection: Connection) -> int | None:
        return None

    def error(self, original: BaseException, where: str) -> StoreError:
        message = str(original)
        if re.search(r"is locked|another row available", message):
            return DatabaseBusy(f"{where} is locked by another process")
        if "integer overflow" in message:
            return TooLarge(f"{where}: {message}")
        if re.search(r"no such (table|column)|has no column|columns but|values for \d+ columns|NOT NULL constraint", message):
            return SchemaError(f"{where}: {message}; see `swiftstats migrate --revision`")
        if re.search(r"readonly|disk|unable to open|not a database|malformed|locking protocol|out of memory", message):
            return DatabaseAway(f"{where} cannot be used: {message}")
        return StoreError(f"{where}: {type(original).__name__}: {message}")

    def maximum(self, connection: Connection, table: Table, key: Sequence[str], greatest: Sequence[str],
                rows: Sequence[Sequence[Any]], same: Mapping[str, int]) -> None:
        columns = inserted(table)
        keep = ", ".join(f'"{name}" = max("{name}", excluded."{name}")' for name in greatest)
        names = ", ".join(f'"{name}"' for name in columns)
        keys = ", ".join(f'"{name}"' for name in key)
        action = f"DO UPDATE SET {keep}" if keep else "DO NOTHING"
        statement = (f"INSERT INTO {table.name} ({names}) VALUES ({', '.join(str(same.get(name, '?')) for name in columns)})"
                     f" ON CONFLICT ({keys}) {action}")
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])

    def latest(self, connection: Connection, table: Table, key: Sequence[str], order: Sequence[str],
               rows: Sequence[Sequence[Any]]) -> None:
        columns = inserted(table)
        replaced = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
        greater = ""
        if order:
            old, new = (", ".join(f'{whose}."{name}"' for name in order) for whose in (table.name, "excluded"))
            greater = f" WHERE ({new}) > ({old})"
        statement = (f"INSERT INTO {table.name} ({', '.join(_quoted(columns))}) VALUES ({', '.join('?' * len(columns))})"
                     f" ON CONFLICT ({', '.join(_quoted(key))}) DO UPDATE SET {replaced}{greater}")
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])

    def account_ids(self, connection: Connection, names: Sequence[bytes]) -> dict[bytes, int]:
        # PERF: bench/flush.py; as the driver has it, SQLAlchemy's types and parameters cost more than the rows.
        found: dict[bytes, int] = {}
        for start in range(0, len(names), PARAMETERS):
            some = tuple(names[start:start + PARAMETERS])
            statement = f"SELECT name, id FROM accounts WHERE name IN ({','.join('?' * len(some))})"
            found.update((name, number) for name, number in connection.exec_driver_sql(statement, some).all())
        return found

    def accounts_between(self, connection: Connection, first: bytes, last: bytes) -> dict[bytes, int]:
        statement = "SELECT name, id FROM accounts WHERE name BETWEEN ? AND ?"
        return {name: number for name, number in connection.exec_driver_sql(statement, (first, last)).all()}

    def exact_sum(self, column: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        # SUM of integers overflows with an error at 2^63, and TOTAL is a float: the halves of 2^31 rows still fit.
        return func.sum(column.op(">>")(32)), func.sum(column.op("&")(0xFFFFFFFF))

    def packed(self, columns: Sequence[ColumnElement[int]], *, summed: bool) -> list[ColumnElement[Any]]:
        return [half for column in columns for half in self.exact_sum(column)] if summed else list(columns)

    def unpacked(self, row: Sequence[Any], *, summed: bool) -> tuple[int, ...]:
        return tuple((high << 32) + low for high, low in zip(row[::2], row[1::2])) if summed else tuple(row)

    def exact_order(self, plus: Sequence[ColumnElement[int]], minus: Sequence[ColumnElement[int]]) -> list[ColumnElement[Any]]:
        high, low = (functools.reduce(operator.add, halves) for halves in zip(*map(self.exact_sum, plus)))
        for less in map(self.exact_sum, minus):
            high, low = high - less[0], low - less[1]
        # What the low half carries belongs to the high one; both operators keep the sign.
        return [high + low.op(">>")(32), low.op("&")(0xFFFFFFFF)]

    def lines(self, connection: Connection, month: int, template: Sequence[str | None | tuple[str, Optional[str]]], after: bytes,
              last: Optional[bytes], petnames: bool) -> Optional[str]:
        raise NotImplementedError

    def partitions(self, connection: Connection, table: Table) -> list[Partition]:
        return []

    def drop_partitions(self, connection: Connection, table: Table, names: Sequence[str]) -> None:
        raise NotImplementedError

    def split_partition(self, connection: Connection, table: Table, last: str, bounds: Sequence[int]) -> None:
        raise NotImplementedError

    @contextmanager
    def alone(self, engine: Engine, purpose: str) -> Iterator[None]:
        yield  # BEGIN IMMEDIATE already is


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]
