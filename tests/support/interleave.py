"""Run processes of a protocol in every order: the real code, stopped at each access to what they share.

Each process is a function run in a greenlet that calls `step()` where another process could come in between, and `note(value)`
with what it then saw. `explore` runs the scenario once per schedule, depth first. A schedule is abandoned where every process
has seen just what it had seen in an earlier one: each shared word has one writer, so what follows is known.
"""

from __future__ import annotations

from typing import Callable, Iterator

import greenlet


class Explorer:
    """Runs a scenario under every schedule. `make(explorer)` returns its processes by name; `check()` is asked after each."""

    def __init__(self) -> None:
        self._main = greenlet.getcurrent()
        self._blocked: set[greenlet.greenlet] = set()
        self._traces: dict[greenlet.greenlet, list[object]] = {}
        self._known: set[object] = set()
        self._abandoned = False
        self.schedules = 0

    def step(self) -> None:
        """Let any process go on from here."""
        if greenlet.getcurrent() is not self._main and not self._abandoned:
            self._main.switch()

    def note(self, value: object) -> None:
        """Remember what this process saw at its step."""
        trace = self._traces.get(greenlet.getcurrent())
        if trace is not None:
            trace.append(value)

    def inside(self) -> bool:
        """Tell whether a process of the scenario is running, not its set-up or check."""
        return greenlet.getcurrent() is not self._main

    def wait(self) -> None:
        """Let others go on; this process only after one of them has."""
        current = greenlet.getcurrent()
        if current is not self._main and not self._abandoned:
            self._blocked.add(current)
            self._main.switch()

    def explore(self, make: Callable[[], tuple[dict[str, Callable[[], None]], Callable[[], None]]]) -> Iterator[str]:
        """Yield each schedule (a word of the processes' initials) after it ran and was checked."""
        prefix: list[int] = []
        while True:
            choices, enabled_counts, word = self._run(make, prefix)
            self.schedules += 1
            yield word
            while choices and choices[-1] + 1 >= enabled_counts[len(choices) - 1]:
                choices.pop()
            if not choices:
                return
            choices[-1] += 1
            prefix = choices

    def _run(self, make: Callable[[], tuple[dict[str, Callable[[], None]], Callable[[], None]]],
             prefix: list[int]) -> tuple[list[int], list[int], str]:
        processes, check = make()
        running = {name: greenlet.greenlet(body, self._main) for name, body in processes.items()}
        self._traces = {one: [] for one in running.values()}
        self._blocked.clear()
        choices: list[int] = []
        counts: list[int] = []
        word = ""
        while any(not one.dead for one in running.values()):
            seen = tuple(tuple(trace) for trace in self._traces.values())
            if len(choices) > len(prefix) and seen in self._known:
                self._abandon(running)
                return choices, counts, word
            self._known.add(seen)
            enabled = [name for name, one in running.items() if not one.dead and one not in self._blocked]
            assert enabled, f"nobody can go on after {word}"
            choice = prefix[len(choices)] if len(choices) < len(prefix) else 0
            choices.append(choice)
            counts.append(len(enabled))
            name = enabled[choice]
            word += name[0]
            self._blocked -= {one for other, one in running.items() if other != name}
            self._traces[running[name]].append("step")
            running[name].switch()
        try:
            check()
        except AssertionError as error:
            raise AssertionError(f"schedule {word}: {error}") from error
        return choices, counts, word

    def _abandon(self, running: dict[str, greenlet.greenlet]) -> None:
        self._abandoned = True
        for one in running.values():
            one.throw()
        self._abandoned = False


class Words:
    """A mapped view whose accesses are steps."""

    def __init__(self, view: memoryview, explorer: Explorer, traced: Callable[[int], bool]) -> None:
        self.view, self._explorer, self._traced = view, explorer, traced

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, int) and self._traced(index):
            self._explorer.step()
            self._explorer.note(self.view[index])
        return self.view[index]

    def __setitem__(self, index: int, value: int) -> None:
        if self._traced(index):
            self._explorer.step()
        self.view[index] = value

    def __len__(self) -> int:
        return len(self.view)

    def tobytes(self) -> bytes:
        return self.view.tobytes()

    def release(self) -> None:
        self.view.release()
