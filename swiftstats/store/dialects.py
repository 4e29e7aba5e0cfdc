"""All that differs between MySQL or MariaDB and SQLite: connecting, transactions, errors, and the spelling of an upsert.

No other file of the store knows which database it talks to. SQL that both take is not here.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence

from sqlalchemy import URL, ColumnElement, Connection, Engine, Table, exc, func, text

from swiftstats.errors import DatabaseAway, DatabaseBusy, SchemaError, StoreError, TooLarge
from swiftstats.fields import CELLS
from swiftstats.store.schema import BY_DAY

#: Seconds: to reach the database; that one statement may wait for a lock; that one answer or packet may take.
CONNECT_TIMEOUT, LOCK_TIMEOUT, STATEMENT_TIMEOUT = 10, 20, 120
#: Rows of one multi-row INSERT, at most 400 kB: below the least `max_allowed_packet` in use (1 MiB, in old installations).
STATEMENT_ROWS = 1000
STATEMENT_CHARACTERS = 400_000
#: The most that a server puts together in one field.
GROUP_BYTES = 2**24
#: The day that days are counted from.
EPOCH = date(1970, 1, 1).toordinal()


class Partition(NamedTuple):
    """A partition of a table by day: days before `before` that are in none before it (None: all); `rows` is an estimate."""

    name: str
    before: Optional[int]
    rows: int
    bytes: int


class Written(NamedTuple):
    """Some accounts by name, up to `last`: their lines, or None where they are to be written elsewhere, name by name."""

    last: bytes
    number: int
    text: Optional[str]


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
                rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows (every column but a self-numbering id); where `key` is there, the `greatest` columns keep the greater."""

    @abstractmethod
    def latest(self, connection: Connection, table: Table, key: Sequence[str], order: Sequence[str],
               rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows (integers and bytes); where `key` is there, the whole row is replaced.

        With `order`, columns by which rows are compared as tuples, only a greater row replaces one. They are all that the key
        is not, or what they leave out follows from them.
        """

    @abstractmethod
    def account_ids(self, connection: Connection, names: Sequence[bytes]) -> dict[bytes, int]:
        """Return the ids of those of `names`, sorted and some hundreds, that the dictionary of accounts has."""

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
              limit: int, petnames: bool) -> Optional[Written]:
        """Return lines of the next accounts by name; see many.lines."""

    @abstractmethod
    def exact_order(self, plus: ColumnElement[int], minus: ColumnElement[int] | None = None) -> list[ColumnElement[Any]]:
        """Return what orders groups by their exact sum of `plus` less that of `minus`."""

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


class SQLite(Dialect):
    """A file in WAL mode: readers see a snapshot, one transaction writes at a time."""

    def connect_arguments(self, url: URL, *, patient: bool = False) -> dict[str, Any]:
        # isolation_level None: the driver begins nothing by itself; engine.py's transactions do.
        return {"isolation_level": None} | _unless_given(url, {"timeout": LOCK_TIMEOUT})

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
                rows: Sequence[Sequence[Any]]) -> None:
        columns = _inserted(table)
        keep = ", ".join(f'"{name}" = max("{name}", excluded."{name}")' for name in greatest)
        names = ", ".join(f'"{name}"' for name in columns)
        keys = ", ".join(f'"{name}"' for name in key)
        action = f"DO UPDATE SET {keep}" if keep else "DO NOTHING"
        statement = (f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})"
                     f" ON CONFLICT ({keys}) {action}")
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])

    def latest(self, connection: Connection, table: Table, key: Sequence[str], order: Sequence[str],
               rows: Sequence[Sequence[Any]]) -> None:
        columns = _inserted(table)
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
        statement = f"SELECT name, id FROM accounts WHERE name IN ({','.join('?' * len(names))})"
        return {bytes(name): number for name, number in connection.exec_driver_sql(statement, tuple(names)).all()}

    def exact_sum(self, column: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        # SUM of integers overflows with an error at 2^63, and TOTAL is a float: the halves of 2^31 rows still fit.
        return func.sum(column.op(">>")(32)), func.sum(column.op("&")(0xFFFFFFFF))

    def packed(self, columns: Sequence[ColumnElement[int]], *, summed: bool) -> list[ColumnElement[Any]]:
        return [half for column in columns for half in self.exact_sum(column)] if summed else list(columns)

    def unpacked(self, row: Sequence[Any], *, summed: bool) -> tuple[int, ...]:
        return tuple((high << 32) + low for high, low in zip(row[::2], row[1::2])) if summed else tuple(row)

    def exact_order(self, plus: ColumnElement[int], minus: ColumnElement[int] | None = None) -> list[ColumnElement[Any]]:
        high, low = self.exact_sum(plus)
        if minus is not None:
            less = self.exact_sum(minus)
            high, low = high - less[0], low - less[1]
        # What the low half carries belongs to the high one; both operators keep the sign.
        return [high + low.op(">>")(32), low.op("&")(0xFFFFFFFF)]

    def lines(self, connection: Connection, month: int, template: Sequence[str | None | tuple[str, Optional[str]]], after: bytes,
              limit: int, petnames: bool) -> Optional[Written]:
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


class MySQL(Dialect):
    """MySQL and MariaDB through PyMySQL, in the spelling that both take."""

    writes_lines = True

    #: Server and client errors that mean: not now, not here. Their texts name hosts and users, neither SQL nor data.
    AWAY = frozenset((
        3, 1021, 1026, 1030, 1037, 1040, 1041, 1042, 1043, 1044, 1045, 1047, 1049, 1053, 1077, 1079, 1080, 1114, 1129, 1130,
        1142, 1143, 1152, 1153, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1290, 1317, 1698, 1820, 1836, 1862,
        1927, 1969, 3024, 3159, 4031,
    ))
    #: Lock wait, deadlock, record changed since read, definition changed, a partition that is gone or made already, too many
    #: transactions, OceanBase's conflict.
    BUSY = frozenset((1020, 1205, 1213, 1412, 1507, 1517, 1614, 1637, 6235))
    #: Table or column unknown or more than expected, a view that lost its table, a column that wants a value.
    SCHEMA = frozenset((1051, 1054, 1109, 1136, 1146, 1356, 1364))

    #: Names that no format has to quote or escape.
    UNQUOTED = "^[A-Za-z0-9_.:-]+$"
    #: Out of range, of a column or of BIGINT.
    RANGE = frozenset((1264, 1690))

    def connect_arguments(self, url: URL, *, patient: bool = False) -> dict[str, Any]:
        session = {
            "time_zone": "'+00:00'",
            "sql_mode": "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
            "innodb_lock_wait_timeout": str(LOCK_TIMEOUT),
            "group_concat_max_len": str(GROUP_BYTES),  # MySQL's default cuts at 1024
        }
        return _unless_given(url, {
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": None if patient else STATEMENT_TIMEOUT,
            "write_timeout": STATEMENT_TIMEOUT,
            "init_command": "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in session.items()),
        })

    def connected(self, dbapi_connection: Any) -> None:
        # init_command did the rest. What a transaction is that says nothing of itself: one that reads.
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def begin(self, connection: Connection, read_only: bool) -> None:
        # For the next transaction only: READ COMMITTED takes no gap locks, and sees dictionary rows that another flusher
        # committed a moment ago. (It needs binlog_format ROW or MIXED, which are the defaults.)
        if read_only:
            connection.exec_driver_sql("START TRANSACTION READ ONLY")
            self._hold_partitions(connection)
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            connection.exec_driver_sql("START TRANSACTION")

    @staticmethod
    def _hold_partitions(connection: Connection) -> None:
        # The snapshot begins with the first row that is read, and this reads none. From here on no partition is dropped or made
        # before the transaction ends: else rows that its snapshot still has could be gone with their partition, without a word.
        try:
            connection.exec_driver_sql(f"SELECT 1 FROM {', '.join(table.name for table in BY_DAY)} WHERE FALSE")
        except exc.ProgrammingError:
            pass  # no schema yet, or an older one

    def clock(self, connection: Connection) -> int | None:
        return int(connection.execute(text("SELECT UNIX_TIMESTAMP()")).scalar_one())

    def error(self, original: BaseException, where: str) -> StoreError:
        code = original.args[0] if original.args and isinstance(original.args[0], int) else None
        message = str(original.args[1]) if len(original.args) > 1 else str(original)
        if code in self.BUSY or code == 1180 and "149" in message:  # 1180, 149: Galera's certification at COMMIT
            return DatabaseBusy(f"{where}: error {code}, rolled back: try again")
        if code in self.RANGE:
            return TooLarge(f"{where}: error {code}")
        if code in self.SCHEMA:
            return SchemaError(f"{where}: its tables are not those of this version (error {code});"
                               " see `swiftstats migrate --revision`")
        if code in self.AWAY or code == 1180 or code is not None and 2000 <= code < 3000:
            return DatabaseAway(f"{where} cannot be used: error {code}: {message}")
        if type(original).__name__ in ("InterfaceError", "InternalError") and code in (0, None):
            return DatabaseAway(f"{where} cut the connection")
        return StoreError(f"{where}: {type(original).__name__} {code}")

    def maximum(self, connection: Connection, table: Table, key: Sequence[str], greatest: Sequence[str],
                rows: Sequence[Sequence[Any]]) -> None:
        columns = _inserted(table)
        # VALUES() is what MySQL and MariaDB both take; MySQL's newer row alias is an error in MariaDB.
        keep = ", ".join(f"`{name}` = GREATEST(`{name}`, VALUES(`{name}`))" for name in greatest) or f"`{key[0]}` = `{key[0]}`"
        head = f"INSERT INTO {table.name} ({', '.join(f'`{name}`' for name in columns)}) VALUES "
        tail = f" ON DUPLICATE KEY UPDATE {keep}"
        if any(table.c[name].type.python_type is not int for name in columns):
            connection.exec_driver_sql(f"{head}({', '.join(['%s'] * len(columns))}){tail}", [tuple(row) for row in rows])
            return
        # PERF: integers formatted here are twice as fast as the driver's executemany (bench: 96-142 k rows/s against 49-52 k).
        template = "(" + ",".join(["%d"] * len(columns)) + ")"
        for start in range(0, len(rows), STATEMENT_ROWS):
            values = ",".join([template % tuple(row) for row in rows[start:start + STATEMENT_ROWS]])
            connection.exec_driver_sql(head + values + tail)

    def latest(self, connection: Connection, table: Table, key: Sequence[str], order: Sequence[str],
               rows: Sequence[Sequence[Any]]) -> None:
        columns = _inserted(table)
        replaced = [name for name in columns if name not in key]
        # Assignments are made from left to right, and see those made before: what weighs least in the comparison goes first,
        # so that the comparison comes out the same until the last of them.
        replaced.sort(key=lambda name: -order.index(name) if name in order else -len(order))
        new, old = ", ".join(f"VALUES(`{name}`)" for name in order), ", ".join(f"`{name}`" for name in order)
        value = f"IF(({new}) > ({old}), VALUES(`%s`), `%s`)" if order else "VALUES(`%s`)"
        head = f"INSERT INTO {table.name} ({', '.join(f'`{name}`' for name in columns)}) VALUES "
        tail = " ON DUPLICATE KEY UPDATE " + ", ".join(
            f"`{name}` = " + value.replace("%s", name) for name in replaced)
        for values in _literals(rows):
            connection.exec_driver_sql(head + values + tail)

    def account_ids(self, connection: Connection, names: Sequence[bytes]) -> dict[bytes, int]:
        # PERF: bench/flush.py; mostly all of them are there, and the server puts their ids together for next to nothing; the
        # driver takes five microseconds for a row.
        among = "FROM accounts WHERE name IN (" + ",".join([f"X'{name.hex()}'" for name in names]) + ")"
        if len(names) > 1:
            packed = connection.exec_driver_sql(f"SELECT GROUP_CONCAT(id ORDER BY name) {among}").scalar()
            ids = packed.split(",") if packed else []
            if len(ids) == len(names):
                return dict(zip(names, map(int, ids)))
        return {bytes(name): number for name, number in connection.exec_driver_sql(f"SELECT name, id {among}").all()}

    def exact_sum(self, column: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        return text("0"), func.sum(column)  # type: ignore[return-value]

    def packed(self, columns: Sequence[ColumnElement[int]], *, summed: bool) -> list[ColumnElement[Any]]:
        # PERF: bench/sums.py and bench/billing.py; the driver takes microseconds for each column and each value of it, the server
        # puts them together at once.
        return [func.concat_ws(" ", *(func.sum(column) if summed else column for column in columns))]

    def unpacked(self, row: Sequence[Any], *, summed: bool) -> tuple[int, ...]:
        return tuple(map(int, row[0].split()))

    def exact_order(self, plus: ColumnElement[int], minus: ColumnElement[int] | None = None) -> list[ColumnElement[Any]]:
        return [func.sum(plus) if minus is None else func.sum(plus) - func.sum(minus)]

    def lines(self, connection: Connection, month: int, template: Sequence[str | None | tuple[str, Optional[str]]], after: bytes,
              limit: int, petnames: bool) -> Optional[Written]:
        # PERF: bench/billing.py; a thousand accounts a round trip, of which the driver sees one row.
        def written(piece: str | None | tuple[str, Optional[str]]) -> str:
            if piece is None or isinstance(piece, str):
                return "a.name" if piece is None else f"X'{piece.encode().hex()}'"
            plus, minus = piece
            return f"m.{plus}" if minus is None else f"(m.{plus} - m.{minus})"

        line = ", ".join(written(piece) for piece in template if piece != "")
        some = " OR ".join("m." + name for name in CELLS)
        # One level: a derived table of lines would cost as much again.
        last, others, called, number, text = connection.exec_driver_sql(
            f"SELECT MAX(a.name), GROUP_CONCAT(a.name SEPARATOR '') NOT RLIKE '{self.UNQUOTED}',"
            f" {'COUNT(p.account)' if petnames else '0'}, SUM({some}),"
            f" GROUP_CONCAT(IF({some}, CONCAT({line}), NULL) ORDER BY a.name SEPARATOR '')"
            f" FROM (SELECT id, name FROM accounts WHERE name > X'{after.hex()}' ORDER BY name LIMIT {limit}) a"
            f" LEFT JOIN io_months m ON m.month = {month} AND m.account_id = a.id"
            + (" LEFT JOIN petnames p ON p.account = a.name" if petnames else "")).one()
        if last is None:
            return None
        text = text or b""
        whole = not others and not called and len(text) < GROUP_BYTES  # what is longer is cut
        return Written(bytes(last), int(number or 0), text.decode("ascii") if whole else None)

    def partitions(self, connection: Connection, table: Table) -> list[Partition]:
        found = connection.execute(text(
            "SELECT partition_name, partition_description, table_rows, data_length + index_length"
            " FROM information_schema.partitions WHERE table_schema = DATABASE()"
            " AND table_name = :name AND partition_name IS NOT NULL"
            " ORDER BY partition_ordinal_position").bindparams(name=table.name))
        return [Partition(name, None if bound == "MAXVALUE" else int(bound), int(rows or 0), int(size or 0))
                for name, bound, rows, size in found]

    def drop_partitions(self, connection: Connection, table: Table, names: Sequence[str]) -> None:
        self._alter(connection, f"ALTER TABLE {table.name} DROP PARTITION " + ", ".join(names))

    def split_partition(self, connection: Connection, table: Table, last: str, bounds: Sequence[int]) -> None:
        cuts = ", ".join(f"PARTITION until_{date.fromordinal(EPOCH + bound):%Y_%m_%d} VALUES LESS THAN ({bound})"
                         for bound in bounds)
        self._alter(connection, f"ALTER TABLE {table.name} REORGANIZE PARTITION {last} INTO"
                                f" ({cuts}, PARTITION {last} VALUES LESS THAN MAXVALUE)")

    @staticmethod
    def _alter(connection: Connection, statement: str) -> None:
        # Whoever comes while a DDL waits, waits behind it, flushers too: so it waits no longer than a second or two.
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 1")
        try:
            connection.exec_driver_sql(statement)
        finally:
            connection.exec_driver_sql("SET SESSION lock_wait_timeout = DEFAULT")

    @contextmanager
    def alone(self, engine: Engine, purpose: str) -> Iterator[None]:
        # DDL commits by itself here, so no transaction can exclude another; a named lock of the server does, held by a
        # connection of its own until after the COMMIT.
        name = "swiftstats-" + hashlib.sha256(f"{engine.url.database}/{purpose}".encode()).hexdigest()[:40]
        with engine.connect() as connection:
            got = connection.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": name, "wait": LOCK_TIMEOUT}).scalar()
            if got != 1:
                raise DatabaseBusy(f"another process is at it ({purpose}); try again")
            yield
            connection.invalidate()  # closing the connection releases the lock, whatever state it is in


def _unless_given(url: URL, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in url.query}


def _inserted(table: Table) -> list[str]:
    """Return the columns that a row gives: all but an id that numbers itself."""
    return [column.name for column in table.columns if column is not table.autoincrement_column]


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _literals(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield the VALUES of statements of bounded size for rows of integers and bytes."""
    # PERF: as in `maximum`; bytes are written as hexadecimal literals, which know no escaping and no character set.
    waiting: list[str] = []
    size = 0
    for row in rows:
        written = "(" + ",".join([f"X'{value.hex()}'" if isinstance(value, bytes) else str(int(value)) for value in row]) + ")"
        if waiting and (size + len(written) > STATEMENT_CHARACTERS or len(waiting) == STATEMENT_ROWS):
            yield ",".join(waiting)
            waiting, size = [], 0
        waiting.append(written)
        size += len(written)
    if waiting:
        yield ",".join(waiting)


#: SQLAlchemy's name of a dialect: ours.
DIALECTS: Mapping[str, Dialect] = {"sqlite": SQLite(), "mysql": MySQL()}


def of(bound: Engine | Connection) -> Dialect:
    """Return the dialect of an engine or a connection."""
    return DIALECTS[bound.dialect.name]
