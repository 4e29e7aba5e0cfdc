"""Give way: what serves clients has the processor first, and a flush takes what is left of it."""

from __future__ import annotations

import os

#: Linux weighs sessions against each other, and niceness within one, where this is there and no cgroup has its own share.
AUTOGROUP = "/proc/self/autogroup"


def lower(nice: int) -> None:
    """Make this process at least so nice (0 to 19), and one that interrupts nobody; 0 leaves all as it is.

    What a system does not have, or forbids, is left out.
    """
    nice = max(nice, os.getpriority(os.PRIO_PROCESS, 0)) if nice else 0
    if not nice:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        # A flusher wakes up for each answer of the database, and would interrupt a worker each time. SCHED_IDLE would go too far:
        # counters are to be synced each second, and transactions hold rows that other hosts wait for.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        if os.getsid(0) == os.getpid():  # else the session is somebody's shell
            with open(AUTOGROUP, "w", encoding="ascii") as file:
                file.write(str(nice))
    except OSError:
        pass
