"""`auth = none`: everybody who reaches the port reads everything."""

from __future__ import annotations

import logging
from typing import Any, Mapping

from swiftstats.api.auth.verdict import Verdict

LOG = logging.getLogger(__name__)


class NoneRule:
    """Says yes to everything, and says so at start."""

    def __init__(self) -> None:
        LOG.warning("auth = none: everybody who reaches this service reads every account's usage")

    def judge(self, environ: Mapping[str, Any], account: bytes) -> Verdict:
        """Say yes."""
        return Verdict.YES
