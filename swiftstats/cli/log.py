"""The log of commands that do work by themselves: to stderr, a line an event."""

from __future__ import annotations

import logging

FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"


def begin(ours: int = logging.WARNING) -> None:
    """Log warnings of everybody, and of ours what is at least of that level: libraries tell of requests, and what is in them."""
    logging.basicConfig(format=FORMAT, level=logging.WARNING)
    logging.getLogger("swiftstats").setLevel(ours)
