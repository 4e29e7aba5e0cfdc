"""Three real MariaDB nodes in a Galera cluster, on loopback, in a temporary folder; not as root, whose state transfer fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pymysql

from swiftstats.demo.processes import free_port, wait_for
from tests.faults.machine import needed
from tests.support.mariadb import _find

PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")
INSTALL = "apt-get install -y --no-install-recommends mariadb-server galera-4 rsync socat"
#: As root its servers run as nobody.
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
START_SECONDS = 90


class Node:
    """One of the cluster's servers; `port` speaks SQL."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.name = folder / f"node{number}", f"node{number}"
        self.port, self._group, self._ist, self._sst = (free_port() for _ in range(4))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def group(self) -> str:
        return f"127.0.0.1:{self._group}"

    def make(self) -> None:
        self.folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        done = subprocess.run(
            [*AS_NOBODY, _find("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data",
             "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, provider: str, others: list[Node]) -> None:
        """Start it: alone it makes the cluster anew, else it joins and gets what it lacks."""
        cluster = ",".join(other.group for other in others)
        options = (f"gmcast.listen_addr=tcp://{self.group};ist.recv_addr=127.0.0.1:{self._ist};ist.recv_bind=127.0.0.1:{self._ist};"
                   "evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.keepalive_period=PT0.5S;gcache.size=32M")
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*AS_NOBODY, _find("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data",
                 f"--socket={self.folder}/s.sock", f"--port={self.port}", "--bind-address=127.0.0.1",
                 f"--pid-file={self.folder}/pid", "--skip-name-resolve", "--innodb-buffer-pool-size=64M",
                 "--innodb-log-file-size=16M", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON",
                 f"--wsrep-provider={provider}", "--wsrep-cluster-name=swiftstats", f"--wsrep-node-name={self.name}",
                 f"--wsrep-cluster-address=gcomm://{cluster}", "--wsrep-sst-method=rsync", "--wsrep-node-address=127.0.0.1",
                 f"--wsrep-sst-receive-address=127.0.0.1:{self._sst}", f"--wsrep-provider-options={options}",
                 *(() if others else ("--wsrep-new-cluster",))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(lambda: self.state() == "Synced" or self._process is None or self._process.poll() is not None,
                     seconds=START_SECONDS, what=f"{self.name} to join")
        finally:
            assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """SIGKILL it and what it started."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=3, read_timeout=20,
                                     autocommit=True)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

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
        assert found, f"Galera's library is missing; install it with: {INSTALL}"
        for program in ("wsrep_sst_rsync", "rsync", "socat"):
            needed(program, "mariadb-server galera-4 rsync socat")
        self._provider = found[0]
        self.folder = Path(tempfile.mkdtemp(prefix="swiftstats-galera-"))
        self.folder.chmod(0o755)
        self.nodes = [Node(self.folder, number) for number in (1, 2, 3)]

    def __enter__(self) -> Cluster:
        try:
            for number, node in enumerate(self.nodes):
                node.make()
                self.start(node, self.nodes[:number])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, node: Node, others: list[Node] | None = None) -> None:
        """Start a node beside the others."""
        node.start(self._provider, [other for other in self.nodes if other is not node] if others is None else others)

    def wait_for_size(self, size: int, *, of: Node) -> None:
        wait_for(lambda: of.status("cluster_size") == str(size) and of.status("cluster_status") == "Primary", seconds=60,
                 what=f"a cluster of {size}")

