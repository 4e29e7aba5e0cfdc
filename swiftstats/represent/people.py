"""Counts, bytes, times and ranges as people read them, in English and in a time zone; exact, whatever the size.

Nothing here is a float: three digits of a number of bytes are rounded half up from the whole number.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from typing import Optional

from swiftstats.periods import DAY, HOUR

#: How bytes may be written: in units of 1024 and labelled so, in units of 1000, or as they are.
BINARY, SI, EXACT = "binary", "si", "exact"
UNITS = (BINARY, SI, EXACT)
_SCALES = {
    BINARY: (1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")),
    SI: (1000, ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")),
}
_LENGTHS = ((DAY, "day"), (HOUR, "hour"), (60, "minute"), (1, "second"))


def count(number: int) -> str:
    """Write a whole number with commas."""
    return f"{number:,}"


def size(number: int, units: str = BINARY, *, of: str = "") -> str:
    """Write bytes to three digits: `1.46 MiB`; `of` follows the unit, as in `2.37 GiB·h`."""
    if units == EXACT:
        return f"{number:,} B{of}"
    base, names = _SCALES[units]
    if number < base:
        return f"{number:,} {names[0]}{of}"
    power = 1
    while True:
        unit = base**power
        for digits in (2, 1, 0):
            scaled = (2 * number * 10**digits + unit) // (2 * unit)
            if scaled < 1000:
                whole, part = divmod(scaled, 10**digits)
                return f"{whole}{'.' + str(part).zfill(digits) if digits else ''} {names[power]}{of}"
        if scaled < base or power == len(names) - 1:
            return f"{scaled:,} {names[power]}{of}"
        power += 1


def moment(seconds: int, zone: tzinfo = timezone.utc) -> str:
    """Write a moment: `2026-11-21 14:00 UTC`; seconds only where there are any."""
    local = datetime.fromtimestamp(seconds, zone)
    return f"{local:%Y-%m-%d %H:%M}{f':{local:%S}' if local.second else ''} {name_of(local)}"


def name_of(local: datetime) -> str:
    """Name the offset of a local time: CEST, or +05:45 where it has no name."""
    name = local.strftime("%Z")
    return name if name.isalpha() else f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:5]


def petname(name: Optional[str], *, any_: bool) -> str:
    """Write a petname: `?` where there is none, but `any_` others; nothing where there are none at all."""
    return name or ("?" if any_ else "")


def duration(seconds: float) -> str:
    """Write a length of time in its greatest unit, rounded down: `37 minutes`, `1 day`."""
    for length, name in _LENGTHS:
        if seconds >= length:
            number = int(seconds // length)
            return f"{number:,} {name}{'' if number == 1 else 's'}"
    return "less than a second"


def plural(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: `1 hour`, `2 hours`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(begin: int, end: int, zone: tzinfo = timezone.utc, *, zone_name: str = "UTC") -> str:
    """Write [begin, end): whole months and days by their names, with the last day named; else both ends."""
    first, after = datetime.fromtimestamp(begin, zone), datetime.fromtimestamp(end, zone)
    if any((each.hour, each.minute, each.second) != (0, 0, 0) for each in (first, after)):
        return f"{moment(begin, zone)} to {moment(end, zone)}"
    last = after - timedelta(days=1)
    if (first.year, first.month, first.day) == (last.year, last.month, last.day):
        return f"{first.day} {first:%B %Y}, {zone_name}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {last:%B %Y}, {zone_name}"
    if first.year == last.year:
        return f"{first.day} {first:%B} to {last.day} {last:%B %Y}, {zone_name}"
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}, {zone_name}"
