"""Kill -9, at random, under load: what a client saw finished is counted, once."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from swiftstats import periods
from swiftstats.demo.processes import wait_for
from swiftstats.demo.site import Site
from swiftstats.journal.spool import Spool
from tests.support.caller import token_of
from tests.support.cluster import Asker, running_site
from tests.support.load import Load
from tests.support.mariadb import MariaDB
from tests.support.witness import shown, verify

KILLS = 30
#: The seed is printed by pytest where the test fails; SWIFTSTATS_SEED replays it.
SEED = int(os.environ.get("SWIFTSTATS_SEED", str(random.SystemRandom().randrange(10**6))))


@pytest.mark.crash
@pytest.mark.swift
@pytest.mark.mariadb
@pytest.mark.timeout(600)
def test_every_finished_request_is_counted_once(tmp_path: Path) -> None:
    """SIGKILL of workers and flusher at random under load, and a MariaDB that goes and comes: nothing is lost or doubled."""
    print(f"SWIFTSTATS_SEED={SEED}")
    chance = random.Random(SEED)
    with MariaDB() as mariadb, running_site(tmp_path, database=mariadb.url(), period_seconds=10, workers=3) as site:
        begin = periods.floor(time.time(), site.period_seconds)
        token = token_of(site.swift, site.swift.user("admin"))
        victims: dict[str, int] = {"worker": 0, "flusher": 0}
        with Load(site.swift.port, token, seed=SEED) as load:
            for number in range(KILLS):
                _let_it_work(load, requests=chance.randint(10, 60))
                if number in (8, 18):
                    mariadb.kill() if number == 18 else mariadb.stop()
                if number in (12, 22):
                    mariadb.start()
                load.turn()
                victim = chance.choice(("worker", "worker", "flusher"))
                victims[victim] += 1
                if victim == "worker":
                    _kill_worker(site, chance)
                else:
                    site.flusher.kill()
                    site.flusher.start()
            _let_it_work(load, requests=50)
        assert sum(victims.values()) >= 30 and min(victims.values()) > 0
        site.swift.stop()
        site.flusher.stop()
        site.flush()
        asker = Asker(site, site.token, begin, periods.floor(time.time(), site.period_seconds) + site.period_seconds)
        answers = {account: asker.json(account)[1] for account in load.seen}
        wait_for(lambda: _complete(site, asker), seconds=60, what="the last period to close")
        log = site.folder / "swift" / "log" / "access-proxy-server.log"
        _, said = verify(site.configuration, "--access-log", str(log))
    differences = [f"{account}: {line}" for account, seen in load.seen.items() if seen.finished
                   for line in seen.differences(answers[account])]
    assert not differences, f"seed {SEED}, killed {victims}:\n" + "\n".join(differences)
    assert load.requests > 500, "there was no load"
    # A worker counts a request before its last byte leaves and logs it after: lines may be missing, counts never.
    print(f"the access log lacks what the database has in {len(said['differences'])} figures of {said['requests']} requests")
    missing = [each for each in said["differences"] if each["difference"] < 0]
    assert not missing, f"seed {SEED}, killed {victims}:\n{shown(missing)}"


def _complete(site: Site, asker: Asker) -> bool:
    site.flush()
    through = asker.json("(unknown)")[0]["Complete Through"]
    return through is not None and through >= periods.format(asker.end)


def _let_it_work(load: Load, *, requests: int) -> None:
    until = load.requests + requests
    wait_for(lambda: load.requests >= until, seconds=60, what=f"{requests} more requests to finish")


def _kill_worker(site: Site, chance: random.Random) -> None:
    """Kill a worker that serves; one that has not yet said that it is ready would take the whole proxy with it."""
    serving = {int(one.name.split("-")[1]) for one in Spool(str(site.folder / "spool")).list_segments()}

    def candidates() -> list[int]:
        serving.update(int(one.name.split("-")[1]) for one in Spool(str(site.folder / "spool")).list_segments())
        return [pid for pid in site.swift.proxy.worker_pids() if pid in serving]

    wait_for(lambda: bool(candidates()), seconds=30, what="a worker that has counted something")
    victim = chance.choice(candidates())
    site.swift.proxy.kill_worker(victim)
    site.swift.proxy.wait_for_workers(without=[victim])
