"""A real site to be broken: two proxy hosts under load, a MariaDB behind a wire that can be cut, and what must hold in the end.

Host `plain` is the demo's own. Host `apart` lives on a machine of its own (machine.py): a spool on a small tmpfs, a boot id that
can change, clocks that can be moved, and no privileges that would let it pass permissions.

`run` injects one fault under load. Once it is over, clients' accounts of that time must come out as their ledger has them, in the
store and in the service's answer, field by field; how long that took is the recovery. `finish` asks for all of it once more.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

from swiftstats import fields, periods
from swiftstats.demo.processes import DemoError, Process, free_port, wait_for
from swiftstats.demo.site import Site
from swiftstats.store import engine as engines
from swiftstats.store import usage
from tests.faults import host as hosts
from tests.faults.host import Host
from tests.faults.machine import Clock, Machine
from tests.faults.table import Fault
from tests.faults.wire import Wire
from tests.support.caller import token_of
from tests.support.cluster import Asker, running_site
from tests.support.load import Load, Seen
from tests.support.mariadb import MariaDB

PERIOD = 5
DAY = 86400
#: Tokens outlive a clock that is a day ahead.
TOKEN_LIFE = 20 * DAY
#: Answers lie in this range, whatever was done to clocks (s before the start, s after now).
BEFORE, AFTER = DAY, 2 * DAY


class Harness:
    """The site, and the ledger of everything that was done to it. Use `running`."""

    def __init__(self, folder: Path, site: Site, mariadb: MariaDB, wire: Wire, plain: Host, apart: Host, seed: int) -> None:
        self.folder, self.site, self.mariadb, self.wire = folder, site, mariadb, wire
        self.plain, self.apart, self.seed = plain, apart, seed
        self.begin = periods.floor(time.time() - BEFORE, 3600)
        self.engine = engines.create(mariadb_url(mariadb))
        #: Accounts that a fault may have cost something, and what had been shipped before.
        self.shipped: dict[str, dict[str, int]] = {}
        #: fault: seconds from its end to the right answer
        self.recoveries: dict[str, list[float]] = {}

    @property
    def hosts(self) -> tuple[Host, Host]:
        return self.plain, self.apart

    def work(self, requests: int = 15) -> None:
        """Let clients of every host finish so many requests more."""
        for one in self.hosts:
            one.load.work(requests)

    def pass_periods(self, number: float) -> None:
        """Let so many periods pass."""
        hosts.until(time.time() + number * PERIOD)

    def run(self, fault: Fault, chance: random.Random) -> float:
        """Inject a fault; return the seconds from its end until every answer is right. Raises AssertionError."""
        turns = {one.name: one.load.turn() for one in self.hosts}
        for one in self.hosts:
            one.load.settle()
        self.work()
        began = int(time.time())
        if fault.loses:
            for one in self.hosts:
                one.flush()
            self._remember_shipped(turns)
        fault.inject(self, chance)
        lifted = time.monotonic()
        self.check_processes()
        self.work()
        for one in self.hosts:
            one.load.turn()
        for one in self.hosts:
            one.load.settle()
        accounts = {account: seen for one in self.hosts for account, seen in one.load.of(turns[one.name]).items()}
        if fault.served:
            disturbed = [f"{account}: {dict(seen.unfinished)}" for account, seen in accounts.items() if seen.cut]
            assert not disturbed, f"{fault.name}: requests were not served:\n" + "\n".join(disturbed)
        found: list[str] = []
        deadline = time.monotonic() + fault.recovery_seconds
        while found := self.differences(accounts):
            if time.monotonic() > deadline:
                logs = "\n".join(one.flusher.tail() for one in self.hosts)
                raise AssertionError(f"{fault.name}, seed {self.seed}: not recovered in {fault.recovery_seconds} s:\n"
                                     + "\n".join(found) + "\n" + logs)
            hosts.until(time.time() + 0.2)
        took = time.monotonic() - lifted
        if fault.loses:
            self._check_loss(fault, accounts, began)
        self.recoveries.setdefault(fault.name, []).append(took)
        return took

    def differences(self, accounts: dict[str, Seen]) -> list[str]:
        """Return a line per account and field where ledger, store and service do not agree."""
        asker = Asker(self.site, self.site.token, self.begin, periods.floor(time.time() + AFTER, PERIOD))
        found = []
        for account, seen in accounts.items():
            if not seen.finished:
                continue
            try:
                answer = asker.json(account)[1]
                stored = self.stored(account, asker.end)
            except Exception as error:  # while it is away
                return [f"{account}: {error}"]
            found += [f"{account}: {line}" for line in seen.differences(answer, self.shipped.get(account))]
            found += [f"{account}: {title} is {answer[title]} in the answer, {value} in the store"
                      for title, value in stored.items() if answer[title] != value]
        return found

    def stored(self, account: str, end: int) -> dict[str, int]:
        """Return what the store has, by title."""
        with engines.read(self.engine) as connection:
            cells = usage.total(connection, account.encode(), self.begin, end)
        return dict(zip((one.title for one in fields.FIELDS), fields.values(cells)))

    def losses(self, since: float = 0) -> list[usage.Loss]:
        """Return the recorded losses of periods that end after `since`."""
        with engines.read(self.engine) as connection:
            return [loss for loss in usage.losses_between(connection, self.begin, int(time.time() + AFTER))
                    if loss.recorded_at >= since]

    def check_processes(self) -> None:
        """Raise DemoError where a server has ended by itself."""
        for process in (self.site.service, *(each for one in self.hosts for each in (one.proxy.process, one.flusher))):
            if not process.running:
                raise DemoError(f"the {process.name} has ended by itself\n{process.tail()}")

    def retire(self, host: Host, incarnation: str) -> None:
        """Wait no longer for a writer, as an operator does whose spool is gone."""
        self.plain.command("server", "retire", host_name(host), "--writer", incarnation, "--yes")

    def finish(self) -> None:
        """Stop the load, close everything, and compare all that was ever done; and answers must be final."""
        for one in self.hosts:
            one.load.__exit__()
        self.wire.heal()
        for one in self.hosts:
            for clock in one.clocks.values():
                clock.move(0)
        ended = periods.floor(time.time(), PERIOD) + PERIOD
        everything = {account: seen for one in self.hosts for account, seen in one.load.seen.items()}
        hosts.until(ended + 1)
        for one in self.hosts:
            one.wait_closed(ended)
            one.flush()
        found = self.differences(everything)
        assert not found, f"seed {self.seed}, in the end:\n" + "\n".join(found)
        header, _ = Asker(self.site, self.site.token, self.begin, ended).json("AUTH_test")
        assert "Waiting For" not in header, header
        assert sum(seen.finished["PUT"] for seen in everything.values()) > 100, "there was no load"

    def _remember_shipped(self, turns: dict[str, int]) -> None:
        end = periods.floor(time.time() + AFTER, PERIOD)
        for one in self.hosts:
            for account in one.load.of(turns[one.name]):
                self.shipped[account] = self.stored(account, end)

    def _check_loss(self, fault: Fault, accounts: dict[str, Seen], began: int) -> None:
        """What may have been lost is recorded, and answers over it say so."""
        if all(not seen.differences(self.stored(account, int(time.time() + AFTER))) for account, seen in accounts.items()):
            return  # nothing was: all of it had been shipped
        wait_for(lambda: bool(self.losses(began - 1)), seconds=fault.recovery_seconds,
                 what=f"a record of what {fault.name} lost\n{self.apart.flusher.tail()}")
        asker = Asker(self.site, self.site.token, self.begin, periods.floor(time.time(), PERIOD) + PERIOD)
        header, _ = asker.json(next(iter(accounts)))
        assert header.get("Incomplete"), f"{fault.name}: a loss that no answer shows: {self.losses(began - 1)}"


def host_name(host: Host) -> str:
    return host.name


def mariadb_url(mariadb: MariaDB, port: int | None = None) -> str:
    """Return the URL of the site's database for a user whom `read_only` binds; `port`: the wire's."""
    return f"mysql+pymysql://meter:meter@127.0.0.1:{port or mariadb.port}/site"


@contextlib.contextmanager
def running(folder: Path, *, seed: int) -> Iterator[Harness]:
    """Start everything, under load; stop it at the end."""
    with contextlib.ExitStack() as stack:
        mariadb = stack.enter_context(MariaDB())
        mariadb.url("site")
        mariadb.execute("CREATE USER meter@'127.0.0.1' IDENTIFIED BY 'meter'", "GRANT ALL ON site.* TO meter@'127.0.0.1'")
        wire = stack.enter_context(Wire(lambda: mariadb.port))
        site = stack.enter_context(running_site(folder / "site", database=mariadb_url(mariadb, wire.port), period_seconds=PERIOD,
                                                options={"tempauth": {"token_life": str(TOKEN_LIFE)}}))
        token = token_of(site.swift, site.swift.user("admin"))
        plain = Host("proxy-01", site.configuration, site.folder / "spool", site.swift.proxy, site.flusher,
                     Load(site.swift.proxy.port, token, seed=seed, name="plain", threads=3))
        apart = stack.enter_context(_apart(folder / "apart", site, token, seed))
        for one in (plain, apart):
            stack.enter_context(one.load)
        yield Harness(folder, site, mariadb, wire, plain, apart, seed)


@contextlib.contextmanager
def _apart(folder: Path, site: Site, token: str, seed: int) -> Iterator[Host]:
    folder.mkdir()
    with Machine(folder) as machine:
        clocks = {name: Clock(folder, name) for name in ("worker", "flusher")}
        with another_host(folder, site, "proxy-02", token, seed, machine=machine, clocks=clocks) as host:
            yield host


@contextlib.contextmanager
def another_host(folder: Path, site: Site, server: str, token: str, seed: int, *, machine: Machine | None = None,
                 clocks: dict[str, Clock] | None = None, name: str = "apart", spool: Path | None = None,
                 workers: int = 2) -> Iterator[Host]:
    """Start one more proxy with a spool and a flusher of its own, without load; stop it, and ship what is left."""
    folder.mkdir(exist_ok=True)
    where = machine.spool if machine else spool or folder / "spool"
    configuration = folder / "swiftstats.conf"
    text = site.configuration.read_text().replace(f"server = {site.server}", f"server = {server}")
    configuration.write_text(text.replace(f"spool = {site.folder}/spool", f"spool = {where}"))
    prefix = machine.prefix if machine else []
    environments = {each: clock.environment for each, clock in (clocks or {}).items()}
    proxy = site.swift.add_proxy(
        f"proxy-{name}", workers=workers, meter={"config": str(configuration)}, prefix=prefix, port=free_port(),
        options={"tempauth": {"token_life": str(TOKEN_LIFE)}}, environment=environments.get("worker"))
    process: Process = hosts.flusher(f"flusher-{name}", folder, configuration, prefix=prefix,
                                     environment=environments.get("flusher"))
    host = Host(server, configuration, where, proxy, process, Load(proxy.port, token, seed=seed + 1, name=name, threads=3),
                machine=machine, clocks=clocks, environment=environments.get("flusher"))
    try:
        process.start()
        yield host
    finally:
        proxy.stop()
        process.stop()
