"""`swiftstats demo`: the whole meter on a real Swift, on this machine; with `--once` also a check of it."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from swiftstats import periods
from swiftstats.errors import SwiftStatsError

if TYPE_CHECKING:
    from swiftstats.demo.site import Site

DESCRIPTION = (
    "Start a real OpenStack Swift with the filter in its proxy's pipeline, a database, the flusher and the statistics service, "
    "all on 127.0.0.1; send traffic of several accounts; show what the service answers. Ctrl-C stops everything that it started."
)
_PORT = 8070


class Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true",
                        help="end when the service's answers have been compared with what the clients sent and received; "
                             "the last line is a summary in JSON, the exit status 0 or 1")
    parser.add_argument("--dir", metavar="DIRECTORY", type=Path, help="keep everything there (default: a temporary directory)")
    parser.add_argument("--period", metavar="SECONDS", type=_period, default=20, help="the meter's period (default: 20 seconds)")
    parser.add_argument("--port", type=int, default=_PORT, help=f"the service's port (default: {_PORT}, or a free one)")
    parser.add_argument("--workers", type=int, default=2, help="the proxy's workers (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    from swiftstats.demo.site import Site, make_folder

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    started = time.monotonic()
    folder = (arguments.dir or make_folder()).absolute()
    again = (folder / "usage.sqlite").exists()
    site = Site(
        folder, period_seconds=arguments.period, api_port=arguments.port, swift_port=8080, progress=_say,
        swift_options={"workers": arguments.workers},
    )
    if site.port != arguments.port != 0:
        _say(f"port {arguments.port} is taken: the statistics service listens on {site.port}")
    summary: dict[str, object] = {"ok": False, "folder": str(folder)}
    try:
        site.start()
        _exercise(site, summary, again=again)
        if not arguments.once:
            _stay(site)
    except Stopped:
        summary["stopped"] = True
    except SwiftStatsError as error:
        _failed(error, summary)
    finally:
        _quiet()
        _say("stopping: the proxy first, then the flusher, a last flush, the service")
        try:
            site.stop()
            _say("everything that was started has ended")
        except SwiftStatsError as error:
            _failed(error, summary)
    _say_what_stays(folder, keep=bool(arguments.dir) or not (arguments.once and summary["ok"]))
    summary["seconds"] = round(time.monotonic() - started, 1)
    if arguments.once:
        print(json.dumps(summary), flush=True)
        return 0 if summary["ok"] else 1
    return 1 if "error" in summary else 0


def _failed(error: SwiftStatsError, summary: dict[str, object]) -> None:
    print(f"swiftstats demo: {error}", file=sys.stderr, flush=True)
    summary["ok"] = False
    summary.setdefault("error", str(error).partition("\n")[0])


def _exercise(site: Site, summary: dict[str, object], *, again: bool) -> None:
    """Send the traffic, show it and the service's answers, and fill in the summary."""
    from swiftstats.demo import check, show, traffic
    from swiftstats.demo.ledger import Ledger

    seconds = site.period_seconds
    if again:
        # What an earlier demo left in this period must not be taken for this one's.
        fresh = periods.floor(time.time(), seconds) + seconds
        _say(f"waiting for the period that begins at {periods.format(fresh)}")
        time.sleep(max(fresh - time.time(), 0))
    clients = traffic.Clients(site.swift.url, {user.account: user for user in site.swift.users})
    tokens = {"operator": site.token, "test": clients.swift("test").get_auth()[1]}
    begin = periods.floor(time.time(), seconds)
    print("\n" + show.pages(site), flush=True)
    ledger = Ledger(site.swift.proxy.port)
    traffic.run(clients, ledger, _say)
    _say("test and test2: what their containers hold")
    with ledger.watching():
        expected = {f"AUTH_{account}": check.stored(clients.swift(account)) for account in ("test", "test2")}
    end = periods.floor(time.time(), seconds) + seconds
    print(f"\nWhat the clients sent and received:\n\n{show.traffic(ledger)}\n", flush=True)
    _say(f"waiting until the period up to {periods.format(end)} is complete")
    through = check.wait_complete(site, begin, end, seconds=seconds + 60)
    print("\n" + show.answers(site, tokens, begin, end), flush=True)
    found = check.differences(site, ledger, begin, end)
    for line in found:
        print(f"DIFFERENCE {line}", flush=True)
    usage = ledger.usage()
    _say(f"{len(usage)} accounts, {len(ledger.exchanges)} requests: "
         + ("the service answers what the clients sent and received" if not found else f"{len(found)} figures differ"))
    summary.update(
        ok=not found, requests=len(ledger.exchanges), begin=periods.format(begin), end=periods.format(end),
        complete_through=through, accounts=usage, differences=found,
    )
    _say("crawling the account databases")
    print("\n" + show.space(site, *check.wait_space(site, expected, seconds=60)), flush=True)
    _say("the space of each account is what its containers hold")
    summary["space"] = expected
    print("\n" + show.pages(site, begin, end), flush=True)
    print("\n" + show.by_hand(site, tokens["operator"]), flush=True)


def _stay(site: Site) -> NoReturn:
    """Wait for Ctrl-C; say so when a server ends by itself."""
    _say(f"in a browser: {site.url}/ and this token: {site.token}")
    _say("Swift and the service stay up; Ctrl-C stops them")
    crawled = periods.floor(time.time(), site.period_seconds)
    while True:
        site.check()
        running = periods.floor(time.time(), site.period_seconds)
        if running != crawled:  # so that pages show a level, and not one reading
            crawled = running
            try:
                site.command("space", "--once")
            except SwiftStatsError as error:
                _say(f"the crawler failed: {str(error).splitlines()[-1]}")
        time.sleep(0.5)


def _say_what_stays(folder: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        _say(f"usage, objects and logs stay in {folder}; remove it when you are done")


def _stop(number: int, frame: object) -> NoReturn:
    _quiet()
    raise Stopped


def _quiet() -> None:
    """From here on only the stopping counts: another Ctrl-C must not leave servers behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _period(text: str) -> int:
    if not text.isdigit() or not periods.is_period_length(int(text)):
        raise argparse.ArgumentTypeError("a whole number of seconds that divides an hour")
    return int(text)
