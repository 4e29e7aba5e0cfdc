"""Periods: half-open UTC intervals [start, start + seconds), named by their start; and times as people write them.

A moment is an integer of seconds since 1970-01-01 UTC (POSIX: a leap second has no number of its own).
"""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timezone
from functools import lru_cache

from swiftstats.errors import TimeError

HOUR = 3600
DAY = 86400
#: The year 9999 ends here; what lies beyond cannot be written in the forms that the API knows.
LAST = 253402300799

EXPECTED = "a time such as 2012-10-22 08:00:00 or 2012-10-22T10:00:00+02:00"
_TIME = re.compile(
    r"\s*(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|z|[+-]\d\d:?\d\d)?\s*\Z", re.ASCII
)


def is_period_length(seconds: int) -> bool:
    """Tell whether `seconds` divides an hour, as every period length must."""
    return 0 < seconds <= HOUR and HOUR % seconds == 0


def floor(moment: float, seconds: int) -> int:
    """Return the start of the period of `seconds` that `moment` lies in."""
    return int(moment // seconds) * seconds


@lru_cache(maxsize=4096)  # PERF: bench/growth.py; a sum asks it several times for each of its months.
def month(day: int) -> int:
    """Return the first day of the UTC month of a day; days are numbered from 1970-01-01."""
    date = datetime.fromtimestamp(day * DAY, timezone.utc)
    return day - date.day + 1


def next_month(first: int) -> int:
    """Return the first day of the month after the one that begins with day `first`."""
    return month(first + 31)


def parse(text: str) -> int:
    """Return the moment that `text` names; without an offset it is UTC.

    Takes `2012-10-22 08:00:00` and ISO 8601 with `T`, optional time, seconds and fraction, and an offset or `Z`.
    Raises TimeError; so does a fraction other than zero, since no period begins there.
    """
    match = _TIME.match(text)
    if match is None:
        raise TimeError(text, EXPECTED)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        naive = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError as error:
        raise TimeError(text, f"{EXPECTED} ({error})") from None
    if fraction and fraction.strip("0"):
        raise TimeError(text, "a time in whole seconds")
    moment = calendar.timegm(naive.timetuple())
    if offset and offset not in "Zz":
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        if hours > 23 or minutes > 59:
            raise TimeError(text, "an offset such as +02:00")
        moment -= (-1 if offset[0] == "-" else 1) * (hours * HOUR + minutes * 60)
    if not 0 <= moment <= LAST:
        raise TimeError(text, "a time from 1970 to 9999")
    return moment


def format(moment: int) -> str:
    """Write a moment as the 2012 API does, in UTC: `2012-10-22 08:00:00`."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def iso(moment: int) -> str:
    """Write a moment as ISO 8601 in UTC: `2012-10-22T08:00:00Z`."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
