"""Read the parameters of tables of many accounts from the URL. What is not known is a fault here, unlike of one account's.

Headers are not looked at, but `Accept`, where no format is named.
"""

from __future__ import annotations

from typing import Any, Mapping

from swiftstats.api.params import split
from swiftstats.config import Config
from swiftstats.names import text_of
from swiftstats.query import table_question
from swiftstats.query.question import BadQuestion, Fault, fault
from swiftstats.query.table_question import TableQuestion
from swiftstats.represent import by_server, negotiate, table_formats
from swiftstats.represent.table_formats import TableFormat


class TableGiven:
    """What a request gives: `values` by parameter, each as often as it came; `format`: how to answer."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self.values: dict[str, list[str]] = {}
        self.faults: list[Fault] = []
        self.accept: str | None = environ.get("HTTP_ACCEPT")
        for name, value in split(environ.get("QUERY_STRING", "").encode("latin-1")):
            try:
                self.values.setdefault(name, []).append(value.decode("utf-8"))
            except UnicodeDecodeError:
                self.faults.append(fault(name, text_of(value), "text in UTF-8"))
        self.acceptable = True
        self.format = self._format(self.values.pop("format", []), self.values.pop("t", []))

    @property
    def errors(self) -> negotiate.Format:
        """How to write errors."""
        return self.format.errors

    def _format(self, named: list[str], aggregate: list[str]) -> TableFormat:
        if len(named) + len(aggregate) > 1:
            self.faults.append(fault("format", " and ".join([*named, *aggregate]), "one format"))
            return table_formats.DEFAULT
        if aggregate:
            if aggregate != ["json"]:
                self.faults.append(fault("t", aggregate[0], "json"))
            self.values.setdefault("by", ["account,server"])
            self.values.setdefault("fields", [",".join(by_server.USAGE)])
            return table_formats.AGGREGATE
        try:
            return table_formats.named(named[0]) if named else table_formats.accepted(self.accept)
        except negotiate.UnknownFormat:
            self.faults.append(fault("format", named[0], f"one of {', '.join(table_formats.FORMATS)}"))
        except negotiate.NotAcceptable:
            self.acceptable = False
        return table_formats.DEFAULT

    def question(self, config: Config, *, now: float) -> TableQuestion:
        """Return the question that is asked; raise NotAcceptable, or BadQuestion with all faults."""
        self.check_acceptable()
        question = table_question.ask(
            self.values, prefixes=config.reseller_prefix, period_seconds=config.period_seconds, max_periods=config.max_periods,
            now=now, pages=self.format.page is not None, faults=self.faults)
        table_formats.check(question, self.format)
        return question

    def only(self, *names: str) -> None:
        """Raise NotAcceptable, or BadQuestion where anything but these parameters is given."""
        self.check_acceptable()
        unknown = [fault(name, " and ".join(values), f"one of {', '.join((*names, 'format'))}")
                   for name, values in self.values.items() if name not in names]
        if self.faults or unknown:
            raise BadQuestion([*self.faults, *unknown])

    def check_acceptable(self) -> None:
        """Raise NotAcceptable where the request's `Accept` takes none of the formats."""
        if not self.acceptable:
            raise negotiate.NotAcceptable(self.accept or "")
