"""`swiftstats space`: the space crawler, as a daemon or once."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time

from sqlalchemy.engine import Engine

from swiftstats import config
from swiftstats.cli import log
from swiftstats.cli.progress import Progress
from swiftstats.collect import space_metrics
from swiftstats.collect.account_proxy import AccountProxy, Names
from swiftstats.collect.space import Crawl, Method, Outcome
from swiftstats.collect.space_daemon import Daemon
from swiftstats.config import Config
from swiftstats.store import engine as engines

DESCRIPTION = """Measure the containers, objects and bytes of each account, and write them to the database: as a daemon, at once
and after each interval, or once. What cannot be read is unknown in that period, never zero; what is read again in the same period
replaces what was read before."""

logger = logging.getLogger("swiftstats.space")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true",
                        help="crawl once, and end when all was read, or the next crawl is due (retries = 0: at once); status 1"
                        " where an account could not be read or not all were seen")
    parser.add_argument("--verbose", action="store_true", help="say more in the log")


def run(arguments: argparse.Namespace) -> int:
    """Crawl once, or until a signal."""
    settings = config.load(arguments.config)
    log.begin(logging.DEBUG if arguments.verbose else logging.INFO)
    engine = engines.create(settings.require("database"))
    method = method_of(settings, engine)
    stop = threading.Event()

    def crawl() -> Outcome:
        engines.check_schema(engine)
        began = time.monotonic()
        with Progress(sys.stderr) as progress:
            outcome = Crawl(
                engine, method, server=settings.server, period_seconds=settings.period_seconds, retries=settings.retries,
                interval=settings.interval, stop=stop,
                concurrency=settings.readers if settings.method == "databases" else settings.concurrency,
                progress=lambda outcome: progress.show(so_far, outcome, method, time.monotonic() - began),
                ended=lambda outcome: space_metrics.write(settings.metrics_dir, method.method, outcome),
            ).run()
        (logger.info if not arguments.once else print)(summary(method.method, outcome))
        return outcome

    daemon = Daemon(crawl, interval=settings.interval, stop=stop)
    daemon.handle_signals()
    if not arguments.once:
        daemon.run()
        return 0
    outcome = crawl()
    return 0 if outcome.complete and not outcome.failed else 1


def method_of(settings: Config, engine: Engine) -> Method:
    """Return the method that the configuration names; raise ConfigError for what it lacks."""
    if settings.method == "databases":
        from swiftstats.collect.account_databases import AccountDatabases
        from swiftstats.collect.account_ring import AccountRing, policy_names

        return AccountDatabases(
            devices=settings.devices, server=settings.server, ring=AccountRing(settings.swift_dir),
            policies=policy_names(settings.swift_dir), mount_check=settings.mount_check, timeout=settings.timeout,
        )
    from swiftstats.collect.credentials import tokens_of

    return AccountProxy(
        url=settings.require("proxy_url"), tokens=tokens_of(settings), names=names_of(settings, engine),
        containers=settings.containers, max_containers=settings.max_containers, timeout=settings.timeout,
    )


def names_of(settings: Config, engine: Engine) -> Names:
    """Return the accounts that the configuration has the proxy asked for; raise ConfigError for what it lacks."""
    from swiftstats.collect.account_names import OfFile, OfKeystone, OfStore
    from swiftstats.collect.keystone import keystone_of

    if settings.accounts_from == "file":
        return OfFile(settings.require("accounts_file"))
    if settings.accounts_from == "keystone":
        return OfKeystone(keystone_of(settings), engine, settings.reseller_prefix)
    return OfStore(engine, settings.reseller_prefix)


def summary(method: str, outcome: Outcome) -> str:
    """Say in a line how a crawl ended."""
    seconds = (outcome.ended_at or outcome.started_at) - outcome.started_at
    return (f"space by {method}: {outcome.seen} seen, {outcome.read} read, {outcome.failed} failed in {seconds} s,"
            f" {'complete' if outcome.complete else 'not complete'}")


def so_far(outcome: Outcome, method: Method, seconds: float) -> str:
    """Say how far a crawl is after some seconds."""
    share = method.share()
    # The first percent says too little of the rest.
    left = f", about {outcome.seen / share - outcome.seen:,.0f} remain" if share and share > 0.01 else ""
    failed = f", {outcome.failed:,} failed" if outcome.failed else ""
    return f"{outcome.seen:,} accounts, {outcome.seen / seconds:,.0f}/s{left}{failed}"
