"""The line that says how far long work is: on a terminal, now and then, and gone in the end."""

from __future__ import annotations

import io

import pytest

from swiftstats.cli.progress import EVERY, Progress


class Screen(io.StringIO):
    """What a terminal is sent, or a pipe."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def test_a_terminal_sees_it_now_and_then() -> None:
    """It is written when it is time to, over what was there, and taken away in the end, after a failure too."""
    screen, moments = Screen(True), iter([0.0, 0.1, EVERY, EVERY, EVERY + 0.1])
    with pytest.raises(ValueError), Progress(screen, clock=lambda: next(moments)) as progress:
        progress.show("too early".format)
        progress.show("{} of {}".format, 1, 2)
        progress.show("too soon".format)
        raise ValueError
    assert screen.getvalue() == "\r\x1b[K1 of 2\r\x1b[K"


def test_rows_are_counted_and_left_as_they_are() -> None:
    """Rows pass as they are, and a terminal sees how many there were."""
    screen, moments = Screen(True), iter(range(99))
    with Progress(screen, clock=lambda: next(moments)) as progress:
        assert list(progress.counted(iter(range(1250)))) == list(range(1250))
    assert "1,200 rows" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")


def test_nobody_looks() -> None:
    """Nothing at all is written where there is no terminal."""
    screen = Screen(False)
    with Progress(screen, clock=iter(range(999)).__next__) as progress:
        progress.show("something".format)
        assert list(progress.counted(iter(range(300)))) == list(range(300))
    assert screen.getvalue() == ""
