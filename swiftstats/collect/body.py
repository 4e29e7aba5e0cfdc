"""The request's body as the application reads it: the server's `wsgi.input`, with the bytes counted that pass.

Everything else of the server's object shows through, since applications use it: eventlet's 100-continue methods, `get_socket`,
`discard`. What is read twice after a `seek` counts twice; a client's body has no seek.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, List

from swiftstats.collect.exchange import Exchange

#: Ways to read that some servers' objects have beyond PEP 3333's, and that return bytes, or how many they put into a buffer.
_OTHER_READS = ("read1", "readinto", "readinto1")


#: A size that the reader did not give; what it then is, is the server's affair.
UNSAID: Any = object()


class RequestBody:
    """`wsgi.input` of one exchange, in the exchange's thread."""

    __slots__ = ("_input", "_exchange")

    def __init__(self, server_input: Any, exchange: Exchange) -> None:
        exchange.reader = server_input.read
        put_input(self, server_input)
        put_exchange(self, exchange)

    def read(self, size: Any = UNSAID, **named: Any) -> bytes:
        # PERF: bench/filter.py; a body of many chunks spends all its time of ours here.
        exchange = self._exchange
        try:
            if named or size is UNSAID:
                data: bytes = exchange.reader(**named) if size is UNSAID else exchange.reader(size, **named)
            else:
                data = exchange.reader(size)
        except BaseException as error:
            exchange.broken = error
            raise
        try:
            exchange.waiting_in = waiting = exchange.waiting_in + len(data)
            if waiting >= exchange.room_in:
                exchange.taken_in()
        except TypeError:  # None, where nothing can be read yet
            pass
        return data

    def readline(self, *size: Any, **named: Any) -> bytes:
        line: bytes = self._reading(self._input.readline, *size, **named)
        return line

    def readlines(self, *hint: Any, **named: Any) -> List[bytes]:
        lines: List[bytes] = self._reading(self._input.readlines, *hint, **named)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._input)
        while True:
            try:
                yield self._reading(next, pieces)
            except StopIteration:
                return

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._input, name)
        if name in _OTHER_READS:
            return lambda *arguments, **named: self._reading(attribute, *arguments, **named)
        return attribute

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._input, name, value)

    def _reading(self, read: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        exchange = self._exchange
        try:
            data = read(*arguments, **named)
        except StopIteration:
            raise
        except BaseException as error:
            exchange.broken = error
            raise
        exchange.taken(data)
        return data


#: A plain assignment goes to the server's object; these fill our own slots.
put_input: Callable[[RequestBody, Any], None] = RequestBody.__dict__["_input"].__set__
put_exchange: Callable[[RequestBody, Exchange], None] = RequestBody.__dict__["_exchange"].__set__
