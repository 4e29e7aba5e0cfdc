"""The demo's own memcache server answers what Swift's client relies on."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Iterator

import pytest

from swiftstats.demo.memcache import ITEMS_MAX, Cache
from swiftstats.demo.processes import Process, free_port, listening


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The cache's clock."""
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    """An empty cache."""
    return Cache(clock)


def value(cache: Cache, key: bytes) -> bytes | None:
    item = cache.get(key)
    return None if item is None else item.value


def test_expiry(cache: Cache, clock: Clock) -> None:
    """An item is gone when its seconds have passed, or its moment; without an expiry it stays."""
    cache.set(b"seconds", b"0", 10, b"1")
    cache.set(b"moment", b"0", int(clock.now) + 3000, b"2")
    cache.set(b"ever", b"0", 0, b"3")
    clock.now += 9
    assert value(cache, b"seconds") == b"1"
    clock.now += 1
    assert value(cache, b"seconds") is None and value(cache, b"moment") == b"2"
    clock.now += 3000
    assert value(cache, b"moment") is None and value(cache, b"ever") == b"3"


def test_touch_moves_the_expiry(cache: Cache, clock: Clock) -> None:
    """touch gives an item a new expiry, and says where there is none."""
    cache.set(b"k", b"0", 10, b"1")
    assert cache.touch(b"k", 100) == b"TOUCHED" and cache.touch(b"none", 1) == b"NOT_FOUND"
    clock.now += 50
    assert value(cache, b"k") == b"1"


def test_add_only_where_there_is_nothing(cache: Cache, clock: Clock) -> None:
    """add stores where there is no item, or an expired one."""
    assert cache.add(b"k", b"0", 10, b"1") == b"STORED"
    assert cache.add(b"k", b"0", 10, b"2") == b"NOT_STORED"
    clock.now += 10
    assert cache.add(b"k", b"0", 10, b"3") == b"STORED"


def test_numbers(cache: Cache) -> None:
    """incr and decr change a number, never below 0, and refuse what is none."""
    cache.set(b"k", b"0", 0, b"5")
    assert cache.change(b"k", 3) == b"8" and cache.change(b"k", -10) == b"0"
    assert cache.change(b"none", 1) == b"NOT_FOUND"
    cache.set(b"k", b"0", 0, b"text")
    assert cache.change(b"k", 1).startswith(b"CLIENT_ERROR")


def test_memory_is_bounded(cache: Cache) -> None:
    """Beyond its number of items the oldest go."""
    for number in range(ITEMS_MAX + 10):
        cache.set(b"%d" % number, b"0", 0, b"")
    assert value(cache, b"9") is None and value(cache, b"10") == b""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a server that runs."""
    found = free_port()
    server = Process("memcache", [sys.executable, "-m", "swiftstats.demo.memcache", str(found)], tmp_path / "log")
    server.start()
    try:
        server.wait_ready(lambda: listening(found))
        yield found
    finally:
        server.stop()


def test_over_the_wire(port: int) -> None:
    """The protocol's commands and answers, several in one packet and a value in two, as Swift's client sends them."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        replies = connection.makefile("rb")
        connection.sendall(b"set a 2 60 5\r\nhel")
        connection.sendall(b"lo\r\nget a none\r\nincr n 1\r\nadd n 0 60 1\r\n1\r\nincr n 4\r\ndecr n 2\r\n")
        connection.sendall(b"delete a\r\nget a\r\nwhat\r\n")
        connection.sendall(b"set b 0 0 1 noreply\r\nx\r\ntouch b 5\r\nversion\r\n")
        expected = [
            b"STORED", b"VALUE a 2 5", b"hello", b"END", b"NOT_FOUND", b"STORED", b"5", b"3", b"DELETED", b"END", b"ERROR",
            b"TOUCHED", b"VERSION swiftstats-demo",
        ]
        assert [replies.readline().strip() for _ in expected] == expected
