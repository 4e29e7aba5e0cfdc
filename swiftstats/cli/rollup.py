"""`swiftstats rollup`: sum hours up to days and months, as a daemon or once."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time

from sqlalchemy.engine import Engine

from swiftstats import config
from swiftstats.cli import log
from swiftstats.cli.progress import Progress
from swiftstats.config import Config
from swiftstats.flush.rollup import Step, idle, roll_up
from swiftstats.flush.turns import PAUSE_SECONDS, NotOurTurn
from swiftstats.store import engine as engines

DESCRIPTION = """Sum hours of usage and readings of space up to days, and days up to months, where something changed since: sums
over long ranges are read from them, and are the same without. The flushers do this when they are idle; run it by itself after an
upgrade, or where no flusher shall. One process at a time does it for the site, in short transactions."""

#: How often it is looked whether something is due (s).
LOOK_SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true",
                        help="roll up what is due now, and end; status 1 where another process is at it")
    parser.add_argument("--verbose", action="store_true", help="say more in the log")


def run(arguments: argparse.Namespace) -> int:
    """Roll up once, or until a signal."""
    settings = config.load(arguments.config)
    log.begin(logging.DEBUG if arguments.verbose else logging.INFO)
    engine = engines.create(settings.require("database"))
    engines.check_schema(engine)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stop.set())
    if arguments.once:
        return _once(settings, engine, stop)
    job = idle(engine, server=settings.server, period_seconds=settings.period_seconds, stop=stop)
    while not stop.is_set():
        job.work(LOOK_SECONDS)
        stop.wait(LOOK_SECONDS)
    job.end()
    return 0


def _once(settings: Config, engine: Engine, stop: threading.Event) -> int:
    began, last = time.monotonic(), None
    job = roll_up(engine, holder=f"{settings.server}/{os.getpid()}", period_seconds=settings.period_seconds)
    try:
        with Progress(sys.stderr) as progress:
            for step in job:
                last = step
                progress.show(_said, step)
                if stop.wait(PAUSE_SECONDS):
                    break
    except NotOurTurn as error:
        print(f"swiftstats rollup: {error}", file=sys.stderr)
        return 1
    finally:
        job.close()
    if stop.is_set():
        print("stopped; what is not rolled up is read from hours")
        return 1
    if last is None:
        print("nothing to roll up")
    else:
        print(f"{last.units} days and months rolled up in {time.monotonic() - began:.1f} s")
    return 0


def _said(step: Step) -> str:
    return f"{step.done + 1} of {step.units}: {step.what}, {step.share:.0%}"
