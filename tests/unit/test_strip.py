"""How final a page says it is: who holds it up, since when, and what to do; tenants are told no names."""

from __future__ import annotations

from swiftstats.api.pages import strip
from swiftstats.query.standing import FINAL, HELD, OPEN, Standing
from swiftstats.store.status import ServerStatus

HOUR = 3600
#: 2026-11-21 14:00:00 UTC.
T = 1_795_269_600


def server(name: str, closed: int, flushed: int | None = T) -> ServerStatus:
    """Return a server that is waited for."""
    return ServerStatus(name, None, T - 100 * HOUR, None, closed, flushed, 0, 0, ())


def standing(*servers: ServerStatus, now: int = T + 2220) -> Standing:
    """Return a site of these servers."""
    closed = [each.closed_through for each in servers if each.closed_through is not None]
    return Standing(now, HOUR, min(closed, default=None), servers)


def test_a_closed_range_is_final():
    """A range that every server has closed is final; what was lost in it is said."""
    assert strip.of_range(standing(server("a", T)), T - HOUR, T).state == FINAL
    said = strip.of_range(standing(server("a", T)), T - 5 * HOUR, T, lost_periods=2)
    assert said.state == FINAL and "2 periods of it lack what was lost." in said.text and said.link is not None


def test_the_running_period_holds_nothing_up():
    """While every server has closed all that is over, nobody is waited for, and the page says when the period ends."""
    said = strip.of_range(standing(server("a", T), server("b", T)), T - HOUR, T + 100 * HOUR)
    assert said.state == OPEN
    assert said.text == ("Complete through 2026-11-21 14:00 UTC (37 minutes ago); the running period ends 2026-11-21 15:00 UTC.")


def test_a_late_server_is_waited_for_by_name():
    """A server that has not closed what is over is named; many are counted."""
    said = strip.of_range(standing(server("a", T), server("b", T - HOUR)), T - HOUR, T + HOUR)
    assert said.state == OPEN and said.text.endswith("waiting for b.")
    many = strip.of_range(standing(server("x", T), *(server(f"p{n}", T - HOUR) for n in range(5))), T - HOUR, T + HOUR)
    assert many.text.endswith("waiting for p0, p1, p2 and 2 more.")


def test_a_silent_server_holds_the_site_up():
    """A server three periods behind is named with how long it has been silent, and with the command that gives it up."""
    said = strip.of_range(standing(server("a", T), server("proxy-07", T - 77 * HOUR, T - 72 * HOUR)), T - HOUR, T + HOUR)
    assert (said.state, said.verdict) == (HELD, "Not final: held up since 2026-11-18 09:00 UTC.")
    assert said.text == "proxy-07 silent for 3 days."
    assert [each.line for each in said.commands] == ["swiftstats server retire proxy-07"]
    never = strip.of_site(standing(server("a", T), server("b c", T - 9 * HOUR, None)))
    assert never.text == "b c has never sent anything." and never.commands[0].line == "swiftstats server retire 'b c'"


def test_tenants_are_told_no_names():
    """Without names nothing names a server, neither words nor commands nor links."""
    for late in (server("proxy-07", T - HOUR), server("proxy-07", T - 9 * HOUR)):
        said = strip.of_range(standing(server("a", T), late), T - HOUR, T + HOUR, names=False)
        assert "1 server" in said.text and "proxy" not in repr(said) and not said.commands and said.link is None


def test_what_has_not_begun_and_what_nobody_counted():
    """A range in the future has not begun; a site where nothing is complete says so."""
    assert strip.of_range(standing(server("a", T)), T + 99 * HOUR, T + 100 * HOUR).verdict == "Not begun."
    assert strip.of_range(standing(), T - HOUR, T + HOUR).text.startswith("Nothing is complete yet")
    assert strip.of_site(standing(server("a", T))).verdict == "Up to date."
