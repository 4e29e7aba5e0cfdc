"""When each token of the tokens file was last used, as this host's service saw it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from typing import Callable, Mapping

from swiftstats.config import Config

LOG = logging.getLogger(__name__)

#: How often a token's use is written again at most, in seconds.
RESOLUTION = 60.0


class Uses:
    """A file beside the tokens file, a JSON object: the key of an entry's token to seconds since 1970. It holds no hash whole.

    The tokens file stays the operator's; this one is the service's. Several processes share it: each adds what it saw, under a
    lock, and the later time stays. It is written in place, so that a service may have it where it may make no file; one that
    cannot be read is as good as empty. `clock` gives seconds since 1970.
    """

    def __init__(self, path: str, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()  # guards the two below, and holds other uses up while the file is written
        self._written: dict[str, float] = {}
        self._warned = False

    def note(self, key: str) -> None:
        """Note a use now. With many tokens each is written less often, so that the file is at most once a second."""
        now = self._clock()
        with self._lock:
            if now - self._written.get(key, float("-inf")) < max(RESOLUTION, len(self._written)):
                return
            self._written[key] = now
            try:
                self._write(key, now)
            except OSError as error:
                if not self._warned:
                    LOG.warning("when tokens were last used cannot be noted: %s: %s", self._path, error.strerror)
                self._warned = True

    def _write(self, key: str, now: float) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            found = _parsed(file.read())
            found[key] = max(int(now), found.get(key, 0))
            file.seek(0)
            file.truncate()
            json.dump(found, file)


def path_of(config: Config) -> str:
    """Return where uses are noted."""
    return config.token_uses_file or config.tokens_file + ".used"


def read(path: str) -> Mapping[str, int]:
    """Return when each token was last used, by its entry's key; nothing where it was not noted."""
    try:
        with open(path, encoding="utf-8") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH)
            return _parsed(file.read())
    except (OSError, UnicodeDecodeError):
        return {}


def _parsed(text: str) -> dict[str, int]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, int)}
