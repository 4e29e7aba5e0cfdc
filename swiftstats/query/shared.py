"""Read what goes by name by several readers at once, a batch at a time, and hand it on in its order all the same."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Callable, Generator, Optional, Sequence, TypeVar

Reader = TypeVar("Reader")
Batch = TypeVar("Batch")


def batches(readers: Sequence[Reader], cut: Callable[[Reader, bytes], Optional[bytes]],
            read: Callable[[Reader, bytes, Optional[bytes]], Batch]) -> Generator[Batch, None, None]:
    """Yield one batch after the other, while a thread for each reader (a database connection) goes on with the next ones.

    cut: the last name of the batch that follows a name; None: it has no end. read: the batch that follows a name, up to that.
    At most one batch more than there are readers is begun before it is asked for. The readers are the threads' until this has
    ended, or was closed: then all is read that was begun, and nothing more. What a thread raises is raised here, in its batch's
    place.
    """
    free: SimpleQueue[Reader] = SimpleQueue()
    for reader in readers:
        free.put(reader)

    def take(begin: Future[Optional[bytes]], end: Future[Optional[bytes]]) -> Optional[Batch]:
        reader = free.get()  # there is one for each thread
        try:
            try:
                after = begin.result()  # whoever tells began before this did
                last = None if after is None else cut(reader, after)
            except BaseException as error:
                end.set_exception(error)
                raise
            end.set_result(last)
            return None if after is None else read(reader, after, last)
        finally:
            free.put(reader)

    edge: Future[Optional[bytes]] = Future()
    edge.set_result(b"")
    coming: deque[Future[Optional[Batch]]] = deque()
    threads = ThreadPoolExecutor(len(readers), "swiftstats-read")
    try:
        while True:
            while len(coming) <= len(readers):
                begin, edge = edge, Future()
                coming.append(threads.submit(take, begin, edge))
            batch = coming.popleft().result()
            if batch is None:
                return
            yield batch
    finally:
        threads.shutdown(cancel_futures=True)
