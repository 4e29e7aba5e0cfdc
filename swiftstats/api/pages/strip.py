"""How final what a page shows is, in words: the loudest thing on it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import timezone, tzinfo
from typing import Optional, Sequence

from swiftstats import periods
from swiftstats.query.standing import FINAL, HELD, OPEN, Late, Standing
from swiftstats.represent import people

#: Servers that are named; of the others it is said how many.
NAMED = 3


@dataclass(frozen=True)
class Command:
    """What to do in a shell, and when."""

    why: str
    line: str


@dataclass(frozen=True)
class Strip:
    """`state` is one of standing's; `link`: a path below the root, and its text."""

    state: str
    verdict: str
    text: str
    commands: tuple[Command, ...] = ()
    link: Optional[tuple[str, str]] = None


def of_range(standing: Standing, begin: int, end: int, *, zone: tzinfo = timezone.utc, names: bool = True,
             lost_periods: int = 0) -> Strip:
    """Say how final [begin, end) is. names: whether servers may be named; lost_periods: how many are known to lack something."""
    lost, link = "", None
    if lost_periods:
        hours = people.plural(lost_periods, "period")
        lost = f" {hours} of it lack{'s' if lost_periods == 1 else ''} what was lost."
        link = ("/status#losses", "What was lost") if names else None
    if standing.is_final(end):
        return Strip(FINAL, "Final.", f"Every server has closed it, and nothing will change.{lost}", link=link)
    if begin > standing.now:
        return Strip(OPEN, "Not begun.", f"It begins {people.moment(begin, zone)}.")
    found = _unfinished(standing, end, zone, names)
    return Strip(found.state, found.verdict, found.text + lost, found.commands, found.link or link)


def of_site(standing: Standing, *, zone: tzinfo = timezone.utc, names: bool = True) -> Strip:
    """Say how the whole site stands: whether all that is over is complete."""
    due = periods.floor(standing.now, standing.period_seconds)
    if standing.is_final(due):
        return Strip(FINAL, "Up to date.", f"Complete through {people.moment(due, zone)}: everything that is over.")
    return replace(_unfinished(standing, due, zone, names), link=None)


def _unfinished(standing: Standing, end: int, zone: tzinfo, names: bool) -> Strip:
    late, link = standing.late(end), ("/status", "Status") if names else None
    if standing.state(end) == HELD:
        since = people.moment(late[0].closed_through, zone)
        # Only who is as late as that holds it up; the others may be about to close.
        holding = [each for each in late if _is_held(standing, each, end)]
        silent = _told(holding, names) + _silence(holding)
        commands = tuple(Command(f"Is {each.name} gone for good?", f"swiftstats server retire {shlex.quote(each.name)}")
                         for each in holding[:NAMED]) if names else ()
        return Strip(HELD, f"Not final: held up since {since}.", silent, commands, link)
    through = standing.complete_through
    if through is None:
        said = "Nothing is complete yet"
    else:
        said = f"Complete through {people.moment(through, zone)} ({people.duration(standing.now - through)} ago)"
    if late:
        return Strip(OPEN, "Not final.", f"{said}; waiting for {_told(late, names)}.", link=link)
    running = periods.floor(standing.now, standing.period_seconds) + standing.period_seconds
    return Strip(OPEN, "Not final.", f"{said}; the running period ends {people.moment(running, zone)}.")


def _is_held(standing: Standing, late: Late, end: int) -> bool:
    return standing.late(end)[0].closed_through == late.closed_through or (late.silent_for or 0) > 3 * standing.period_seconds


def _told(late: Sequence[Late], names: bool) -> str:
    if not names:
        return people.plural(len(late), "server")
    shown = ", ".join(each.name for each in late[:NAMED])
    more = len(late) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _silence(holding: Sequence[Late]) -> str:
    silent = [each.silent_for for each in holding if each.silent_for is not None]
    have = "has" if len(holding) == 1 else "have"
    if not silent:
        return f" {have} never sent anything."
    return f" silent for {people.duration(min(silent))}{'' if len(holding) == 1 else ' or longer'}."
