"""Names as tables of many accounts write them, and in which columns."""

from __future__ import annotations

from swiftstats.query.table_question import TableQuestion


def keys(question: TableQuestion) -> tuple[str, ...]:
    """Return what says of a row what it is of: in this order, and as `cells` has them."""
    of = ("account", "petname") if question.by_account else ("group",) if question.by_group else ()
    return (*of, *(("server",) if question.by_server else ()),
            *(() if question.granularity == "total" else ("time",)), "complete")
