"""For processes under libfaketime 0.9.10, which leaves the monotonic clock alone but then refuses `time.sleep`.

Python sleeps by clock_nanosleep until a moment of the monotonic clock, and the library answers EINVAL to that; select takes a
span. This folder is in PYTHONPATH of such processes only, and Python imports this module by its name when it starts.
"""

from __future__ import annotations

import select
import sys
import time

_select = select.select


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    _select([], [], [], seconds)


time.sleep = _sleep
# eventlet keeps an unpatched copy of each module that it may patch, under such a name; Swift has it leave `time` alone.
sys.modules["__original_module_time"] = time
