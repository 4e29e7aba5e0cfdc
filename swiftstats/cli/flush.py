"""`swiftstats flush`: the flusher, as a daemon or once."""

from __future__ import annotations

import argparse
import json
import logging
import logging.handlers
import os

from sqlalchemy.engine import Engine

from swiftstats import config, periods
from swiftstats.cli import log
from swiftstats.config import Config
from swiftstats.errors import ConfigError
from swiftstats.flush import priority
from swiftstats.flush.daemon import Daemon, elect
from swiftstats.flush.sweep import sweep
from swiftstats.journal.spool import Spool
from swiftstats.store import engine as engines

DESCRIPTION = """Send what this host has counted to the database: as a daemon, after each period and interval, or once.
Periods that are over are closed; whatever is sent again changes nothing. While the database is away, the spool keeps everything
and it is tried again."""

#: A flusher that a worker starts finds its options here, as JSON: never on a command line, where everybody reads them.
OPTIONS_VARIABLE = "SWIFTSTATS_OPTIONS"

SYSLOG = "/dev/log"
LOG_BYTES = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true",
                        help="ship all that is in the spool now, the running period's totals so far included, and end")
    parser.add_argument("--wait", type=float, default=60.0, metavar="SECONDS",
                        help="with --once: how long to wait for a sweep in progress (default: 60), then exit 1")
    parser.add_argument("--spawned", action="store_true",
                        help=f"for workers: options come from ${OPTIONS_VARIABLE}; end when no worker lives and all is shipped")
    parser.add_argument("--verbose", action="store_true", help="say what each sweep did")


def run(arguments: argparse.Namespace) -> int:
    """Sweep once, or until a signal; return 0, or 1 where a period is held up or a flusher is here already."""
    settings = _spawned_settings() if arguments.spawned else config.load(arguments.config)
    logging.basicConfig(format=log.FORMAT, level=logging.INFO if arguments.verbose else logging.WARNING,
                        handlers=[_log_of_spawned(settings)] if arguments.spawned else None)
    priority.lower(settings.flush_nice)
    engine = engines.create(settings.require("database"))
    if arguments.once:
        return _once(settings, engine, arguments.wait)
    daemon = Daemon(settings, engine, spawned=arguments.spawned)
    daemon.handle_signals()
    lock = elect(Spool(settings.spool))
    if lock is None:
        if not arguments.spawned:
            print(f"swiftstats flush: {settings.spool} has its flusher already; `--once` sweeps beside it")
        return 0 if arguments.spawned else 1
    daemon.run(lock)
    return 0


def _once(settings: Config, engine: Engine, wait: float) -> int:
    engines.check_schema(engine)
    outcome = sweep(settings, engine, with_running=True, wait=wait)
    print(f"closed through {periods.format(outcome.closed_through)} UTC; {len(outcome.periods)} periods closed,"
          f" {outcome.rows} rows shipped")
    for line in outcome.held_up:
        print(line)
    return 1 if outcome.held_up else 0


def _log_of_spawned(settings: Config) -> logging.Handler:
    """Return where a flusher logs that has no terminal and no systemd: the system's log, else a file in the spool."""
    if os.path.exists(SYSLOG):
        handler: logging.Handler = logging.handlers.SysLogHandler(SYSLOG)
        handler.ident = "swiftstats-flush: "  # type: ignore[attr-defined]
        return handler
    os.makedirs(settings.spool, 0o700, exist_ok=True)
    os.umask(0o077)
    return logging.handlers.RotatingFileHandler(os.path.join(settings.spool, "flusher.log"), maxBytes=LOG_BYTES, backupCount=1)


def _spawned_settings() -> Config:
    try:
        given = json.loads(os.environ.pop(OPTIONS_VARIABLE))
    except (KeyError, ValueError):
        raise ConfigError(f"--spawned needs the options as JSON in ${OPTIONS_VARIABLE}") from None
    return config.from_options(given)
