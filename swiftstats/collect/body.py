"""The request's body as the application reads it: the server's `wsgi.input`, with the bytes counted that pass.

Everything else of the server's object shows through, since applications use it: eventlet's 100-continue methods, `get_socket`,
`discard`. What is read twice after a `seek` counts twice; a client's body has no seek.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, List

from swiftstats.collect.exchange import Exchange

#: Ways to read that some servers' objects have beyond PEP 3333's, and that return bytes, or how many they put into a buffer.
_OTHER_READS = ("read1", "readinto", "readinto1")


class RequestBody:
    """`wsgi.input` of one exchange, in the exchange's thread.

    PERF: bench/filter.py; `read` is a method of the exchange, found once: where another's attributes show through, even one's own
    are found slowly.
    """

    __slots__ = ("read",)

    read: Callable[..., bytes]

    @property
    def _exchange(self) -> Exchange:
        exchange: Exchange = self.read.__self__  # type: ignore[attr-defined]
        return exchange

    @property
    def _input(self) -> Any:
        return self._exchange.input

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


#: A plain assignment goes to the server's object; this fills our own slot, with an exchange's `read`.
put_read: Callable[[RequestBody, Callable[..., bytes]], None] = RequestBody.__dict__["read"].__set__
