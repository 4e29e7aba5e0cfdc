"""`swiftstats usage --all`: the usage of many accounts, or of groups, in a terminal, a pipe or a file; the service's own tables.

In a terminal the first accounts and some figures, drawn by `rich` where it is there, and a count on stderr while more are read;
in a pipe every account, a row a line, separated by tabs, exact.
"""

from __future__ import annotations

import argparse
import sys
from typing import BinaryIO, Iterator, Optional

from sqlalchemy import Connection

from swiftstats.cli.progress import Progress
from swiftstats.config import Config
from swiftstats.fields import FIELDS
from swiftstats.query import selection, steps, table, table_question
from swiftstats.query.table import Stream
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_question import TableQuestion
from swiftstats.query.table_rows import Row
from swiftstats.represent import as_table, people, table_csv, table_formats
from swiftstats.represent.chunks import chunks
from swiftstats.represent.table_formats import FORMATS
from swiftstats.store import engine as store
from swiftstats.store import petnames

#: Accounts that a terminal shows where nobody says how many.
SHOWN = 100
#: Figures that a terminal shows where nobody says which: all of them are wider than it. Those of groups come twice.
FIGURES, OF_GROUPS = ("GET", "PUT", "bytes_in", "bytes_out"), ("GET", "bytes_out")
#: Arguments that are parameters of the question.
PARAMETERS = ("begin", "end", "timezone", "granularity", "by", "fields", "order", "limit", "account_prefix", "group")


def question_of(arguments: argparse.Namespace, config: Config, *, now: float, limited: bool) -> TableQuestion:
    """Return the question; raise BadQuestion. `limited`: a page of it is shown, where nobody asks for another number."""
    told = {name: getattr(arguments, name) for name in PARAMETERS if getattr(arguments, name) is not None}
    given = {name: value if isinstance(value, list) else [value] for name, value in told.items()}
    if arguments.final:
        given["final"] = ["required"]
    if arguments.period is not None:
        given["begin"] = [arguments.period]
    pages = arguments.format in ("json", "xml") or limited or "limit" in given
    if limited and "server" != arguments.by:
        given.setdefault("limit", [str(SHOWN)])
    if limited:
        shown = OF_GROUPS if "group" in (arguments.by or "") else FIGURES
        ordered = [field.name for field in FIELDS if given.get("order") == [f"-{field.name}"]]
        given.setdefault("fields", [",".join((*shown, *ordered))])
    found = table_question.ask(given, prefixes=config.reseller_prefix, period_seconds=config.period_seconds,
                              max_periods=config.max_periods, now=now, pages=pages)
    if arguments.format in FORMATS:
        table_formats.check(found, FORMATS[arguments.format])
    return found


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Print the table. Raises BadQuestion, NotFinal and SwiftStatsError."""
    out = sys.stdout.buffer
    engine = store.create(config.require("database"))
    store.check_schema(engine)
    with store.read(engine) as connection:
        now = store.now(connection)
        limited = arguments.format == "table" and out.isatty()
        question = question_of(arguments, config, now=now, limited=limited)
        if limited or arguments.limit is not None or arguments.format in ("json", "xml"):
            _page(connection, question, arguments.format, out, now)
        else:
            _stream(connection, question, arguments.format, out, now)
    out.flush()
    return 0


def about(header: TableHeader) -> str:
    """Say how final a table is."""
    through = header.complete_through
    told = "nothing is complete yet" if through is None else f"complete through {steps.iso(through, header.question.zone)}"
    return told + (f"; waiting for {', '.join(header.waiting_for)}" if header.waiting_for else "")


def _page(connection: Connection, question: TableQuestion, form: str, out: BinaryIO, now: float) -> None:
    everything = selection.select(question, everything=True, accounts=(), prefixes=())
    page = table.page(connection, question, everything, now=now)
    write = FORMATS.get(form)
    if write is None:
        called = question.by_account and out.isatty() and petnames.is_there(connection)
        rows = [row._replace(petname=people.petname(row.petname, any_=True)) for row in page.rows] if called else page.rows
        body = map(table_csv.row_writer(question, as_table.clean), rows)
        _say(page.header)
        out.write(as_table.drawn(table_csv.titles(question), list(body), aligned=out.isatty()).encode())
        if page.next is not None:
            of, more = ("groups", "--group") if question.by_group else ("accounts", "--account-prefix")
            print(f"More {of} follow: --limit N shows more, a pipe all of them; or {more}. The last one shown is "
                  f"{as_table.clean(table_question.marker_of(page.next))}.", file=sys.stderr)
    elif write.page is not None:
        out.write(write.page(page))
    elif write.stream is not None:
        out.writelines(write.stream(Stream(page.header, iter(page.rows))))


def _stream(connection: Connection, question: TableQuestion, form: str, out: BinaryIO, now: float) -> None:
    everything = selection.select(question, everything=True, accounts=(), prefixes=())
    found = table.stream(connection, question, everything, now=now)
    write = FORMATS.get(form)
    with Progress(sys.stderr) as progress:
        counted = Stream(found.header, progress.counted(found.rows))
        if write is not None and write.stream is not None:
            if form != "ndjson":
                _say(found.header)
            out.writelines(write.stream(counted))
        else:
            _say(found.header)
            out.writelines(chunks(_lines(question, counted.rows)))


def _lines(question: TableQuestion, rows: Iterator[Row]) -> Iterator[str]:
    write = table_csv.row_writer(question, as_table.clean)
    yield "\t".join(table_csv.titles(question)) + "\n"
    for row in rows:
        yield "\t".join(write(row)) + "\n"


def _say(header: TableHeader) -> None:
    """Say on stderr what stands above the rows."""
    question = header.question
    pairs: list[tuple[str, object]] = [
        ("Begin", steps.iso(question.begin, question.zone)), ("End", steps.iso(question.end, question.zone)),
        ("Final", "yes" if header.final else f"no: {about(header)}")]
    if header.unknown_groups:
        pairs.append(("Unknown group", ", ".join(header.unknown_groups)))
    for name, starts in (("Incomplete", header.incomplete), ("Corrected", header.corrected)):
        if starts:
            pairs.append((name, ", ".join(as_table.spans(starts, question.period_seconds))))
    print(as_table.pairs(pairs, aligned=True), end="", file=sys.stderr)


def fault_name(parameter: Optional[str]) -> str:
    """Return what a parameter is called here."""
    return f"--{(parameter or '').replace('_', '-')}"
