"""`auth = none`: everybody who reaches the port reads everything."""

from __future__ import annotations

import logging
from typing import Any, Mapping, Sequence

from swiftstats.api.auth.caller import CHALLENGE, Caller, Scope

LOG = logging.getLogger(__name__)
_ANYBODY = Caller("none", "anybody", Scope(all=True))


class NoneRule:
    """Knows everybody, and says so at start."""

    asks = False

    def __init__(self) -> None:
        LOG.warning("auth = none: everybody who reaches this service reads every account's usage")

    def caller(self, environ: Mapping[str, Any], accounts: Sequence[bytes]) -> Caller:
        """Return anybody."""
        return _ANYBODY

    def challenge(self, environ: Mapping[str, Any]) -> str:
        """Return what is never said."""
        return CHALLENGE
