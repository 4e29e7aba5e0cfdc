"""Run one Swift server for the demo: configuration from the demo's own folder, and logs to files there.

Called by the script that swift.py writes, as `SCRIPT SERVER FOLDER/NAME.conf [once]`. Swift reads policies and constraints from
/etc/swift/swift.conf when its modules are imported, whatever `swift_dir` says, so the path is set before; and it logs to
syslog whatever else it logs to, so that handler is replaced by one that appends to FOLDER/log/NAME.log, and the proxy's access
lines to FOLDER/log/access-NAME.log.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
from pathlib import Path

SERVERS = {
    "account-server": "swift.account.server",
    "container-server": "swift.container.server",
    "object-server": "swift.obj.server",
    "proxy-server": "swift.proxy.server",
}
#: daemon: its module and class
DAEMONS = {
    "container-updater": ("swift.container.updater", "ContainerUpdater"),
    "account-replicator": ("swift.account.replicator", "AccountReplicator"),
}

#: The route of proxy-logging's own lines, which is their logger's name.
_ACCESS = "proxy-access"


class Appender(logging.Handler):
    """Appends each record by one `write`, so that workers and their threads need no lock to keep lines apart.

    Stands in for Swift's syslog handler, and takes its arguments.
    """

    def __init__(self, address: object = None, facility: int = 0) -> None:
        super().__init__()
        self._files: dict[str, int] = {}

    def createLock(self) -> None:
        # A lock shared by greenlets and real threads may deadlock under eventlet.
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        # Python 3.13's own enters the lock without asking whether there is one.
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        try:
            access = record.name == _ACCESS
            line = self.format(record)
            if not access:
                line = f"{time.strftime('%H:%M:%S')} {record.levelname} [{os.getpid()}] {line}"
            os.write(self._descriptor(access), line.encode("utf-8", "backslashreplace") + b"\n")
        except Exception:  # a full disk must not fail the request that is logged
            self.handleError(record)

    def _descriptor(self, access: bool) -> int:
        conf = Path(sys.argv[2])
        name = ("access-" if access else "") + conf.stem + ".log"
        if name not in self._files:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._files[name] = os.open(conf.parent / "log" / name, flags, 0o600)
        return self._files[name]


def main() -> None:
    """Run the server that the command line names, until it ends; exits the process."""
    server, conf = sys.argv[1], sys.argv[2]
    from swift.common import utils
    from swift.common.utils import logs

    utils.SWIFT_CONF_FILE = os.path.join(os.path.dirname(conf), "swift.conf")
    logs.ThreadSafeSysLogHandler = Appender
    if server in DAEMONS:
        from swift.common.daemon import run_daemon

        module, daemon = DAEMONS[server]
        run_daemon(getattr(importlib.import_module(module), daemon), conf, section_name=server, once="once" in sys.argv[3:])
        sys.exit(0)
    from swift.common.wsgi import run_wsgi

    servers = importlib.import_module(SERVERS[server])
    options = {}
    if hasattr(servers, "global_conf_callback"):
        options["global_conf_callback"] = servers.global_conf_callback
    sys.exit(run_wsgi(conf, server, **options))
