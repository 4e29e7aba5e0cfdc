"""A small memcached: what Swift's client asks for, with expiry, for machines where the real one is not installed.

The text protocol of memcached's doc/protocol.txt: get, set, add, incr, decr, delete, touch, flush_all, version, quit. Everything
is kept in one process's memory, up to ITEMS_MAX keys (then the oldest go), and lost when it ends. Run it as
`python -m swiftstats.demo.memcache PORT`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Callable, NamedTuple

ITEMS_MAX = 100_000
#: memcached's own bound on a value; a longer one is refused.
VALUE_MAX = 2**20
#: An expiry beyond this many seconds is a moment, not a duration (doc/protocol.txt).
_RELATIVE_MAX = 60 * 60 * 24 * 30


class Item(NamedTuple):
    flags: bytes
    value: bytes
    expires: float | None  # by the clock; None: never


class Cache:
    """The items; each method answers one command with the line to send."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._items: dict[bytes, Item] = {}

    def get(self, key: bytes) -> Item | None:
        item = self._items.get(key)
        if item is not None and item.expires is not None and item.expires <= self._clock():
            del self._items[key]
            return None
        return item

    def set(self, key: bytes, flags: bytes, expiry: int, value: bytes) -> bytes:
        # Moved to the end, so that the first key is always the one that was written longest ago.
        self._items.pop(key, None)
        if len(self._items) >= ITEMS_MAX:
            del self._items[next(iter(self._items))]
        self._items[key] = Item(flags, value, self._moment(expiry))
        return b"STORED"

    def add(self, key: bytes, flags: bytes, expiry: int, value: bytes) -> bytes:
        return b"NOT_STORED" if self.get(key) else self.set(key, flags, expiry, value)

    def delete(self, key: bytes) -> bytes:
        return b"DELETED" if self.get(key) and self._items.pop(key) else b"NOT_FOUND"

    def touch(self, key: bytes, expiry: int) -> bytes:
        item = self.get(key)
        if item is None:
            return b"NOT_FOUND"
        self._items[key] = item._replace(expires=self._moment(expiry))
        return b"TOUCHED"

    def change(self, key: bytes, delta: int) -> bytes:
        """Add `delta` to a number, not below 0 and modulo 2^64, keeping its expiry."""
        item = self.get(key)
        if item is None:
            return b"NOT_FOUND"
        if not item.value.strip().isdigit():
            return b"CLIENT_ERROR cannot increment or decrement non-numeric value"
        number = b"%d" % (max(int(item.value) + delta, 0) % 2**64)
        self._items[key] = item._replace(value=number)
        return number

    def clear(self) -> bytes:
        self._items.clear()
        return b"OK"

    def _moment(self, expiry: int) -> float | None:
        if expiry == 0:
            return None
        # A negative expiry is one that has passed already.
        return float(expiry) if expiry > _RELATIVE_MAX else self._clock() + expiry


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cache: Cache) -> None:
    """Answer one connection until it ends."""
    try:
        while line := await reader.readline():
            words = line.split()
            if words == [b"quit"]:
                break
            reply = await _answer(words, reader, cache)
            if words[-1:] != [b"noreply"]:
                writer.write(reply)
                await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, ValueError):
        pass  # the client went away, or sent a line that no client sends
    finally:
        writer.close()


async def _answer(words: list[bytes], reader: asyncio.StreamReader, cache: Cache) -> bytes:
    command = words[0].lower() if words else b""
    try:
        if command in (b"set", b"add"):
            key, flags, expiry, size = words[1], words[2], int(words[3]), int(words[4])
            value = (await reader.readexactly(size + 2))[:-2]
            if size > VALUE_MAX:
                return b"SERVER_ERROR object too large for cache\r\n"
            return (cache.set if command == b"set" else cache.add)(key, flags, expiry, value) + b"\r\n"
        if command in (b"get", b"gets"):
            found = [(key, item) for key in words[1:] if (item := cache.get(key)) is not None]
            lines = [b"VALUE %s %s %d\r\n%s\r\n" % (key, item.flags, len(item.value), item.value) for key, item in found]
            return b"".join(lines) + b"END\r\n"
        if command in (b"incr", b"decr"):
            return cache.change(words[1], int(words[2]) * (1 if command == b"incr" else -1)) + b"\r\n"
        if command == b"delete":
            return cache.delete(words[1]) + b"\r\n"
        if command == b"touch":
            return cache.touch(words[1], int(words[2])) + b"\r\n"
        if command == b"flush_all":
            return cache.clear() + b"\r\n"
        if command == b"version":
            return b"VERSION swiftstats-demo\r\n"
    except (IndexError, ValueError):
        return b"CLIENT_ERROR bad command line format\r\n"
    return b"ERROR\r\n"


async def _run(port: int) -> None:
    cache = Cache()
    server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, cache), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(_run(int(sys.argv[1])))
    except KeyboardInterrupt:
        pass
