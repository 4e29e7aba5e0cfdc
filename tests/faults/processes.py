"""Processes that are killed, stopped and told to reload, under load."""

from __future__ import annotations

import os
import random
import signal
import time

from swiftstats.demo.processes import listening, wait_for
from tests.faults.harness import PERIOD, Harness
from tests.faults.host import stopped, until
from tests.faults.table import Fault


def kill_worker(harness: Harness, chance: random.Random) -> None:
    harness.plain.kill_worker(chance)
    harness.plain.kill_worker(chance)


def kill_all_workers(harness: Harness, chance: random.Random) -> None:
    proxy = harness.plain.proxy
    counted: set[int] = set()
    settled = time.monotonic() + 20  # the kernel may give a worker no connection; by then it has long said that it is ready

    def ready() -> bool:
        counted.update(harness.plain.serving())
        return counted >= set(proxy.worker_pids()) or time.monotonic() > settled

    wait_for(ready, seconds=60, what="every worker to be ready")
    victims = proxy.worker_pids()
    for victim in victims:
        proxy.kill_worker(victim)
    proxy.wait_for_workers(without=victims)


def kill_manager(harness: Harness, chance: random.Random) -> None:
    """Its workers serve on; then they are killed as well, and the proxy is started again."""
    proxy = harness.plain.proxy
    os.kill(proxy.pid, signal.SIGKILL)
    harness.plain.load.work(30)
    proxy.kill()
    proxy.start()


def kill_proxy(harness: Harness, chance: random.Random) -> None:
    harness.plain.proxy.kill()
    harness.plain.proxy.start()


def kill_flusher(harness: Harness, chance: random.Random) -> None:
    """Again and again, at any moment of a sweep: it sweeps as soon as it is elected."""
    for _ in range(6):
        for host in harness.hosts:
            wait_for(host.spool.flusher_running, seconds=30, what="an elected flusher")
            until(time.time() + chance.uniform(0, 0.4))
            host.restart_flusher()
    until(PERIOD * (time.time() // PERIOD + 1))  # and while it closes a period
    for _ in range(4):
        until(time.time() + chance.uniform(0, 0.4))
        harness.plain.restart_flusher()
        wait_for(harness.plain.spool.flusher_running, seconds=30, what="an elected flusher")


def kill_service(harness: Harness, chance: random.Random) -> None:
    service = harness.site.service
    service.kill()
    service.start()
    service.wait_ready(lambda: listening(harness.site.port))


def sighup(harness: Harness, chance: random.Random) -> None:
    harness.plain.proxy.hang_up()


def sigusr1(harness: Harness, chance: random.Random) -> None:
    harness.plain.proxy.reload()


def sigterm(harness: Harness, chance: random.Random) -> None:
    """Proxy and flusher are stopped in order, as for an upgrade; the spool keeps what is between."""
    harness.plain.flusher.stop()
    harness.plain.proxy.stop()
    harness.plain.proxy.start()
    harness.plain.flusher.start()


def stop_worker(harness: Harness, chance: random.Random) -> None:
    """Stopped over the end of periods, a worker holds nothing up, and counts on where it may."""
    host = harness.plain
    with stopped(host.a_worker(chance)):
        harness.pass_periods(2)
        host.wait_closed(PERIOD * (time.time() // PERIOD - 1))


def stop_flusher(harness: Harness, chance: random.Random) -> None:
    """A flusher that hangs stops no worker, and goes on where it was."""
    with stopped(harness.plain.flusher.pid):
        harness.pass_periods(1.5)


FAULTS = (
    Fault("kill-worker", kill_worker, served=False),
    Fault("kill-all-workers", kill_all_workers, served=False),
    Fault("kill-manager", kill_manager, served=False),
    Fault("kill-proxy", kill_proxy, served=False, short=False),
    Fault("kill-flusher", kill_flusher),
    Fault("kill-service", kill_service),
    Fault("sighup", sighup, served=False),
    Fault("sigusr1", sigusr1, served=False),
    Fault("sigterm", sigterm, served=False),
    Fault("stop-worker", stop_worker),
    Fault("stop-flusher", stop_flusher, short=False),
)
