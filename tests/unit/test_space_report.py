"""A report of space: what cannot be stored as it is is refused when it is made, and named."""

from __future__ import annotations

from typing import Any

import pytest

from swiftstats.store.space_report import PolicyFigures, Report, UnfitReport, figures_of
from tests.support.levels import report


@pytest.mark.parametrize("figure", ["containers", "objects", "size"])
@pytest.mark.parametrize("value", [2**63, -1, 1.0, float(2**63), None, True, "1"])
def test_figures_that_do_not_fit(figure: str, value: Any) -> None:
    """What is above 2^63-1, negative, or no integer is no figure: it is refused with the account's name, never rounded."""
    with pytest.raises(UnfitReport, match="^account AUTH_7f6a: .*2\\^63-1"):
        report(**{figure: value})


def test_parts_that_do_not_fit() -> None:
    """The same holds for a policy and for a container, which are named too."""
    with pytest.raises(UnfitReport, match="bytes of policy gold: 9223372036854775808"):
        report(policies=(PolicyFigures("gold", None, 1, 2**63),))
    with pytest.raises(UnfitReport, match="objects of container b'c': 1.5"):
        report(containers_by_name=((b"c", 1.5, 1),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no container's name"):
        report(containers_by_name=((b"", 1, 1),))


@pytest.mark.parametrize("name", [b"", b"a\0b", b"a/b", b"x" * 257, "text"])
def test_names_that_do_not_fit(name: Any) -> None:
    """A name with NUL, a slash, or of more than 256 bytes is refused, since no account can have it."""
    with pytest.raises(UnfitReport, match="no account's name"):
        report(account=name)


@pytest.mark.parametrize("wrong", [
    {"status": "gone"}, {"position": -1}, {"read_at": 1.5}, {"replica": ""}, {"replica": "x" * 513}])
def test_other_nonsense(wrong: dict[str, Any]) -> None:
    """A status, position, time or replica that cannot be is refused."""
    with pytest.raises(UnfitReport):
        report(**wrong)


@pytest.mark.parametrize("status", ["deleted", "missing"])
def test_who_is_gone_occupies_nothing(status: str) -> None:
    """The figures that a deleted database still has are not written, and may be anything."""
    gone = report(status=status, size=-5, policies=(PolicyFigures("gold", 1, 2, 3),))
    assert gone.row()[3:] == (0, 0, 0, -1, b"")


def test_policies_are_written_one_way() -> None:
    """Policies in any order are the same bytes, so that the same report is the same row; they come back exactly."""
    policies = (PolicyFigures("ü,\"", None, 0, 2**63 - 1), PolicyFigures("gold", 1, 2, 3))
    one, other = (Report(b"a", "r", 0, 1, "active", 1, 2, 3, order) for order in (policies, policies[::-1]))
    assert one.row() == other.row()
    assert figures_of(one.row()[-1]) == policies[::-1] and figures_of(b"") == ()
