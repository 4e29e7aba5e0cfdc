"""A crawl: what fails is tried again and counted once, what is read stands under its period, and memory does not grow."""

from __future__ import annotations

import signal
import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from swiftstats import migrations, periods
from swiftstats.collect import space as crawls
from swiftstats.collect import space_batches as batches
from swiftstats.collect.account_names import OfStore
from swiftstats.collect.space import Crawl, Outcome
from swiftstats.demo.processes import wait_for
from swiftstats.errors import CrawlError, Unread
from swiftstats.store import engine as engines
from swiftstats.store import space
from swiftstats.store.space import Report
from tests.support.crawler import Crawler

PERIOD = 3600
NOW = 1_700_000_000 // PERIOD * PERIOD + 10


class Listed:
    """A method whose accounts are a list; `fails` says how often each cannot be read."""

    method = "databases"
    batch = 3

    def __init__(self, items: Iterable[Any], fails: dict[bytes, int] | None = None, *, lasting: bool = False) -> None:
        self._items, self.fails, self._lasting = items, dict(fails or {}), lasting
        self.clock: float = NOW
        self.asked: list[bytes] = []

    def items(self) -> Iterator[Any]:
        return iter(self._items)

    def read(self, item: bytes) -> Report | None:
        self.asked.append(item)
        if item == b"gone":
            return None
        if self.fails.get(item, 0):
            self.fails[item] -= 1
            raise Unread(item.decode(), "not now", lasting=self._lasting)
        return Report(item, "acc-01/sda", 0, int(self.clock), "active", 1, 2, 3)

    def share(self) -> float | None:
        return 0.5


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(made, ("AUTH_",))
    return made


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before what failed is tried again."""
    monkeypatch.setattr(crawls, "PAUSE_SECONDS", 0.0)


def crawl(engine: Engine, method: Any, **given: Any) -> Outcome:
    return Crawl(engine, method, **{"server": "acc-01", "period_seconds": PERIOD, "clock": lambda: NOW, **given}).run()


def counts(outcome: Outcome) -> tuple[int, int, int, bool]:
    return outcome.seen, outcome.read, outcome.failed, outcome.complete


def read_of(engine: Engine, account: bytes) -> list[tuple[int, int]]:
    with engines.read(engine) as connection:
        return [(each.period, each.bytes) for each in space.readings(connection, account, 0, 2**33)]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_account_is_read(engine: Engine, concurrency: int) -> None:
    """Accounts are read by one thread or by several, those that are gone are no failures, and the run is recorded."""
    names = [b"AUTH_%d" % number for number in range(20)]
    assert counts(crawl(engine, Listed([*names, b"gone"]), concurrency=concurrency)) == (20, 20, 0, True)
    assert all(read_of(engine, name) == [(NOW // PERIOD * PERIOD, 3)] for name in names)
    with engines.read(engine) as connection:
        (run,) = space.runs(connection, 10)
        assert space.complete_through(connection) == NOW // PERIOD * PERIOD + PERIOD
    assert (run.server, run.method, run.seen, run.read, run.failed, run.complete) == ("acc-01", "databases", 20, 20, 0, True)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_so_many_are_read_at_once(engine: Engine, concurrency: int) -> None:
    """As many accounts as `concurrency` says are read at once, and no more."""
    together, under_way, most = threading.Barrier(concurrency, timeout=30), [0], [0]
    lock = threading.Lock()

    class AtOnce(Listed):
        batch = 1

        def read(self, item: bytes) -> Report | None:
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            together.wait()  # for as many others
            with lock:
                under_way[0] -= 1
            return super().read(item)

    method = AtOnce([b"AUTH_%d" % number for number in range(4 * concurrency)])
    assert counts(crawl(engine, method, concurrency=concurrency))[1] == 4 * concurrency and most[0] <= concurrency


def test_what_failed_is_tried_again(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """An account that fails twice is read in the end and counted once; one that always fails is unknown, and named."""
    method = Listed([b"AUTH_a", b"AUTH_b", b"AUTH_c"], {b"AUTH_b": 2, b"AUTH_c": 99})
    assert counts(crawl(engine, method, retries=3)) == (3, 2, 1, True)
    assert (method.asked.count(b"AUTH_b"), method.asked.count(b"AUTH_c")) == (3, 4)
    assert read_of(engine, b"AUTH_b") and not read_of(engine, b"AUTH_c")
    assert "AUTH_c is unknown in this period: not now" in caplog.text and "AUTH_b is unknown" not in caplog.text


def test_what_lasts_is_not_tried_again(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """What would fail again, found while listing or while reading, is asked once, named and counted."""
    method = Listed([Unread("/srv/node/sdb", "not mounted", lasting=True), b"AUTH_b"], {b"AUTH_b": 99}, lasting=True)
    assert counts(crawl(engine, method)) == (2, 0, 2, True)
    assert method.asked == [b"AUTH_b"] and "/srv/node/sdb is unknown" in caplog.text


def test_nothing_is_tried_again_after_the_period(engine: Engine) -> None:
    """What failed in a period that is over belongs to the next crawl."""
    method = Listed([b"AUTH_a"], {b"AUTH_a": 1})
    moments = iter([NOW])
    outcome = crawl(engine, method, clock=lambda: next(moments, NOW + PERIOD))
    assert counts(outcome) == (1, 0, 1, True) and method.asked == [b"AUTH_a"]


def waits_of(engine: Engine, monkeypatch: pytest.MonkeyPatch, method: Listed, **given: Any) -> tuple[Outcome, list[float]]:
    """Crawl with a clock that only pauses move; return how it ended, and the pauses."""
    monkeypatch.setattr(crawls, "PAUSE_SECONDS", 1.0)
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            method.clock += timeout or 0.0
            return self.is_set()

    return crawl(engine, method, clock=lambda: method.clock, stop=Stop(), concurrency=1, **given), waits


@pytest.mark.parametrize(("interval", "lasts"), [(None, PERIOD - 10), (900.0, 900 - 10)])
def test_what_failed_is_tried_until_the_period_is_about_to_end(
        engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, interval: float | None, lasts: int,
) -> None:
    """Pauses double to five minutes and come closer again at the end, whatever is away; nothing is tried when a crawl is due."""
    outcome, waits = waits_of(engine, monkeypatch, Listed([b"AUTH_a", b"AUTH_b"], {b"AUTH_b": 999}), interval=interval)
    assert counts(outcome) == (2, 1, 1, True) and len(waits) < 30
    assert waits[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] and max(waits) <= 300
    part = (interval or PERIOD) / 60
    assert lasts - part - 3 < sum(waits) < lasts - part
    until = periods.format(int(NOW - 10 + (interval or PERIOD) - part))
    assert [record.message for record in caplog.records] == [
        f"1 could not be read, tried again until {until}, such as AUTH_b: not now", "AUTH_b is unknown in this period: not now"]


def test_what_comes_back_within_the_period_is_read_in_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account whose server is away for half an hour has a reading of that hour; meanwhile the run's own row tells of it."""
    rows: list[tuple[Any, ...]] = []

    class Back(Listed):
        def read(self, item: bytes) -> Report | None:
            if item == b"AUTH_b" and self.clock < NOW + 1800:
                with engines.read(engine) as connection:
                    rows.extend((run.read, run.failed, run.complete) for run in space.runs(connection, 9))
                raise Unread("AUTH_b", "away", account=item)
            return super().read(item)

    told: list[tuple[int, int, int, bool]] = []
    outcome, waits = waits_of(engine, monkeypatch, Back([b"AUTH_a", b"AUTH_b"]), ended=lambda so_far: told.append(counts(so_far)))
    assert counts(outcome) == (2, 2, 0, True) and 1800 <= sum(waits) < 2400
    assert read_of(engine, b"AUTH_b") == [(NOW // PERIOD * PERIOD, 3)]
    assert rows[0] == (0, 0, False) and set(rows[1:]) == {(1, 1, True)}
    assert told[0] == (2, 1, 1, True) and told[-1] == (2, 2, 0, True)
    with engines.read(engine) as connection:
        assert [(run.read, run.failed) for run in space.runs(connection, 9)] == [(2, 0)]
        assert space.complete_through(connection) == NOW // PERIOD * PERIOD + PERIOD


def test_a_crawl_that_cannot_go_on_while_it_tries_again_counts_right(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that are refused when accounts are tried again leave the run's figures what they were."""
    class Refused(Listed):
        def read(self, item: bytes) -> Report | None:
            if len(self.asked) == 4:
                raise CrawlError("the token is refused")
            return super().read(item)

    with pytest.raises(CrawlError):
        waits_of(engine, monkeypatch, Refused([b"AUTH_a", b"AUTH_b", b"AUTH_c", b"AUTH_d"], {b"AUTH_b": 1, b"AUTH_c": 1}))
    with engines.read(engine) as connection:
        assert [(run.seen, run.read, run.failed, run.complete) for run in space.runs(connection, 9)] == [(4, 2, 2, True)]


def test_what_there_is_no_time_to_try_again_stays_failed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long answers are in coming, nothing is asked again in the next period; what was not asked again stays failed."""
    class Slow(Listed):
        def read(self, item: bytes) -> Report | None:
            self.clock += 600
            return super().read(item)

    names = [b"AUTH_%d" % number for number in range(5)]
    method = Slow(names, dict.fromkeys(names, 1))
    outcome, _ = waits_of(engine, monkeypatch, method)
    assert counts(outcome) == (5, 3, 2, True) and method.asked[5:] == names[:3]


@pytest.mark.parametrize("lasting", [False, True])
def test_an_account_that_was_never_read_holds_its_period_back(engine: Engine, lasting: bool) -> None:
    """An account that nobody knew before, and that cannot be read, is waited for; so is one that nobody tries again."""
    class Unnamed(Listed):
        def read(self, item: bytes) -> Report | None:
            if item == b"AUTH_new":
                raise Unread("AUTH_new", "no", lasting=lasting, account=item)
            return super().read(item)

    assert counts(crawl(engine, Unnamed([b"AUTH_a", b"AUTH_new"]), retries=0)) == (2, 1, 1, True)
    with engines.read(engine) as connection:
        assert space.complete_through(connection) is None
        (coverage,) = space.coverage(connection, 9)
    assert (coverage.known, coverage.read, coverage.complete) == (2, 1, False)


def test_many_failures_are_counted_and_the_first_named(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The log of a cluster that is down stays short."""
    names = [b"AUTH_%d" % number for number in range(300)]
    assert counts(crawl(engine, Listed(names, dict.fromkeys(names, 99)), retries=0)) == (300, 0, 300, True)
    assert len(caplog.records) == crawls.NAMED + 1 and "200 more accounts are unknown" in caplog.text


def test_a_reading_stands_under_the_period_in_which_it_was_read(engine: Engine) -> None:
    """A crawl that goes on over the hour files each account under its own."""
    method = Listed([b"AUTH_%d" % number for number in range(6)])
    of_item = method.read

    def read(item: bytes) -> Report | None:
        method.clock = NOW + PERIOD if item > b"AUTH_2" else NOW
        return of_item(item)

    method.read = read  # type: ignore[method-assign]
    crawl(engine, method, concurrency=1)
    assert [read_of(engine, b"AUTH_%d" % number)[0][0] // PERIOD - NOW // PERIOD for number in range(6)] == [0, 0, 0, 1, 1, 1]


def test_a_crawl_that_cannot_go_on_is_recorded(engine: Engine) -> None:
    """What was read before credentials were refused stands, and the run is not complete."""
    def items() -> Iterator[bytes]:
        yield from (b"AUTH_a", b"AUTH_b", b"AUTH_c")
        raise CrawlError("the token is refused")

    with pytest.raises(CrawlError):
        crawl(engine, Listed(items()), concurrency=1)
    assert read_of(engine, b"AUTH_a")
    with engines.read(engine) as connection:
        (run,) = space.runs(connection, 10)
    assert run.ended_at is not None and not run.complete


def test_a_signal_ends_a_crawl_half_way(engine: Engine) -> None:
    """A crawl that is told to stop writes what it read, and is not complete."""
    stop = threading.Event()

    def items() -> Iterator[bytes]:
        for number in range(100):
            if number == 10:
                stop.set()
            yield b"AUTH_%d" % number

    outcome = crawl(engine, Listed(items()), stop=stop, concurrency=1)
    assert outcome.read == 12 and not outcome.complete and read_of(engine, b"AUTH_11")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_what_failed(engine: Engine, tmp_path: Path, number: int) -> None:
    """Ctrl-C, or a service that is stopped, ends `--once` while it waits to try again; what failed is named, and the run told."""
    wait_for(lambda: time.time() % PERIOD < PERIOD - 120, seconds=150, what="a period that lasts for a minute more")
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("token")
    (tmp_path / "accounts").write_text("AUTH_a\n")
    process = Crawler(tmp_path / "c.conf", database=f"sqlite:///{tmp_path}/usage.db", server="s", options={
        "method": "proxy", "proxy_url": "http://127.0.0.1:1", "token_file": f"{tmp_path}/token", "accounts_from": "file",
        "accounts_file": f"{tmp_path}/accounts"}).start()
    try:
        line = process.stderr.readline()  # type: ignore[union-attr]
        assert "1 could not be read, tried again until" in line and "AUTH_a: the proxy does not answer" in line
        process.send_signal(number)
        printed, logged = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1 and "1 seen, 0 read, 1 failed" in printed and "AUTH_a is unknown in this period" in logged
    with engines.read(engine) as connection:
        assert [(run.failed, run.complete) for run in space.runs(connection, 9)] == [(1, True)]


def test_memory_does_not_grow_with_the_accounts(engine: Engine) -> None:
    """Ten thousand accounts, a tenth of them failing, take no more memory than two thousand."""
    def peak(count: int) -> int:
        class Counted(Listed):
            def read(self, item: bytes) -> Report | None:
                if item.endswith(b"7"):
                    raise Unread(item.decode(), "no", lasting=True)
                return Report(item, "acc-01/sda", 0, NOW, "active", 1, 2, 3)

        crawl(engine, Counted(b"AUTH_%d" % number for number in range(100)))
        tracemalloc.start()
        try:
            crawl(engine, Counted(b"AUTH_%d" % number for number in range(count)))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(2_000), peak(10_000)
    assert many < 1.5 * few, (few, many)


def listing(number: int) -> Report:
    """Return the report of an account with a thousand containers."""
    rows = tuple((b"container-%06d" % each, 1, 2) for each in range(1000))
    return Report(b"AUTH_%d" % number, "proxy", 0, NOW, "active", 1000, 1000, 2000, containers_by_name=rows)


def test_containers_are_written_by_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction writes a bounded number of rows, of which a container is one; so memory is bounded with containers too."""
    rows: list[int] = []
    add = space.add_reports

    def counted(connection: Any, *, reports: list[Report], **given: Any) -> None:
        rows.append(sum(1 + len(report.containers_by_name or ()) for report in reports))
        add(connection, reports=reports, **given)

    class Listing(Listed):
        def read(self, item: int) -> Report:  # type: ignore[override]
            return listing(item)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            crawl(engine, Listing(range(count)), concurrency=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(3)
    few = peak(12)
    monkeypatch.setattr(space, "add_reports", counted)
    many = peak(36)
    assert sum(rows) == 36 * 1001 and max(rows) <= batches.ROWS + 1001
    assert many < 1.3 * few, (few, many)


def test_the_store_s_accounts_are_asked_page_by_page(engine: Engine) -> None:
    """Every account that the store knows and that has one of the prefixes is asked, whatever the size of a page."""
    names = sorted([b"AUTH_%d" % number for number in range(7)] + ["SERVICE_ü\n".encode(), b"other"])
    with engines.write(engine) as connection:
        space.add_reports(connection, period=0, now=0, reports=[Report(name, "proxy", 0, 0, "active", 1, 2, 3) for name in names])
    for page in (1, 3, 9, 100):
        assert list(OfStore(engine, ("AUTH_", "SERVICE_"), page)) == [name for name in names if name != b"other"]
    assert list(OfStore(engine, ("",))) == names


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_the_share_of_the_store_s_accounts_is_known(engine: Engine, page: int) -> None:
    """Which share of the accounts to be asked has been is known, from none to all; those of other prefixes count for nothing."""
    names = sorted([b"AUTH_%d" % number for number in range(7)] + [b"SERVICE_a", b"other", b"(unknown)"])
    with engines.write(engine) as connection:
        space.add_reports(connection, period=0, now=0, reports=[Report(name, "proxy", 0, 0, "active", 1, 2, 3) for name in names])
    asked = OfStore(engine, ("AUTH_", "SERVICE_", "AUTH_1"), page)
    assert asked.share() is None
    for _ in range(2):
        assert [(name, asked.share()) for name in asked] == [
            (name, (number + 1) / 8) for number, name in enumerate(name for name in names if name.startswith((b"AUTH", b"SERV")))]
    assert [OfStore(engine, ("none",)).share(), list(OfStore(engine, ("none",)))] == [None, []]
    every = OfStore(engine, ("",))
    assert [every.share() for _ in every][-1] == 1
