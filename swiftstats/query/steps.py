"""Days and months of a time zone, as moments: where a range is cut into steps, and what `2026-10` or `today` mean.

A step lasts as long as it does: the day on which clocks change has 23 or 25 hours. Where local midnight does not exist, the day
begins with the change.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Optional
from zoneinfo import ZoneInfo

from swiftstats import periods
from swiftstats.errors import TimeError

#: What a table can be cut into; `total` is one step.
GRANULARITIES = ("total", "period", "hour", "day", "month")
#: What a word means, as a span.
WORDS = ("this-month", "last-month", "today")
EXPECTED = f"2026-10, 2026-10-21, {', '.join(WORDS)}, or {periods.EXPECTED}"

_OFFSET = re.compile(r"(Z|z|[+-]\d\d:?\d\d)\s*\Z")
_MONTH, _DAY = re.compile(r"\s*(\d{4})-(\d\d)\s*\Z", re.ASCII), re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)\s*\Z", re.ASCII)


def zone_of(name: str) -> tzinfo:
    """Return the time zone of an IANA name; raise ValueError."""
    if name == "UTC":
        return timezone.utc
    # A name is a path below the folder of zones: what ZoneInfo refuses itself is a ValueError, what is not there an OSError.
    try:
        return ZoneInfo(name)
    except (OSError, KeyError) as error:
        raise ValueError(str(error)) from None


def span(text: str, zone: tzinfo, now: float) -> tuple[int, Optional[int]]:
    """Return the moment that `text` names, and where what it names ends: None for a moment; raise TimeError.

    Months, days and words are those of the zone, and so is a time without an offset.
    """
    word = text.strip()
    today = datetime.fromtimestamp(now, zone).date()
    try:
        if word == "today":
            return _day(today, zone), _day(today + timedelta(days=1), zone)
        if word == "this-month":
            return _month(today.year, today.month, zone), _month(today.year, today.month + 1, zone)
        if word == "last-month":
            return _month(today.year, today.month - 1, zone), _month(today.year, today.month, zone)
        if match := _MONTH.match(text):
            year, month = map(int, match.groups())
            date(year, month, 1)
            return _month(year, month, zone), _month(year, month + 1, zone)
        if match := _DAY.match(text):
            day = date(*map(int, match.groups()))
            return _day(day, zone), _day(day + timedelta(days=1), zone)
        moment = periods.parse(text)
        if _OFFSET.search(text) is None:
            local = datetime.fromtimestamp(moment, timezone.utc).replace(tzinfo=zone)
            moment = int(local.timestamp())
    except (ValueError, OverflowError) as error:
        raise TimeError(text, f"{EXPECTED} ({error})") from None
    except TimeError:
        raise TimeError(text, EXPECTED) from None
    if not 0 <= moment <= periods.LAST:
        raise TimeError(text, "a time from 1970 to 9999")
    return moment, None


def edges(begin: int, end: int, granularity: str, zone: tzinfo, *, period_seconds: int = periods.HOUR) -> list[int]:
    """Return the moments that cut [begin, end) into steps, both ends included; the first and last step may be cut short."""
    if granularity == "period":
        return [*range(begin, end, period_seconds), end]
    found = [begin]
    at = begin
    while granularity != "total":
        at = _next(at, granularity, zone)
        if at >= end:
            break
        found.append(at)
    return [*found, end]


def before(begin: int, end: int, zone: tzinfo) -> int:
    """Return where the range before [begin, end) begins: as many months, or days, where it is whole ones, else as many seconds.

    A day of 23 or 25 hours is a day, and a month a month. Below zero where there is no such range.
    """
    first = datetime.fromtimestamp(begin, zone).date()
    for granularity in ("month", "day"):
        found = edges(begin - 1, end + 1, granularity, zone)[1:-1]
        if not found or (found[0], found[-1]) != (begin, end):
            continue
        count = len(found) - 1
        try:
            return _month(first.year, first.month - count, zone) if granularity == "month" else _day(
                first - timedelta(days=count), zone)
        except (ValueError, OverflowError):  # before the year 1
            break
    return 2 * begin - end


def offset(moment: int, zone: tzinfo) -> int:
    """Return the seconds by which the zone is ahead of UTC at a moment."""
    ahead = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())


def iso(moment: int, zone: tzinfo) -> str:
    """Write a moment as ISO 8601 with the zone's offset; in UTC with `Z`."""
    return periods.iso(moment) if zone is timezone.utc else datetime.fromtimestamp(moment, zone).isoformat()


def _next(moment: int, granularity: str, zone: tzinfo) -> int:
    """Return the first moment after this one at which an hour, a day or a month begins."""
    if granularity == "hour":
        return moment + periods.HOUR - (moment + offset(moment, zone)) % periods.HOUR
    local = datetime.fromtimestamp(moment, zone).date()
    if granularity == "month":
        return _month(local.year, local.month + 1, zone)
    return _day(local + timedelta(days=1), zone)


def _month(year: int, month: int, zone: tzinfo) -> int:
    """Return where a month begins; month 0 and 13 are those of the years beside."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return periods.LAST + 1 if year > 9999 else _day(date(year, month, 1), zone)


def _day(day: date, zone: tzinfo) -> int:
    # Of two local midnights the first is meant; one that there is not is, by the offset before, the moment of the change.
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
