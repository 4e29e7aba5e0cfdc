"""Start the site that is to be broken: its database, its wire, its two hosts and their load; and further hosts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from swiftstats.demo.processes import Process, free_port
from swiftstats.demo.site import Site
from tests.faults import host as hosts
from tests.faults.harness import DAY, PERIOD, Harness, database_url
from tests.faults.host import Host
from tests.faults.machine import Clock, Machine, processes_of, sweep_clocks
from tests.faults.wire import Wire
from tests.support.caller import token_of
from tests.support.cluster import running_site
from tests.support.load import Load
from tests.support.mariadb import MariaDB

#: A client's pause between two requests (s), unless more load is asked for.
PAUSE = 0.1
#: What the database's disk holds: InnoDB's files, and what an hour of faults writes.
DATABASE_MEGABYTES = 512
#: Tokens outlive a clock that is a day ahead.
TOKEN_LIFE = 20 * DAY
#: tempauth keeps its tokens in memcache; where Swift finds that too slow, it forgets it for a minute, and refuses every token.
PATIENT = {"memcache_max_connections": "50", "connect_timeout": "20", "pool_timeout": "60", "io_timeout": "60",
           "error_suppression_interval": "0"}
OPTIONS = {"tempauth": {"token_life": str(TOKEN_LIFE)}, "cache": PATIENT}


@contextlib.contextmanager
def running(folder: Path, *, seed: int, pause: float = PAUSE) -> Iterator[Harness]:
    """Start everything, under load; stop it at the end. pause: of each client between two requests (s)."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(Machine(folder / "database", megabytes=DATABASE_MEGABYTES))
        mariadb = stack.enter_context(MariaDB(prefix=disk.prefix, data=disk.spool / "data"))
        mariadb.url("site")
        mariadb.execute("CREATE USER meter@'127.0.0.1' IDENTIFIED BY 'meter'", "GRANT ALL ON site.* TO meter@'127.0.0.1'")
        wire = stack.enter_context(Wire(lambda: mariadb.port))
        site = stack.enter_context(running_site(folder / "site", database=database_url(wire.port), period_seconds=PERIOD,
                                                options=OPTIONS))
        site.swift.stop_backend("container-updater")  # busy each second, and nobody asks what accounts hold
        token = token_of(site.swift, site.swift.user("admin"))
        plain = Host("proxy-01", site.configuration, site.folder / "spool", site.swift.proxy, site.flusher,
                     Load(site.swift.proxy.port, token, seed=seed, name="plain", threads=3, pause=pause))
        apart = stack.enter_context(_apart(folder / "apart", site, token, seed, pause))
        for one in (plain, apart):
            stack.enter_context(one.load)
        yield Harness(folder, site, mariadb, disk, wire, plain, apart, seed)
    sweep_clocks()
    left = processes_of(folder)
    assert not left, f"still running: {left}"


@contextlib.contextmanager
def _apart(folder: Path, site: Site, token: str, seed: int, pause: float) -> Iterator[Host]:
    folder.mkdir()
    with Machine(folder) as machine:
        clocks = {name: Clock(folder, name) for name in ("worker", "flusher")}
        with another_host(folder, site, "proxy-02", token, seed, machine=machine, clocks=clocks, pause=pause) as host:
            yield host


@contextlib.contextmanager
def another_host(folder: Path, site: Site, server: str, token: str, seed: int, *, machine: Machine | None = None,
                 clocks: Mapping[str, Clock] | None = None, flusher: Mapping[str, str] | None = None, name: str = "apart",
                 workers: int = 2, pause: float = PAUSE) -> Iterator[Host]:
    """Start one more proxy with a spool and a flusher of its own, without load; stop it afterwards.

    clocks: of `worker` and `flusher`; flusher: its own environment; pause: of a client between two requests (s).
    """
    folder.mkdir(exist_ok=True)
    where = machine.spool if machine else folder / "spool"
    configuration = folder / "swiftstats.conf"
    text = site.configuration.read_text().replace(f"server = {site.server}", f"server = {server}")
    configuration.write_text(text.replace(f"spool = {site.folder}/spool", f"spool = {where}"))
    prefix = machine.prefix if machine else []
    environments = {each: clock.environment for each, clock in (clocks or {}).items()}
    proxy = site.swift.add_proxy(
        f"proxy-{name}", workers=workers, meter={"config": str(configuration)}, prefix=prefix, port=free_port(),
        options=OPTIONS, environment=environments.get("worker"))
    process: Process = hosts.flusher(f"flusher-{name}", folder, configuration, prefix=prefix,
                                     environment=flusher or environments.get("flusher"))
    load = Load(proxy.port, token, seed=seed + 1, name=name, threads=3, pause=pause)
    host = Host(server, configuration, where, proxy, process, load, machine=machine, clocks=clocks,
                environment=flusher or environments.get("flusher"))
    try:
        process.start()
        yield host
    finally:
        proxy.stop()
        process.stop()
