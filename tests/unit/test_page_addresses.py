"""Addresses of pages: what is read from them, what links carry on, and where a browser may be sent."""

from __future__ import annotations

import pytest

from swiftstats.api.pages import asked, signin
from swiftstats.query.question import BadQuestion


def read(query: str, **changes):
    """Read an address."""
    return asked.read({"QUERY_STRING": query}, **changes)


def test_links_carry_everything_on():
    """A link has all that the page was asked for but what it changes; files have no pages; an empty field is none."""
    given = read("begin=2026-10&account_prefix=a%26b&limit=5&marker=x&units=si&timezone=")
    assert given.query(begin="today") == "?begin=today&account_prefix=a%26b&limit=5&marker=x&units=si"
    assert given.query(marker=None, units=None) == "?begin=2026-10&account_prefix=a%26b&limit=5"
    assert given.file(format="csv") == "?begin=2026-10&account_prefix=a%26b&format=csv"
    assert given.file(format="json", limit=5) == "?begin=2026-10&account_prefix=a%26b&format=json&limit=5"


@pytest.mark.parametrize("query", ["unit=si", "units=KB", "units=si&units=exact", "begin=%ff"])
def test_what_is_not_known_is_a_fault(query):
    """An unknown parameter, unknown units and what is no text are faults."""
    with pytest.raises(BadQuestion):
        read(query)


def test_accounts_have_a_page_whatever_their_name():
    """A name is percent-encoded as a whole; what a browser would take for a step in a path is a parameter."""
    assert asked.account_path("AUTH_a/b?c#d é") == "/accounts/AUTH_a%2Fb%3Fc%23d%20%C3%A9"
    assert asked.account_path("..") == "/accounts/?account=.."


@pytest.mark.parametrize(("next_", "place"), [
    ("/usage?begin=2026-10", "/usage?begin=2026-10"), ("/accounts/AUTH_%C3%A9", "/accounts/AUTH_%C3%A9"), ("", "/"),
    ("//evil", "/"), ("/\\evil", "/"), ("https://evil/", "/"), ("/\tevil", "/"), ("/a\r\nSet-Cookie: b", "/"), ("usage", "/"),
    ("///evil", "/"), ("http:/usage", "/"), ("/é", "/"), ("//[", "/"),
])
def test_nobody_is_sent_elsewhere(next_, place):
    """After signing in a browser goes to a page of ours, or to the first one."""
    assert signin.place(next_, "") == place


def test_below_another_path():
    """A service that is mounted below a path sends nobody above it."""
    assert signin.place("/stats/usage", "/stats") == "/stats/usage"
    assert signin.place("/usage", "/stats") == "/stats/"
