"""A real site to be broken: two proxy hosts under load, a MariaDB behind a wire that can be cut, and what must hold in the end.

Host `plain` is the demo's own. Host `apart` lives on a machine of its own (machine.py): a spool on a small tmpfs, a boot id that
can change, clocks that can be moved, and no privileges that would let it pass permissions.

`run` injects one fault under load. Once it is over, clients' accounts of that time must come out as their ledger has them, in the
store and in the service's answer, field by field; how long that took is the recovery. `verify` asks Swift's access log as well,
which knows nothing of the ledger. `finish` replays everything from the archives, and asks for all of it once more.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from swiftstats import fields, periods
from swiftstats.demo.processes import DemoError, wait_for
from swiftstats.demo.site import Site
from swiftstats.store import engine as engines
from swiftstats.store import usage, writers
from tests.faults import host as hosts
from tests.faults import losses
from tests.faults.host import Host
from tests.faults.machine import Machine, sweep_clocks
from tests.faults.table import Fault, Loss
from tests.faults.wire import Wire
from tests.support import by_name
from tests.support.cluster import Asker
from tests.support.load import Seen
from tests.support.mariadb import MariaDB
from tests.support.witness import shown, verify

PERIOD = 3
DAY = 86400
#: Answers lie in this range, whatever was done to clocks (s before the start, s after now).
BEFORE, AFTER = DAY, 2 * DAY


class Harness:
    """The site, and the ledger of everything that was done to it. Made by site.py."""

    def __init__(self, folder: Path, site: Site, mariadb: MariaDB, disk: Machine, wire: Wire, plain: Host, apart: Host,
                 seed: int) -> None:
        self.folder, self.site, self.mariadb, self.disk, self.wire = folder, site, mariadb, disk, wire
        self.plain, self.apart, self.seed = plain, apart, seed
        self.begin = periods.floor(time.time() - BEFORE, 3600)
        self.engine = engines.create(database_url(mariadb.port))
        #: Accounts that a fault may have cost something, and what had been shipped before.
        self.shipped: dict[str, dict[str, int]] = {}
        #: Accounts of which something is in the database alone, since the archive that had it has gone.
        self.unarchived: set[str] = set()
        #: What each fault was seen to cost, in words.
        self.costs: dict[str, str] = {}
        #: fault: seconds from its end to the right answer
        self.recoveries: dict[str, list[float]] = {}

    @property
    def hosts(self) -> tuple[Host, Host]:
        return self.plain, self.apart

    @property
    def end(self) -> int:
        """Return the end of the range that answers are asked for: after whatever a clock that is ahead has made."""
        return periods.floor(time.time() + AFTER, PERIOD)

    def work(self, requests: int = 15) -> None:
        """Let clients of every host finish so many requests more."""
        for one in self.hosts:
            one.load.work(requests)

    def pass_periods(self, number: float) -> None:
        """Let so many periods pass."""
        hosts.until(time.time() + number * PERIOD)

    def run(self, fault: Fault, chance: random.Random) -> float:
        """Inject a fault; return the seconds from its end until every answer is right. Raises AssertionError."""
        sweep_clocks()
        turns = {one.name: one.load.turn() for one in self.hosts}
        for one in self.hosts:
            one.load.settle()
        self.work()
        began = int(time.time())
        if fault.loss is not Loss.NONE:
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
        if fault.loss is not Loss.NONE:  # of an account that was new under the fault, nothing had been shipped
            self.shipped.update({account: {} for account in accounts.keys() - self.shipped.keys()})
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
        if fault.loss is not Loss.NONE:
            losses.check(self, fault, accounts, began)
        self.recoveries.setdefault(fault.name, []).append(took)
        return took

    def differences(self, accounts: dict[str, Seen]) -> list[str]:
        """Return a line per account and field where ledger, store and service do not agree."""
        asker = Asker(self.site, self.site.token, self.begin, self.end)
        found = []
        for account, seen in accounts.items():
            if not seen.finished:
                continue
            try:
                answer = asker.json(account)[1]
                stored = self.stored(account)
            except Exception as error:  # while it is away
                return [f"{account}: {error}"]
            found += [f"{account}: {line}" for line in seen.differences(answer, self.shipped.get(account))]
            found += [f"{account}: {title} is {answer[title]} in the answer, {value} in the store"
                      for title, value in stored.items() if answer[title] != value]
        return found

    def stored(self, account: str) -> dict[str, int]:
        """Return what the store has, by title."""
        with engines.read(self.engine) as connection:
            cells = by_name.total(connection, account.encode(), self.begin, self.end)
        return dict(zip((one.title for one in fields.FIELDS), fields.values(cells)))

    def losses(self, since: float = 0) -> list[usage.Loss]:
        """Return the recorded losses of periods that end after `since`."""
        with engines.read(self.engine) as connection:
            return [loss for loss in usage.losses_between(connection, self.begin, self.end)
                    if loss.recorded_at >= since]

    def database_has_gone(self) -> None:
        """Nobody can bring back what was in the database alone."""
        self.shipped.update({account: {} for account in self.unarchived})

    def check_processes(self) -> None:
        """Raise DemoError where a server has ended by itself."""
        for process in (self.site.service, *(each for one in self.hosts for each in (one.proxy.process, one.flusher))):
            if not process.running:
                raise DemoError(f"the {process.name} has ended by itself\n{process.tail()}")

    def retire(self, host: Host, incarnation: str) -> None:
        """Wait no longer for a writer, as an operator does whose spool is gone."""
        self.plain.command("server", "retire", host.name, "--writer", incarnation, "--yes")

    def live(self, server: str) -> set[str]:
        """Return the incarnations of a server's writers that the site waits for."""
        with engines.read(self.engine) as connection:
            return {writer.incarnation for one in writers.servers(connection) if one.name == server
                    for writer in one.writers if writer.live}

    def spool_has_gone(self, host: Host) -> None:
        """Wait no longer for the writers that a spool held: one may have had counts yet to come. Its archive has gone too."""
        self.unarchived.update(host.load.seen)
        now = host.incarnation()
        lost = self.live(host.name) - {now}
        assert lost, f"{host.name} still has the spool of {now}"
        for incarnation in lost:
            self.retire(host, incarnation)

    def verify(self, since: float) -> int:
        """Compare the whole periods from `since` till now with every proxy's access log; return how many requests they have."""
        begin = periods.floor(since, PERIOD) + PERIOD
        while time.time() < begin + PERIOD:  # a fault may be over sooner than a whole period
            self.work()
        end = periods.floor(time.time(), PERIOD)
        for one in self.hosts:
            one.wait_closed(end)
            one.flush()
        self._wait_complete(end)
        logs = [str(proxy.access_log) for proxy in self.site.swift.proxies if proxy.access_log.exists()]
        _, said = verify(self.plain.configuration, "--begin", periods.format(begin), "--end", periods.format(end),
                         "--access-log", *logs)
        assert not said["differences"], f"seed {self.seed}, the access log has it otherwise:\n" + shown(said["differences"])
        assert said["requests"], f"seed {self.seed}: no request in the access logs from {begin} to {end}"
        return int(said["requests"])

    def finish(self) -> None:
        """Stop the load, close everything, replay the archives, and compare all that was ever done; and answers must be final."""
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
            one.command("replay", status=None)  # 1 where the database never had what the archive lacks
        found = self.differences(everything)
        assert not found, f"seed {self.seed}, in the end:\n" + "\n".join(found)
        asker = Asker(self.site, self.site.token, self.begin, ended)
        # A host that a fault took away may have swept once more after it was retired, and is waited for again by that.
        for gone in set(asker.json("AUTH_test")[0].get("Waiting For", ())) - {one.name for one in self.hosts}:
            self.plain.command("server", "retire", gone, "--yes")
        wait_for(lambda: "Waiting For" not in asker.json("AUTH_test")[0], seconds=90, what="answers that are final")
        assert sum(seen.finished["PUT"] for seen in everything.values()) > 100, "there was no load"

    def _wait_complete(self, moment: int) -> None:
        """Return when the site is complete through a moment, as it is some sweeps after a host booted again."""
        def is_complete() -> bool:
            with engines.read(self.engine) as connection:
                through = writers.complete_through(connection).complete_through
            return through is not None and through >= moment

        wait_for(is_complete, seconds=60, what=lambda: f"the site to be complete through {moment}, seed {self.seed}\n"
                 + self.plain.command("server", "list") + "\n".join(one.flusher.tail() for one in self.hosts))

    def _remember_shipped(self, turns: dict[str, int]) -> None:
        for one in self.hosts:
            for account in one.load.of(turns[one.name]):
                self.shipped[account] = self.stored(account)


def database_url(port: int) -> str:
    """Return the URL of the site's database, at MariaDB's port or the wire's, for a user whom `read_only` binds."""
    return f"mysql+pymysql://meter:meter@127.0.0.1:{port}/site"
