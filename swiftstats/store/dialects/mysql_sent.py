"""Rows sent to MySQL or MariaDB as the file of a `LOAD DATA LOCAL` that is no file: made while the server reads them.

The server reads a line of numbers in a third of the time that it takes for a statement's text, and meanwhile the next lines are
written here. They go into a temporary table in the server's memory, with which one short statement does what is to be done.

A client that allows `LOAD DATA LOCAL` the usual way lets its server read any file, whatever it was asked and whenever it likes.
So PyMySQL is left to refuse that, and what is sent is what `send` was given, whatever name the server says. Where the server,
the user's rights or what stands in between allow none of this, the rows are the caller's to write in another way.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Iterator, Sequence

import pymysql
from pymysql.constants import CLIENT, COMMAND
from pymysql.protocol import OKPacketWrapper
from sqlalchemy import Connection, exc

#: What a connection says that it can: FOUND_ROWS is SQLAlchemy's own. (`local_infile` stays off: see above.)
CLIENT_FLAG = CLIENT.FOUND_ROWS | CLIENT.LOCAL_FILES
#: Rows of a table in the server's memory: 2 MB of the 16 that a server allows one by default.
ROWS = 10_000
#: Fewer are written sooner as a statement: a table costs some round trips.
FEW = 500
#: Rows of a packet: at most 200 kB.
_PACKET_ROWS = 500
#: In Connection.info, which lives as long as the driver's connection: whether it can send.
_CAN_SEND = "swiftstats.can_send"

logger = logging.getLogger("swiftstats.store")


@contextlib.contextmanager
def table_of(connection: Connection, columns: Sequence[str], rows: Sequence[Sequence[int]], start: int) -> Iterator[str | None]:
    """Yield the name of a temporary table with ROWS of `rows` from `start`; None where they are too FEW, or cannot be sent.

    Its columns hold 0 to 2^64-1. Raises exc.DBAPIError where the connection is lost.
    """
    name = "swiftstats_sent"
    end = min(start + ROWS, len(rows))
    if end - start < FEW or not _can_send(connection) or not _filled(connection, name, columns, rows, start, end):
        yield None
        return
    yield name
    connection.exec_driver_sql(f"DROP TEMPORARY TABLE {name}")


def send(driver: Any, statement: str, packets: Iterator[bytes]) -> OKPacketWrapper:
    """Run a `LOAD DATA LOCAL` with `packets` for its file, on a connection of PyMySQL's; return what the server says of it.

    Raises pymysql.MySQLError; the connection is open after it, and can be used, unless it was lost.
    """
    driver._execute_command(COMMAND.COM_QUERY, statement)
    asked = driver._read_packet()
    if not asked.is_load_local_packet():
        raise pymysql.InternalError(0, "the server asked for no file")
    try:
        for packet in packets:
            driver.write_packet(packet)
    finally:
        if driver.open:  # the end, whatever came before it: the server waits for one
            driver.write_packet(b"")
            said = driver._read_packet()
    return OKPacketWrapper(said)


def _can_send(connection: Connection) -> bool:
    known = connection.info.get(_CAN_SEND)
    if known is None:
        can = bool(_driver(connection).client_flag & CLIENT.LOCAL_FILES)  # unless the database's URL says otherwise
        known = connection.info[_CAN_SEND] = can and _server_takes(connection)
    return bool(known)


def _server_takes(connection: Connection) -> bool:
    try:
        return bool(connection.exec_driver_sql("SELECT @@local_infile").scalar())
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        return False  # no such variable: another maker's


def _filled(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[Sequence[int]], start: int, end: int,
            ) -> bool:
    """Make the table, and fill it; False where that is not to be had, by this connection and from now on."""
    table = ", ".join(f"`{column}` BIGINT UNSIGNED NOT NULL" for column in columns)
    template = "\t".join(["%d"] * len(columns)) + "\n"
    packets = ("".join([template % tuple(row) for row in rows[at:min(at + _PACKET_ROWS, end)]]).encode("ascii")
               for at in range(start, end, _PACKET_ROWS))
    driver = _driver(connection)
    try:
        # An earlier one may be left: a transaction that is rolled back leaves it.
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} ({table}) ENGINE=MEMORY")
        said = send(driver, f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {name}", packets)
        if said.affected_rows == end - start and said.warning_count == 0:
            return True
        reason = f"{said.affected_rows} of {end - start} rows arrived, with {said.warning_count} warnings"
    except (pymysql.MySQLError, exc.DBAPIError) as error:
        original = error.orig if isinstance(error, exc.DBAPIError) else error
        if not driver.open:
            connection.invalidate(original)
            raise exc.DBAPIError(None, None, original or error, connection_invalidated=True) from None
        reason = f"error {original.args[0] if original is not None and original.args else original}"
    logger.debug("rows go to the database as statements, and not as a file: %s", reason)
    connection.info[_CAN_SEND] = False
    return False


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
