"""What every answer of the service is made with: configuration, database, rules, clock."""

from __future__ import annotations

import time
from typing import Any, Callable

from sqlalchemy import Connection, Engine

from swiftstats.api.auth.rules import Rules
from swiftstats.api.metrics import Metrics
from swiftstats.config import Config
from swiftstats.store import engine as store

Environ = dict[str, Any]


class Service:
    """Shared by all requests; thread-safe. `clock` gives the time where the database has no clock of its own."""

    def __init__(self, config: Config, *, engine: Engine, rules: Rules, clock: Callable[[], float] = time.time) -> None:
        self.config, self.engine, self.rules, self.clock = config, engine, rules, clock
        self.metrics = Metrics(config, engine, rules)
        self._schema_fits = False

    def check_schema(self) -> None:
        """Return where the database's schema is ours; looks once, until it is. Raises StoreError."""
        if not self._schema_fits:
            store.check_schema(self.engine)
            self._schema_fits = True

    def now(self, connection: Connection) -> float:
        """Return the database's time; ours where it has no clock of its own."""
        return store.now(connection, self.clock)
