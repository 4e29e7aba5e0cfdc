"""MySQL and MariaDB, as the store asks them, through PyMySQL."""

from __future__ import annotations

import functools
import hashlib
import operator
from contextlib import contextmanager
from datetime import date
from typing import Any, Iterator, Mapping, Optional, Sequence

from sqlalchemy import URL, ColumnElement, Connection, Engine, Table, exc, func, text

from swiftstats.errors import DatabaseAway, DatabaseBusy, SchemaError, StoreError, TooLarge
from swiftstats.fields import CELLS
from swiftstats.store.dialects import mysql_sent
from swiftstats.store.dialects.dialect import LOCK_TIMEOUT, Dialect, Partition, inserted, unless_given
from swiftstats.store.schema import BY_DAY

#: Seconds: to reach the database; that one answer or packet may take.
CONNECT_TIMEOUT, STATEMENT_TIMEOUT = 10, 120
#: Rows of one multi-row INSERT, at most 950 kB: below the least `max_allowed_packet` in use (1 MiB, in old installations).
STATEMENT_ROWS = 2500
STATEMENT_CHARACTERS = 400_000
#: Names of one list, of NAME_BYTES at most, in hexadecimal: below it too.
STATEMENT_NAMES = 1800
#: The most that a server puts together in one field.
GROUP_BYTES = 2**24
#: The day that days are counted from.
EPOCH = date(1970, 1, 1).toordinal()


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
        sending = {} if "local_infile" in url.query else {"client_flag": mysql_sent.CLIENT_FLAG}
        return unless_given(url, {
            **sending,
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
                rows: Sequence[Sequence[Any]], same: Mapping[str, int]) -> None:
        columns = inserted(table)
        given = [name for name in columns if name not in same]
        # VALUES() is what MySQL and MariaDB both take; MySQL's newer row alias is an error in MariaDB.
        keep = ", ".join(f"`{name}` = GREATEST({table.name}.`{name}`, VALUES(`{name}`))" for name in greatest)
        head = f"INSERT INTO {table.name} ({', '.join(f'`{name}`' for name in columns)}) "
        tail = f" ON DUPLICATE KEY UPDATE {keep or f'`{key[0]}` = {table.name}.`{key[0]}`'}"
        if any(table.c[name].type.python_type is not int for name in given):
            values = ", ".join(str(same.get(name, "%s")) for name in columns)
            connection.exec_driver_sql(f"{head}VALUES ({values}){tail}", [tuple(row) for row in rows])
            return
        for start in range(0, len(rows), mysql_sent.ROWS):
            # PERF: bench/flush.py; rows that are sent take the server three quarters of what statements take.
            with mysql_sent.table_of(connection, given, rows, start) as sent:
                if sent is not None:
                    found = ", ".join(str(same.get(name, f"`{name}`")) for name in columns)
                    connection.exec_driver_sql(f"{head}SELECT {found} FROM {sent}{tail}")
                    continue
            # PERF: bench/flush.py; integers formatted here are twice as fast as the driver's executemany.
            template = "(" + ",".join([str(same.get(name, "%d")) for name in columns]) + ")"
            end = min(start + mysql_sent.ROWS, len(rows))
            for first in range(start, end, STATEMENT_ROWS):
                values = ",".join([template % tuple(row) for row in rows[first:min(first + STATEMENT_ROWS, end)]])
                connection.exec_driver_sql(f"{head}VALUES {values}{tail}")

    def latest(self, connection: Connection, table: Table, key: Sequence[str], order: Sequence[str],
               rows: Sequence[Sequence[Any]]) -> None:
        columns = inserted(table)
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
        found: dict[bytes, int] = {}
        for start in range(0, len(names), STATEMENT_NAMES):
            listed = ",".join([f"X'{name.hex()}'" for name in names[start:start + STATEMENT_NAMES]])
            found.update(self._ids(connection, f"name IN ({listed})"))
        return found

    def accounts_between(self, connection: Connection, first: bytes, last: bytes) -> dict[bytes, int]:
        return self._ids(connection, f"name BETWEEN X'{first.hex()}' AND X'{last.hex()}'")

    @staticmethod
    def _ids(connection: Connection, which: str) -> dict[bytes, int]:
        # PERF: bench/flush.py; the driver takes five microseconds for a row, the server puts rows together for next to nothing.
        number, packed = connection.exec_driver_sql(
            f"SELECT COUNT(*), GROUP_CONCAT(name, X'00', id, X'00' SEPARATOR '') FROM accounts WHERE {which}").one()
        pieces = (packed or b"").split(b"\0")
        if len(pieces) == 2 * number + 1:
            return dict(zip(pieces[:-1:2], map(int, pieces[1::2])))
        # A NUL in a name, or a server that cuts fields sooner than it was told: as the driver has it.
        return {bytes(name): number for name, number in connection.exec_driver_sql(
            f"SELECT name, id FROM accounts WHERE {which}").all()}

    def exact_sum(self, column: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        return text("0"), func.sum(column)  # type: ignore[return-value]

    def packed(self, columns: Sequence[ColumnElement[int]], *, summed: bool) -> list[ColumnElement[Any]]:
        # PERF: bench/sums.py and bench/billing.py; the driver takes microseconds for each column and each value of it, the server
        # puts them together at once.
        return [func.concat_ws(" ", *(func.sum(column) if summed else column for column in columns))]

    def unpacked(self, row: Sequence[Any], *, summed: bool) -> tuple[int, ...]:
        return tuple(map(int, row[0].split()))

    def exact_order(self, plus: Sequence[ColumnElement[int]], minus: Sequence[ColumnElement[int]]) -> list[ColumnElement[Any]]:
        added = functools.reduce(operator.add, map(func.sum, plus))
        return [functools.reduce(operator.sub, map(func.sum, minus), added)]

    def lines(self, connection: Connection, month: int, template: Sequence[str | None | tuple[str, Optional[str]]], after: bytes,
              last: Optional[bytes], petnames: bool) -> Optional[str]:
        # PERF: bench/billing.py; thousands of accounts a round trip, of which the driver sees one row.
        def written(piece: str | None | tuple[str, Optional[str]]) -> str:
            if piece is None or isinstance(piece, str):
                return "a.name" if piece is None else f"X'{piece.encode().hex()}'"
            plus, minus = piece
            return f"m.{plus}" if minus is None else f"(m.{plus} - m.{minus})"

        line = ", ".join(written(piece) for piece in template if piece != "")
        some = " OR ".join("m." + name for name in CELLS)
        behind = "" if last is None else f" AND a.name <= X'{last.hex()}'"
        number, others, called, text = connection.exec_driver_sql(
            f"SELECT COUNT(*), GROUP_CONCAT(a.name SEPARATOR '') NOT RLIKE '{self.UNQUOTED}',"
            f" {'COUNT(p.account)' if petnames else '0'},"
            f" GROUP_CONCAT(IF({some}, CONCAT({line}), NULL) ORDER BY a.name SEPARATOR '')"
            f" FROM accounts a LEFT JOIN io_months m ON m.month = {month} AND m.account_id = a.id"
            + (" LEFT JOIN petnames p ON p.account = a.name" if petnames else "")
            + f" WHERE a.name > X'{after.hex()}'{behind}").one()
        text = text or b""
        whole = not number or not others and not called and len(text) < GROUP_BYTES  # what is longer is cut
        return text.decode("ascii") if whole else None

    def partitions(self, connection: Connection, table: Table) -> list[Partition]:
        found = connection.execute(text(
            "SELECT partition_name, partition_description, table_rows, data_length + index_length"
            " FROM information_schema.partitions WHERE table_schema = DATABASE()"
            " AND table_name = :name AND partition_method = 'RANGE'"  # others' are not of days
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
