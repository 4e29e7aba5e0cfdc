"""How fast the space of accounts is read through a proxy, next to what the proxy can serve, and to Ceilometer's pattern.

    python -m bench.heads [--accounts N] [--rounds N] [--dir DIRECTORY] [--json FILE]

A real Swift with two proxy workers, and accounts that were used. `bare` is eight threads that send HEADs over connections that
they keep, and only look at the status: what the proxy serves. `crawl` is what `swiftstats space --once` does with `method =
proxy` and its defaults, eight threads too: reports and readings are written into an SQLite file. `one by one` is the pattern of
Ceilometer's poller: python-swiftclient's head_account, each when the last is answered. Accounts a second on the wall; clients
and servers share the machine.
"""

from __future__ import annotations

import http.client
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Callable, Iterator, Sequence

from sqlalchemy import Engine

from bench.rounds import Case, Target, interleaved, parser, report, say
from swiftstats import migrations
from swiftstats.collect.account_proxy import AccountProxy
from swiftstats.collect.credentials import Tokens, from_swift
from swiftstats.collect.space import Crawl
from swiftstats.demo.swift import Swift
from swiftstats.errors import Unread
from swiftstats.store import engine as engines

THREADS = 8  #: of a crawl, by default


def main() -> int:
    options = parser(__doc__, rounds=5)
    options.add_argument("--accounts", type=int, default=200)
    options.add_argument("--dir", type=Path, help="where Swift is, with extended attributes (default: a temporary directory)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-", dir=arguments.dir) as name:
        folder = Path(name)
        with Swift(folder / "swift", progress=say) as swift:
            engine = engines.create(f"sqlite:///{folder}/usage.db")
            migrations.upgrade(engine, ("AUTH_",))
            case = measure(swift, engine, arguments.accounts, arguments.rounds)
            engine.dispose()
    return report("heads", [case], arguments.json, accounts=arguments.accounts)


def measure(swift: Swift, engine: Engine, accounts: int, rounds: int) -> Case:
    admin = swift.user("admin")
    token = from_swift(swift.auth_url, admin.login, admin.key, timeout=60)
    names = [f"AUTH_bench{number}".encode() for number in range(accounts)]
    say(f"making {accounts} accounts")
    asked(swift, token, "PUT", [name + b"/container" for name in names], 201)
    ways: dict[str, Callable[[], None]] = {
        "bare": lambda: asked(swift, token, "HEAD", names, 204), "crawl": lambda: crawl(swift, engine, token, names),
        "one by one": lambda: one_by_one(swift, token, names)}
    found = interleaved({way: partial(rate, accounts, work) for way, work in ways.items()}, rounds)
    case = Case(f"HEAD of {accounts:,} accounts through a proxy", "accounts/s", "bare", found)
    return Case(case.name, case.unit, case.base, found, (
        Target("crawl to bare", case.ratio("crawl"), 0.9, most=False),
        Target("crawl to one by one", case.ratio("crawl", "one by one"), 1, most=False)))


def asked(swift: Swift, token: str, method: str, paths: Sequence[bytes], status: int) -> None:
    """Send a request for each path, by threads with a connection each."""
    def some(mine: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", swift.port, timeout=60)
        for path in mine:
            connection.request(method, "/v1/" + path.decode(), headers={"X-Auth-Token": token})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status, f"{method} {path!r}: {answer.status}"
        connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(some, [paths[number::THREADS] for number in range(THREADS)]))


class Names:
    """Accounts that are all known before."""

    def __init__(self, names: Sequence[bytes]) -> None:
        self._names = names

    def __iter__(self) -> Iterator[bytes | Unread]:
        return iter(self._names)

    def share(self) -> float | None:
        return None


def crawl(swift: Swift, engine: Engine, token: str, names: Sequence[bytes]) -> None:
    method = AccountProxy(url=swift.url, names=Names(names), tokens=Tokens(lambda: token))
    outcome = Crawl(engine, method, server="bench", period_seconds=3600, concurrency=THREADS).run()
    assert outcome.complete and outcome.read == len(names), outcome


def one_by_one(swift: Swift, token: str, names: Sequence[bytes]) -> None:
    from swiftclient import client

    for name in names:
        client.head_account(f"{swift.url}/v1/{name.decode()}", token)


def rate(accounts: int, work: Callable[[], None]) -> float:
    """Return how many accounts a second go."""
    began = time.perf_counter()
    work()
    return accounts / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
