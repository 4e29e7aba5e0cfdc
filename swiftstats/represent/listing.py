"""Plain lists of what there is (accounts, servers, fields), in every format of tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Iterator, Optional, Sequence

from swiftstats.represent.as_csv import CUT, cell
from swiftstats.represent.as_xml import DECLARATION, escape
from swiftstats.represent.chunks import chunks


@dataclass(frozen=True)
class Listing:
    """Rows of values (text, numbers, None, bool) under `columns`; `name` says what they are. `next`: of a page."""

    name: str
    item: str
    columns: tuple[str, ...]
    rows: Iterator[Sequence[Any]]
    next: Optional[str] = None


def write(form: str, listing: Listing) -> Iterator[bytes]:
    """Write a listing as json, ndjson, csv or xml, in chunks."""
    yield from chunks(_WRITERS[form](listing), cut=CUT if form == "csv" else "")


def _json(listing: Listing) -> Iterator[str]:
    yield f'{{"{listing.name}": ['
    separator = ""
    for row in listing.rows:
        yield separator + json.dumps(dict(zip(listing.columns, row)))
        separator = ",\n"
    yield f'], "next": {json.dumps(listing.next)}}}\n'


def _ndjson(listing: Listing) -> Iterator[str]:
    number = 0
    for row in listing.rows:
        number += 1
        yield json.dumps(dict(zip(listing.columns, row))) + "\n"
    yield json.dumps({"rows": number}) + "\n"


def _csv(listing: Listing) -> Iterator[str]:
    yield ",".join(listing.columns) + "\r\n"
    for row in listing.rows:
        yield ",".join(cell(_text(value)) for value in row) + "\r\n"


def _xml(listing: Listing) -> Iterator[str]:
    yield f"{DECLARATION}<{listing.name}>"
    for row in listing.rows:
        elements = (f'<{name} nil="true"/>' if value is None else f"<{name}>{escape(_text(value))}</{name}>"
                    for name, value in zip(listing.columns, row))
        yield f"\n<{listing.item}>{''.join(elements)}</{listing.item}>"
    yield f"{'' if listing.next is None else f'<next>{escape(listing.next)}</next>'}</{listing.name}>\n"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


_WRITERS = {"json": _json, "ndjson": _ndjson, "csv": _csv, "xml": _xml}
