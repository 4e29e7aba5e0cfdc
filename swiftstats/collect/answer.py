"""The answer's body as the server hands it out: the application's iterable, with the bytes counted that pass.

A class, not a generator: an iterable that nobody starts never runs its generator's `finally`, and its request was made all the
same. It refers to the exchange and the application's iterable, and neither refers to it: dropped without a close, it goes at
once, as the application's own would.
"""

from __future__ import annotations

from types import GeneratorType
from typing import Any, Iterator

from swiftstats.collect.exchange import Exchange


def counted(answer: Any, exchange: Exchange) -> Any:
    """Return what the server gets for the application's `answer`: the same bytes, in the same chunks."""
    if type(answer) is GeneratorType:
        if exchange.due <= 0:
            exchange.begin_empty()
        chunks = passing(answer, exchange)
        next(chunks)
        return chunks
    if isinstance(answer, (list, tuple)):
        # Handed over whole, and as it is: a server takes the Content-Length from it, and may run through it twice.
        exchange.hand_over(answer)
        return answer
    if exchange.due <= 0:
        exchange.begin_empty()
    return SizedAnswer(answer, exchange) if hasattr(answer, "__len__") else Answer(answer, exchange)


def passing(answer: GeneratorType[bytes, Any, Any], exchange: Exchange) -> Iterator[bytes]:
    """Yield the chunks of a generator, which is what Swift answers with; begun by the caller, so that it knows of its end.

    PERF: bench/filter.py; a body of many chunks spends all its time of ours here, and a generator's is half a method's.
    """
    try:
        yield b""  # to the caller, who began it
        for chunk in answer:
            try:
                exchange.waiting_out = waiting = exchange.waiting_out + len(chunk)
                if waiting >= exchange.room_out:
                    exchange.handed_out()
            except TypeError:  # no bytes: the server's complaint, not ours
                pass
            yield chunk
        if not exchange.counted:
            exchange.end()
    except GeneratorExit as error:
        if answer.gi_frame is None:  # it is the application's own
            exchange.fail(error)
            raise
        exchange.leave()  # closed or dropped before the end
        answer.close()
    except BaseException as error:
        exchange.fail(error)
        raise
    finally:
        if exchange.waiting_in or exchange.waiting_out or exchange.broken is not None:
            exchange.release()
        else:  # PERF: bench/filter.py; all that is left to do; the rest goes with the exchange
            exchange.environ = None


class Answer:
    """Any other iterable of one exchange, in the exchange's thread."""

    __slots__ = ("_answer", "_next", "_exchange", "_is_over")

    def __init__(self, answer: Any, exchange: Exchange) -> None:
        self._answer = answer
        self._exchange = exchange
        self._next = getattr(answer, "__next__", None)
        self._is_over = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            self._next = iter(self._answer).__next__
        except BaseException as error:
            self._exchange.fail(error)
            raise
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = self._next()  # type: ignore[misc]
        except StopIteration:
            self._exchange.end()
            raise
        except BaseException as error:
            self._exchange.fail(error)
            raise
        exchange = self._exchange
        try:
            exchange.waiting_out = waiting = exchange.waiting_out + len(chunk)
            if waiting >= exchange.room_out:
                exchange.handed_out()
        except TypeError:  # no bytes: the server's complaint, not ours
            pass
        return chunk

    def close(self) -> None:
        """Close the application's answer."""
        self._is_over = True
        self._exchange.leave()
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._exchange.release()

    def __del__(self) -> None:
        # A server that neither finishes nor closes what it was given; nobody else would count the request.
        if not self._is_over:
            try:
                self._exchange.leave()
                self._exchange.release()
            except Exception:  # the interpreter may be going down
                pass


class SizedAnswer(Answer):
    """The iterable of an answer that tells its length, such as catch_errors' ByteEnforcer."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._answer)
