"""What the store has of an account, asked for by its name; the product has its id by then."""

from __future__ import annotations

from typing import Iterator

from sqlalchemy import Connection

from swiftstats.store import upsert, usage


def total(connection: Connection, account: bytes, begin: int, end: int) -> tuple[int, ...]:
    return usage.total(connection, _id(connection, account), begin, end)


def hours(connection: Connection, account: bytes, begin: int, end: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    return usage.hours(connection, _id(connection, account), begin, end)


def _id(connection: Connection, account: bytes) -> int | None:
    return upsert.account_ids(connection, [account]).get(account)
