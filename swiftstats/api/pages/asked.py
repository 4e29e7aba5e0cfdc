"""What a page's address asks for: parameters of the table, and the pages' own; and addresses made of it for links.

The whole state of a page is in its address. An empty field of a form is as good as none; an unknown parameter is a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence
from urllib.parse import quote, urlencode

from swiftstats.api.params import split
from swiftstats.names import text_of
from swiftstats.query.question import BadQuestion, Fault, fault
from swiftstats.query.table_question import PARAMETERS
from swiftstats.represent import people

#: Parameters of pages alone: how bytes are written; `format` chose the page already.
OWN = ("units", "format")
#: What a file takes over only where it is said: most have all accounts.
_NOT_OF_FILES = ("limit", "marker")


@dataclass(frozen=True)
class Asked:
    """`given`: parameters of the table, as text; `units`: how bytes are written."""

    given: Mapping[str, tuple[str, ...]]
    units: str

    def text(self, name: str) -> Optional[str]:
        """Return a parameter that comes once; None where it was not given."""
        values = self.given.get(name)
        return values[0] if values else None

    def query(self, **changes: Any) -> str:
        """Return a query string with changes, `?` included; None takes a parameter away."""
        given: dict[str, Any] = {**self.given, **({} if self.units == people.BINARY else {"units": self.units}), **changes}
        return _query({name: value for name, value in given.items() if value is not None})

    def file(self, **changes: Any) -> str:
        """Return the query string of the same as a file."""
        given = {**{name: value for name, value in self.given.items() if name not in _NOT_OF_FILES}, **changes}
        return _query({name: value for name, value in given.items() if value is not None})


def read(environ: Mapping[str, Any], *, known: Sequence[str] = PARAMETERS, fixed: Sequence[str] = ()) -> Asked:
    """Read an address; raise BadQuestion. `known`: parameters that this page takes, `fixed`: those that it sets itself."""
    given: dict[str, tuple[str, ...]] = {}
    faults: list[Fault] = []
    may = [name for name in (*known, *OWN) if name not in fixed]
    for name, raw in split(environ.get("QUERY_STRING", "").encode("latin-1")):
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError:
            faults.append(fault(name, text_of(raw), "text in UTF-8"))
            continue
        if name not in may:
            faults.append(fault(name, value, f"one of {', '.join(may)}"))
        elif value.strip():
            given[name] = (*given.get(name, ()), value)
    units = given.pop("units", (people.BINARY,))
    given.pop("format", None)
    if len(units) > 1 or units[0] not in people.UNITS:
        faults.append(fault("units", " and ".join(units), f"one of {', '.join(people.UNITS)}"))
    if faults:
        raise BadQuestion(faults)
    return Asked(given, units[0])


def account_path(name: str) -> str:
    """Return the page of an account. `.` and `..` are no part of a path that a browser would send."""
    if name in (".", ".."):
        return "/accounts/?account=" + name
    return "/accounts/" + quote(name, safe="")


def _query(given: Mapping[str, Any]) -> str:
    written = urlencode(given, doseq=True, safe=":,-")
    return "?" + written if written else ""
