"""Three real MariaDB shards behind a fourth with the Spider engine, on loopback, and our schema spread over them by account.

In front stand the small tables as they are, and of those that are keyed by account only the definitions: the hash of the
account's id tells which shard has a row. The shards have the schema as `migrate` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swiftstats import migrations
from swiftstats.store import engine as engines
from swiftstats.store.schema import accounts, metadata
from tests.support.mariadb import MariaDB, MariaDBError

PLUGINS = ("/usr/lib/mysql/plugin", "/usr/lib64/mariadb/plugin")
INSTALL = "apt-get install -y --no-install-recommends mariadb-server mariadb-plugin-spider"
SHARDS = 3
DATABASE = "site"
#: What is keyed by account, and lies in the shards.
BY_ACCOUNT = tuple(table.name for table in metadata.sorted_tables if "account_id" in table.primary_key.columns)
#: Settings without which it does not hold, or crawls.
SETTINGS = (
    "--spider-direct-dup-insert=1",  # else an upsert is a statement a row
    "--spider-direct-aggregate=0",  # else what it writes for a sum over days orders by columns that are not there: error 1054
    "--spider-internal-xa=1",  # else a COMMIT is one of each shard by itself
    "--optimizer-switch=mrr=on,mrr_cost_based=off", "--join-cache-level=8",  # else a join asks for each row by itself
    "--join-buffer-size=8M", "--join-buffer-space-limit=64M",
)


class Sharded:
    """The front and its shards; a context manager. `names`: the dictionary is spread over the shards too, by its names."""

    def __init__(self, *, names: bool = False, settings: Sequence[str] = SETTINGS) -> None:
        if not any(Path(folder, "ha_spider.so").exists() for folder in PLUGINS):
            raise MariaDBError(f"MariaDB's Spider engine is missing; install it with: {INSTALL}")
        self._names = names
        self.front = MariaDB(options=("--plugin-load-add=ha_spider", *settings))
        # Addresses of their own: Spider knows those who take part in a COMMIT by their address, and not by their port. And who
        # numbers accounts is a shard: each has numbers that no other has.
        self.shards = [MariaDB(options=(f"--bind-address=127.0.0.1,{address}", f"--auto-increment-increment={SHARDS}",
                                        f"--auto-increment-offset={number}"))
                       for number, address in enumerate(self._addresses(), 1)]

    @staticmethod
    def _addresses() -> list[str]:
        return [f"127.0.0.{number + 1}" for number in range(1, SHARDS + 1)]

    def __enter__(self) -> Sharded:
        try:
            for server in (*self.shards, self.front):
                server.start()
            for number, (shard, address) in enumerate(zip(self.shards, self._addresses()), 1):
                _migrate(shard)
                self.front.execute(f"CREATE SERVER shard{number} FOREIGN DATA WRAPPER mysql OPTIONS"
                                   f" (HOST '{address}', PORT {shard.port}, USER 'root', DATABASE '{DATABASE}')")
            self.url = _migrate(self.front)
            for table in (*BY_ACCOUNT, *([accounts.name] if self._names else [])):
                self._spread(table)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.front, *self.shards):
            server.close()

    def count(self, table: str) -> list[int]:
        """Return how many rows of a table each shard has."""
        return [int(str(shard.execute(f"SELECT COUNT(*) FROM {DATABASE}.{table}")[0][0])) for shard in self.shards]

    def _spread(self, table: str) -> None:
        made = str(self.front.execute(f"USE {DATABASE}", f"SHOW CREATE TABLE {table}")[0][1])
        definition, key, numbered = made[:made.index(") ENGINE=")], "account_id", ""
        if table == accounts.name:
            # What a partition goes by is to be in each unique key: that ids are unique is for the shards to see to.
            definition = definition.replace("PRIMARY KEY (`id`)", "KEY (`id`)").replace("UNIQUE KEY `name`", "PRIMARY KEY")
            key, numbered = "name", ', auto_increment_mode "2"'
        partitions = ", ".join(f"PARTITION shard{number} COMMENT = 'srv \"shard{number}\"'" for number in range(1, SHARDS + 1))
        self.front.execute(
            f"USE {DATABASE}", f"DROP TABLE {table}",
            f"{definition}) ENGINE=SPIDER DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
            f" COMMENT='wrapper \"mysql\", table \"{table}\"{numbered}' PARTITION BY KEY ({key}) ({partitions})")


def _migrate(server: MariaDB) -> str:
    url = server.url(DATABASE)
    engine = engines.create(url)
    migrations.upgrade(engine, ("AUTH_",))
    engine.dispose()
    return url
