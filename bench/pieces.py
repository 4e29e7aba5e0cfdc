"""Where the filter's time goes: each step of a small GET and of a PUT on its own, in nanoseconds, the least of many rounds.

    python -m bench.pieces

The steps overlap (a count holds the journal's, the journal's holds the row's), and what stands between them is in none.
"""

from __future__ import annotations

import sys
import tempfile
import time
import timeit
from typing import Any, Callable

from bench.filter import ENVIRON, HEADERS, NoJournal, small, started
from swiftstats.collect.answer import passing
from swiftstats.collect.body import RequestBody, put_read
from swiftstats.collect.exchange import Exchange
from swiftstats.collect.meter import PASSED_OUT, Meter
from swiftstats.fields import CELL_INDEX

TIMES = 20_000
ROUNDS = 50

GET = {**ENVIRON, "REQUEST_METHOD": "GET", "wsgi.input": None}
#: What a GET of ten bytes adds.
ADDS = (CELL_INDEX["get_count"], 1, PASSED_OUT, 10)


def least(step: Callable[[], Any]) -> float:
    """Return the nanoseconds of the process's time that a step takes."""
    return min(timeit.repeat(step, timer=time.process_time, repeat=ROUNDS, number=TIMES)) / TIMES * 1e9


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        real = Meter(spool=folder + "/spool", server="bench")
        nowhere = Meter(spool="unused", counters=NoJournal())

        def begun() -> Exchange:
            exchange = Exchange()
            exchange.begin(nowhere, GET, started, "GET")
            return exchange

        def wrapped() -> None:
            exchange.input = None
            put_read(RequestBody(), exchange.read)

        exchange = begun()
        segment, row = real.add("AUTH_bench", ADDS, True)
        counters: Any = real.counters

        def count() -> None:
            exchange.counted, exchange.waiting_out, exchange.due, exchange.room_out = False, 10, 10, 0
            exchange.handed_out()

        def iterate() -> None:
            done = begun()
            done.counted = True
            chunks = passing(small(GET, started), done)  # type: ignore[arg-type]
            next(chunks)
            for _chunk in chunks:
                pass

        exchange.start_response("200 OK", HEADERS)
        steps: dict[str, Callable[[], Any]] = {
            "a call of a function that does nothing": lambda: None,
            "an exchange": begun,
            "its start_response, with twenty headers": lambda: exchange.start_response("200 OK", HEADERS),
            "its body, iterated (exchange and application included)": iterate,
            "the request body's wrapper": wrapped,
            "the count of a GET, without a journal": count,
            "the journal's addition": lambda: real.add("AUTH_bench", ADDS, True),
            "of that: its lock": lambda: (counters._lock.acquire(), counters._lock.release()),
            "of that: its clock": counters._clock,
            "of that: seal looked at, two cells of the row": lambda: segment.count(row, ADDS),
        }
        for name, step in steps.items():
            print(f"{least(step):8.0f} ns  {name}", flush=True)
        real.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
