"""Start this host's flusher from a proxy worker, where `flush = spawn`: by exec, in a session of its own, inheriting nothing.

Any worker may start one; `flusher.lock` elects, and who loses exits at once. Nothing here waits: the worker's hub goes on.
Not for a host that often serves nothing: there a dead flusher waits for the next request (`flush = external`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from typing import Any, Dict, List, Mapping, Optional

from swiftstats.journal.spool import Spool

#: A worker looks after the flusher at most once in so many seconds.
LOOK_SECONDS = 60.0

#: The inline options, JSON, database included: environment is private to the user, argv is not.
OPTIONS_VARIABLE = "SWIFTSTATS_OPTIONS"

#: What of the worker's environment a Python needs to come up as the same Python.
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")


class Spawner:
    """Sees to it that a flusher runs on this spool; `due` is when to call `look` next (monotonic seconds).

    `options` are the filter's own, as texts. One object per process; a race between threads starts two flushers, of which one
    exits.
    """

    def __init__(self, spool: str, options: Mapping[str, str], *, logger: Any, command: Optional[List[str]] = None) -> None:
        self.due = float("-inf")
        self._spool = Spool(spool)
        self._options = dict(options)
        self._logger = logger
        self._command = command
        self._children: List[int] = []

    def look(self) -> None:
        """Reap the child that has ended, and start a flusher where none runs. Never raises."""
        self.due = time.monotonic() + LOOK_SECONDS
        try:
            self._reap()
            if not self._spool.flusher_running():
                self._children.append(start(self._command or command(), environment(self._options)))
        except Exception as error:
            self._complain(error)

    def _reap(self) -> None:
        for child in list(self._children):
            try:
                ended, _ = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:  # somebody else reaped it, or it was our parent's before a fork
                ended = child
            if ended:
                self._children.remove(child)

    def _complain(self, error: Exception) -> None:
        try:
            self._logger.error("swiftstats: the flusher could not be started (usage is kept in the spool): %s", error)
        except Exception:  # a broken log is no reason to fail a request
            pass


def start(command: List[str], environment: Mapping[str, str]) -> int:
    """Execute `command` in a session of its own, without any file, signal or variable of ours; return its process id."""
    null = os.devnull
    actions: List[Any] = [(os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),
                          (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0)]
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()]
    # Swift's manager answers SIGTERM with killpg: what shared its group would die with it, and with it the last flush.
    return os.posix_spawn(command[0], command, dict(environment), file_actions=actions, setsid=True, setsigmask=[],
                          setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def command() -> List[str]:
    """Return the command of a spawned flusher; raise FileNotFoundError where no Python is found."""
    return [python(), "-m", "swiftstats", "flush", "--spawned"]


def environment(options: Mapping[str, str]) -> Dict[str, str]:
    """Return the whole environment of a spawned flusher."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    # `python -m` would import from the folder that the proxy was started in; 3.11 and later can be told not to.
    return {**kept, "PYTHONSAFEPATH": "1", OPTIONS_VARIABLE: json.dumps(dict(options))}


def python() -> str:
    """Return this Python's interpreter; under uWSGI and the like sys.executable is the server's own program."""
    if sys.executable and os.path.basename(sys.executable).startswith(("python", "pypy")):
        return sys.executable
    names = (f"python{sys.version_info[0]}.{sys.version_info[1]}", f"python{sys.version_info[0]}", "python")
    for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix):
        for name in names:
            path = os.path.join(prefix, "bin", name)
            if os.access(path, os.X_OK):
                return path
    found = shutil.which(names[0])
    if found is None:
        raise FileNotFoundError(f"no Python interpreter under {sys.prefix}")
    return found


def _inheritable() -> List[int]:
    """Return the open files above 2 that an exec would hand on (Swift's listening socket during a reload, say)."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
        except OSError:  # the directory's own, closed by now
            continue
    return found
