"""Tables of accounts by server, turned: a row per account, or account and step, with its figures by server.

Of a server that nobody ever heard of there are none, which is not zero; of one that is late there are those that it sent, and
what they add up to is partial.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Iterator, Mapping, Optional

from swiftstats.query.table import Page
from swiftstats.query.table_rows import Row, Values

#: What a usage is, where no fields are named.
USAGE = ("bytes_in", "bytes_out")


@dataclass(frozen=True)
class ServerRow:
    """One row; `usage` by server, figures in the order of the question's, None of a server that nobody ever heard of.

    `partial`: what it adds up to is not all that the servers have counted.
    """

    account: bytes
    petname: Optional[str]
    time: int
    usage: Mapping[str, Optional[Values]]
    partial: bool


def turned(page: Page, *, stepped: bool) -> Iterator[ServerRow]:
    """Yield the rows of a page whose rows are by account and server; `stepped`: each step is a row, else all are added up."""
    header = page.header
    question = header.question
    ends = dict(zip(question.edges, question.edges[1:]))
    nothing: Values = (0,) * len(question.figures)
    for account, rows in groupby(page.rows, key=lambda row: row.account):
        by_time: dict[int, list[Row]] = {}
        for row in rows:
            by_time.setdefault(row.time if stepped else question.begin, []).append(row)
        for time, of_time in sorted(by_time.items()):
            counted: dict[Optional[str], Values] = {}
            for row in of_time:
                before = counted.get(row.server)
                counted[row.server] = row.values if before is None else added(before, row.values)
            usage = {each.name: None if each.as_of is None else counted.get(each.name, nothing) for each in header.servers}
            yield ServerRow(account or b"", of_time[0].petname, time, usage,
                            not header.complete(ends[time] if stepped else question.end))


def added(one: Values, other: Values) -> Values:
    """Return the sums of figures, of those that are known; None where neither is."""
    return tuple(right if left is None else left if right is None else left + right for left, right in zip(one, other))
