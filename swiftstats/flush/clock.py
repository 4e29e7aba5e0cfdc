"""Up to when periods may be closed: never later than the database server's clock, never on a clock that has just leapt."""

from __future__ import annotations

import time

from swiftstats import periods
from swiftstats.journal.control import BOOT_CLOCK, STEP_SEEN, WALL_CLOCK, Control

#: A database without a clock of its own (SQLite) cannot contradict ours: a step forward has to stand so long (s), or a
#: period, whichever is less, before anything closes by it.
CONFIRM_SECONDS = 600


def boot_clock() -> int:
    """Return the seconds since boot, sleep included: a clock that nobody sets."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def closable(control: Control, *, now: int, database_now: int | None, boot_now: int, seconds: int) -> int:
    """Return the moment through which every period has ended, for this host and for the database; 0: none may close now."""
    if database_now is not None:
        return periods.floor(min(now, database_now), seconds)
    if not _is_confirmed(control, now, boot_now, seconds):
        return 0
    return periods.floor(now, seconds)


def _is_confirmed(control: Control, now: int, boot_now: int, seconds: int) -> bool:
    wall, boot = control.get(WALL_CLOCK), control.get(BOOT_CLOCK)
    # `boot_now < boot` is another boot: nothing is known of the time between.
    leapt = wall > 0 and boot_now >= boot and now > wall + (boot_now - boot) + seconds
    if leapt:
        seen = control.get(STEP_SEEN)
        if seen == 0 or seen > boot_now:
            control.set(STEP_SEEN, max(boot_now, 1))
            return False
        if boot_now - seen < min(seconds, CONFIRM_SECONDS):
            return False
    control.set(STEP_SEEN, 0)
    control.set(WALL_CLOCK, now)
    control.set(BOOT_CLOCK, boot_now)
    return True
