"""`swiftstats space`: the space crawler, as a daemon or once."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time

from sqlalchemy.engine import Engine

from swiftstats import config
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

#: A terminal is written to so often at most (s).
SHOWN_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true",
                        help="crawl once, and end; status 1 where an account could not be read or not all were seen")
    parser.add_argument("--verbose", action="store_true", help="say more in the log")


def run(arguments: argparse.Namespace) -> int:
    """Crawl once, or until a signal."""
    settings = config.load(arguments.config)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level=logging.WARNING)
    # Ours only: libraries tell of requests at these levels, and of what is in them.
    logging.getLogger("swiftstats").setLevel(logging.DEBUG if arguments.verbose else logging.INFO)
    engine = engines.create(settings.require("database"))
    method = method_of(settings, engine)
    stop = threading.Event()

    def crawl() -> Outcome:
        engines.check_schema(engine)
        progress = Progress(method) if sys.stderr.isatty() else None
        outcome = Crawl(
            engine, method, server=settings.server, period_seconds=settings.period_seconds, retries=settings.retries, stop=stop,
            concurrency=settings.readers if settings.method == "databases" else settings.concurrency,
            progress=progress or (lambda outcome: None),
        ).run()
        if progress:
            progress.clear()
        space_metrics.write(settings.metrics_dir, method.method, outcome)
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


class Progress:
    """A line on a terminal that says how far a crawl is."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._began = self._shown = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        now = time.monotonic()
        if now - self._shown < SHOWN_SECONDS:
            return
        self._shown = now
        share = self._method.share()
        # The first percent says too little of the rest.
        left = f", about {outcome.seen / share - outcome.seen:,.0f} remain" if share and share > 0.01 else ""
        failed = f", {outcome.failed:,} failed" if outcome.failed else ""
        sys.stderr.write(f"\r\x1b[K{outcome.seen:,} accounts, {outcome.seen / (now - self._began):,.0f}/s{left}{failed}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
