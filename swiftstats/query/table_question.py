"""One question about the usage of many accounts: read from text, checked, with every fault listed at once.

The HTTP service, its pages and the command line ask through here. A parameter that is not known is a fault: what is mistyped
would change the answer unnoticed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timezone, tzinfo
from typing import Mapping, Optional, Sequence

from swiftstats import periods, petnames
from swiftstats.errors import TimeError
from swiftstats.fields import COLUMNS, FIELDS, SPACE_COLUMNS, SPACE_COUNTS, Column, Field
from swiftstats.query import steps
from swiftstats.query.question import BadQuestion, Fault, boundary, fault, resolve

#: Accounts of a page, and the most of them.
LIMIT, MOST = 1000, 1000
BY = ("account", "group", "server")
#: What a request may give, and what it gives if it does not; those of REPEATED more than once.
PARAMETERS = ("begin", "end", "timezone", "granularity", "by", "account", "account_prefix", "group", "fields", "order", "limit",
              "marker", "final")
REPEATED = ("account", "account_prefix", "group")
#: How the figures of a group begin: of the accounts that are called just so, and with all below it.
OWN, TOTAL = "own_", "total_"
#: How a marker is written that is no UTF-8, or that could be taken for one written so.
_HEX = "hex:"

_BY_NAME = {column.name: column for column in COLUMNS}
_SPACE_MAX = _BY_NAME["space_max"]
_ORDERS = {f"-{field.name}": field for field in FIELDS}


@dataclass(frozen=True)
class TableQuestion:
    """What is asked of many accounts: begin <= t < end, in UTC, cut into steps at `edges` (the first begin, the last end)."""

    begin: int
    end: int
    period_seconds: int
    zone_name: str
    zone: tzinfo
    granularity: str
    edges: tuple[int, ...]
    by: tuple[str, ...]  #: of BY, in this order
    asked: tuple[tuple[str, bytes], ...]  #: accounts by name, as given and as stored
    prefixes: tuple[bytes, ...]  #: accounts that begin so
    groups: tuple[str, ...]  #: accounts whose petname is, or lies in, one of these; with none of the three, all
    columns: tuple[Column, ...]
    order: Optional[Field]  #: greatest first; None: by account
    limit: int
    marker: Optional[bytes]  #: accounts after this one
    final: bool  #: only if it is final

    @property
    def by_account(self) -> bool:
        """Whether each account has rows of its own."""
        return "account" in self.by

    @property
    def by_group(self) -> bool:
        """Whether each group of petnames has rows of its own."""
        return "group" in self.by

    @property
    def by_server(self) -> bool:
        """Whether each server has rows of its own."""
        return "server" in self.by

    @property
    def io(self) -> tuple[int, ...]:
        """The places in FIELDS of the columns about requests and bytes."""
        return tuple(number for number, field in enumerate(FIELDS) if _BY_NAME[field.name] in self.columns)

    @property
    def space(self) -> tuple[int, ...]:
        """The places in SPACE_COLUMNS of the columns about space."""
        return tuple(number for number, column in enumerate(SPACE_COLUMNS) if column in self.columns)

    @property
    def figures(self) -> tuple[Column, ...]:
        """What each row's values are: io, then space, then how much of the latter was measured; of a group each twice."""
        found = (*(_BY_NAME[FIELDS[number].name] for number in self.io), *(SPACE_COLUMNS[number] for number in self.space),
                 *(SPACE_COUNTS if self.space else ()))
        if not self.by_group:
            return found
        return tuple(column._replace(name=of + column.name) for column in found for of in (OWN, TOTAL))


def ask(given: Mapping[str, Sequence[str]], *, prefixes: Sequence[str], period_seconds: int, max_periods: int, now: float,
        pages: bool = True, faults: Sequence[Fault] = ()) -> TableQuestion:
    """Check parameters, as text, and return the question; raise BadQuestion with all faults.

    `pages`: the answer comes in pages, else as a stream, which takes neither limit nor marker. `faults` are those that were
    found already.
    """
    reader = _Reader(given, list(faults))
    zone_name, zone = reader.zone()
    begin, end = reader.range(zone, period_seconds, now)
    by = reader.words("by", BY, "account")
    granularity = reader.choice("granularity", steps.GRANULARITIES)
    order = _ORDERS.get(reader.choice("order", ("account", *_ORDERS)))
    by_name = reader.accounts("account", prefixes)
    found = TableQuestion(
        begin=begin, end=end, period_seconds=period_seconds, zone_name=zone_name, zone=zone, granularity=granularity,
        edges=reader.edges(begin, end, granularity, zone, period_seconds, max_periods), by=by, asked=by_name,
        prefixes=tuple(raw for _, raw in reader.accounts("account_prefix", prefixes)), groups=reader.groups(),
        columns=reader.columns(by), order=order, limit=reader.limit(), marker=reader.marker(),
        final=reader.choice("final", ("no", "required")) == "required")
    reader.check(found, pages)
    if reader.faults:
        raise BadQuestion(reader.faults)
    return found


def marker_of(name: bytes) -> str:
    """Write an account's name as a marker."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return _HEX + name.hex()
    return _HEX + name.hex() if text.startswith(_HEX) else text


class _Reader:
    """Reads parameters, and gathers what is wrong with them; what could not be read has a value that will do meanwhile."""

    def __init__(self, given: Mapping[str, Sequence[str]], faults: list[Fault]) -> None:
        self.given, self.faults = given, faults
        for name, values in given.items():
            if name not in PARAMETERS:
                self._fault(name, " and ".join(values), f"one of {', '.join((*PARAMETERS, 'format'))}")
            elif len(values) > 1 and name not in REPEATED:
                self._fault(name, " and ".join(values), f"one {name}, not {len(values)}")

    def _fault(self, name: str, value: str, expected: str) -> None:
        self.faults.append(fault(name, value, expected))

    def _text(self, name: str) -> Optional[str]:
        values = self.given.get(name)
        return values[0] if values else None

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return one of some words; the first is the default."""
        value = self._text(name)
        if value is None or value in choices:
            return choices[0] if value is None else value
        self._fault(name, value, f"one of {', '.join(choices)}")
        return choices[0]

    def words(self, name: str, choices: Sequence[str], default: str) -> tuple[str, ...]:
        """Return some of the choices, in their order, from words separated by commas."""
        value = self._text(name)
        chosen = [word.strip() for word in (default if value is None else value).split(",")]
        if set(chosen) <= set(choices):
            return tuple(word for word in choices if word in chosen)
        self._fault(name, value or "", f"one or more of {', '.join(choices)}, separated by commas")
        return (default,)

    def zone(self) -> tuple[str, tzinfo]:
        name = self._text("timezone")
        try:
            return name or "UTC", timezone.utc if name is None else steps.zone_of(name)
        except ValueError:
            self._fault("timezone", name or "", "the IANA name of a time zone, such as Europe/Berlin or UTC")
            return "UTC", timezone.utc

    def range(self, zone: tzinfo, period_seconds: int, now: float) -> tuple[int, int]:
        """Return begin and end: this month, where neither is given."""
        wanted = len(self.faults)
        first = self._text("begin") or "this-month"
        begin, ends = self._moment("begin", first, zone, now)
        end = ends
        if "end" in self.given:
            end, _ = self._moment("end", self._text("end") or "", zone, now)
        elif end is None and len(self.faults) == wanted:
            self._fault("end", "", f"{steps.EXPECTED}; it is needed where begin names a moment")
        if len(self.faults) > wanted or end is None:
            return 0, period_seconds
        for name, moment in (("begin", begin), ("end", end)):
            if not self._whole(name, moment, zone, period_seconds):
                return 0, period_seconds
        if end <= begin:
            self._fault("end", self._text("end") or "", f"a time after begin, {steps.iso(begin, zone)}")
            return 0, period_seconds
        return begin, end

    def _whole(self, name: str, moment: int, zone: tzinfo, period_seconds: int) -> bool:
        """Tell whether a moment is a period's boundary; the zone is to blame where it is one there."""
        if moment % period_seconds == 0 and moment <= periods.LAST:
            return True
        if (moment + steps.offset(moment, zone)) % period_seconds == 0:
            self._zone_fault(steps.offset(moment, zone), period_seconds)
        else:
            self._fault(name, self._text(name) or "", boundary(moment, period_seconds))
        return False

    def _zone_fault(self, offset: int, period_seconds: int) -> None:
        if any(each.parameter == "timezone" for each in self.faults):
            return
        would_do = math.gcd(abs(offset), periods.HOUR)
        hours, minutes = divmod(abs(offset) // 60, 60)
        self._fault("timezone", self._text("timezone") or "UTC",
                    f"a time zone whose offset is a multiple of the site's period of {period_seconds} seconds: this one's is "
                    f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}; UTC would do, or "
                    f"period_seconds = {would_do} on the site")

    def _moment(self, name: str, text: str, zone: tzinfo, now: float) -> tuple[int, Optional[int]]:
        try:
            return steps.span(text, zone, now)
        except TimeError as error:
            self._fault(name, text, error.expected)
            return 0, None

    def edges(self, begin: int, end: int, granularity: str, zone: tzinfo, period_seconds: int, max_periods: int,
              ) -> tuple[int, ...]:
        shortest = {"total": end - begin, "period": period_seconds, "hour": periods.HOUR, "day": 23 * periods.HOUR,
                    "month": 28 * periods.DAY}[granularity]
        if (end - begin) // shortest > max_periods:
            self._fault("granularity", granularity, f"at most {max_periods} steps: a longer step, or a shorter range")
            return begin, end
        found = steps.edges(begin, end, granularity, zone, period_seconds=period_seconds)
        for edge in found:
            if edge % period_seconds or steps.offset(edge, zone) % period_seconds:
                self._zone_fault(steps.offset(edge, zone), period_seconds)
                break
        return tuple(found)

    def accounts(self, name: str, prefixes: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
        """Return (as given, as stored) of names or beginnings, each once."""
        found: dict[bytes, str] = {}
        for value in self.given.get(name, ()):
            try:
                found.setdefault(resolve(value, prefixes), value)
            except ValueError as error:
                self._fault(name, value, str(error))
        return tuple((asked, raw) for raw, asked in found.items())

    def groups(self) -> tuple[str, ...]:
        """Return groups as petnames are stored, each once."""
        found: dict[str, None] = {}
        for value in self.given.get("group", ()):
            try:
                found.setdefault(petnames.checked(value))
            except ValueError as error:
                self._fault("group", value, f"a group such as physics/lab1: {error}")
        return tuple(found)

    def columns(self, by: Sequence[str]) -> tuple[Column, ...]:
        of_server = "server" in by
        # The greatest of several accounts are not at the same time: added up, they would be what there never was.
        without = SPACE_COLUMNS if of_server else (_SPACE_MAX,) if "group" in by else ()
        value = self._text("fields")
        if value is None:
            return tuple(column for column in COLUMNS if column not in without)
        chosen = [word.strip() for word in value.split(",")]
        unknown = [word for word in chosen if word not in _BY_NAME]
        if unknown:
            self._fault("fields", ", ".join(unknown), f"some of {', '.join(_BY_NAME)}, separated by commas")
            return COLUMNS
        found = tuple(column for column in COLUMNS if column.name in chosen)
        if of_server and any(column in SPACE_COLUMNS for column in found):
            self._fault("fields", value, "only fields of requests and bytes: space is not told by server")
        elif any(column in without for column in found):
            self._fault("fields", value, f"fields other than {_SPACE_MAX.name}: that of several accounts is no sum")
        return found

    def limit(self) -> int:
        value = self._text("limit")
        if value is None:
            return LIMIT
        if value.isascii() and value.isdigit() and 1 <= int(value) <= MOST:
            return int(value)
        self._fault("limit", value, f"a number of accounts from 1 to {MOST}")
        return LIMIT

    def marker(self) -> Optional[bytes]:
        value = self._text("marker")
        if value is None or not value.startswith(_HEX):
            return value if value is None else value.encode("utf-8", "surrogateescape")
        try:
            return bytes.fromhex(value[len(_HEX):])
        except ValueError:
            self._fault("marker", value, "what `next` of the page before was")
            return None

    def check(self, question: TableQuestion, pages: bool) -> None:
        """Find what does not go together."""
        marker, limit = self._text("marker"), self._text("limit")
        if question.by_account and question.by_group:
            self._fault("by", ",".join(question.by), "account or group: an account's row has its petname")
        if question.by_group and question.groups and (question.asked or question.prefixes):
            self._fault("group", " and ".join(question.groups), "no account or account_prefix beside it, with rows by group")
        if question.order is not None:
            if not question.by_account:
                self._fault("order", self._text("order") or "", "account: only accounts can be put in order")
            if marker is not None:
                self._fault("marker", marker, f"nothing: a top list has one page, of {MOST} accounts at most")
        elif not (pages and (question.by_account or question.by_group)):
            why = "a row per server has no pages" if pages else "a stream gives all accounts, and takes no limit and no marker"
            for name, value in (("limit", limit), ("marker", marker)):
                if value is not None:
                    self._fault(name, value, f"nothing: {why}")
