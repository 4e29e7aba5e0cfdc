"""Three real MariaDB nodes in a Galera cluster, on loopback, in a temporary folder; not as root, whose state transfer fails."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pymysql

from swiftstats.demo.processes import free_port, wait_for
from tests.support.mariadb import MariaDB, MariaDBError, find

PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")
INSTALL = "apt-get install -y --no-install-recommends mariadb-server galera-4 rsync socat"
#: As root its servers run as nobody.
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
JOIN_SECONDS = 90


class Node(MariaDB):
    """One of the cluster's servers; started while others run, it joins them and gets what it lacks."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.name = f"node{number}"
        folder = cluster.folder / self.name
        folder.mkdir()
        if AS_NOBODY:
            shutil.chown(folder, "nobody", "nogroup")
        super().__init__(str(folder), prefix=AS_NOBODY)
        self._as_root = ()
        self._cluster = cluster
        self.port, self._group, self._ist, self._sst = (free_port() for _ in range(4))

    @property
    def group(self) -> str:
        return f"127.0.0.1:{self._group}"

    def start(self) -> Node:
        """Start it, and return when it has what the others have; alone it makes the cluster anew. Raises MariaDBError."""
        others = [node.group for node in self._cluster.nodes if node is not self and node.pid is not None]
        options = (f"gmcast.listen_addr=tcp://{self.group};ist.recv_addr=127.0.0.1:{self._ist};ist.recv_bind=127.0.0.1:{self._ist};"
                   "evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.keepalive_period=PT0.5S;gcache.size=32M")
        self.options = (
            "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON", f"--wsrep-provider={self._cluster.provider}",
            "--wsrep-cluster-name=swiftstats", f"--wsrep-node-name={self.name}",
            f"--wsrep-cluster-address=gcomm://{','.join(others)}", "--wsrep-sst-method=rsync", "--wsrep-node-address=127.0.0.1",
            f"--wsrep-sst-receive-address=127.0.0.1:{self._sst}", f"--wsrep-provider-options={options}",
            *(() if others else ("--wsrep-new-cluster",)))
        super().start()
        wait_for(lambda: self.state() == "Synced" or self.pid is None, seconds=JOIN_SECONDS, what=f"{self.name} to join")
        if self.pid is None:
            raise MariaDBError((self.folder / "log").read_text(errors="replace")[-3000:])
        return self

    def kill(self) -> None:
        """SIGKILL it and what it started."""
        group = self.pid
        super().kill()
        if group is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def status(self, name: str) -> str:
        """Return a variable of its status; empty while it does not answer."""
        try:
            rows = self.execute(f"SHOW STATUS LIKE 'wsrep_{name}'")
        except (pymysql.MySQLError, OSError):
            return ""
        return str(rows[0][1]) if rows else ""

    def state(self) -> str:
        return self.status("local_state_comment")

    def isolate(self, isolated: bool) -> None:
        """Let it neither hear the others nor be heard: a partition of one against the rest."""
        self.execute(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={int(isolated)}'")


class Cluster:
    """Three nodes; a context manager."""

    def __init__(self) -> None:
        found = [path for path in PROVIDERS if Path(path).exists()]
        if not found:
            raise MariaDBError(f"Galera's library is missing; install it with: {INSTALL}")
        for program in ("wsrep_sst_rsync", "rsync", "socat"):
            find(program, INSTALL)
        self.provider = found[0]
        self.folder = Path(tempfile.mkdtemp(prefix="swiftstats-galera-"))
        self.folder.chmod(0o755)
        self.nodes: list[Node] = []

    def __enter__(self) -> Cluster:
        try:
            for number in (1, 2, 3):
                self.nodes.append(Node(self, number))
                self.nodes[-1].start()
            self.wait_for_size(3, of=self.nodes[0])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_for_size(self, size: int, *, of: Node) -> None:
        wait_for(lambda: of.status("cluster_size") == str(size) and of.status("cluster_status") == "Primary", seconds=60,
                 what=f"a cluster of {size}")
