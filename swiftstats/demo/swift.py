"""A real OpenStack Swift in one folder: proxy, account, container and object server, updater, memcache, on loopback.

It needs the packages `swift` and this one in the interpreter that runs it, a folder whose file system has extended attributes,
and nothing in /etc. Each server is a process in a session of its own; `stop` ends what was started here and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import shlex
import shutil
import signal
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Callable, Mapping, Sequence

from swiftstats.demo import confs, replication, rings
from swiftstats.demo.confs import ONE_DEVICE, Filter, Instead, Layout, User
from swiftstats.demo.processes import DemoError, Process, children, free_port, listening, wait_for

#: Two ordinary accounts, and one whose user may read and write every account.
USERS = (
    User("test", "tester", "testing"),
    User("test2", "tester2", "testing2"),
    User("admin", "admin", "admin", (".admin", ".reseller_admin")),
)
_UPDATER = "container-updater"


class Proxy:
    """One proxy server: a manager process and its workers, on a port of its own."""

    def __init__(self, process: Process, port: int, workers: int) -> None:
        self.process, self.port, self.workers = process, port, workers
        self.access_log = process.log.with_name("access-" + process.log.name)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def auth_url(self) -> str:
        return self.url + "/auth/v1.0"

    @property
    def pid(self) -> int:
        """The manager."""
        return self.process.pid

    def worker_pids(self) -> list[int]:
        """The manager's live children: its workers, and after a reload those that still drain."""
        return children(self.pid)

    def start(self) -> None:
        """Start it; return when every worker accepts requests."""
        self.process.start()
        self.process.wait_ready()
        wait_for(lambda: _answers(self.url + "/healthcheck"), seconds=10, what=f"{self.url}/healthcheck")

    def stop(self) -> bool:
        return self.process.stop()

    def kill(self) -> None:
        """SIGKILL manager and workers at once."""
        self.process.kill()

    def kill_worker(self, pid: int | None = None) -> int:
        """SIGKILL one worker (the first, unless `pid` says which); return its id. The manager starts another one."""
        victim = self.worker_pids()[0] if pid is None else pid
        os.kill(victim, signal.SIGKILL)
        return victim

    def wait_for_workers(self, *, without: Sequence[int] = ()) -> None:
        """Return when all workers are there, none of them one of `without`, and answer."""

        def complete() -> bool:
            now = self.worker_pids()
            return len(now) >= self.workers and not set(now) & set(without) and _answers(self.url + "/healthcheck")

        wait_for(complete, seconds=30, what=f"{self.workers} workers of {self.process.name}")

    def hang_up(self) -> None:
        """SIGHUP and a new manager, as `swift-init reload` does: the old workers finish their requests beside the new ones."""
        self.process.signal(signal.SIGHUP)
        self.process.wait()
        self.start()

    def reload(self) -> None:
        """SIGUSR1, as `swift-init reload-seamless` does: the manager executes itself anew and the old workers drain.

        Returns when the new workers accept requests.
        """
        self.process.signal(signal.SIGUSR1)
        self.process.wait_ready()


class Swift:
    """A cluster; a context manager that starts it and stops it.

    folder: made where it is missing, and left in place (what was stored there before is there again);
    workers: of the proxy; users: tempauth's; port: of the proxy, a free one where it is 0;
    meter: options of our filter, None for a pipeline without it; extra: more filters; options: of filters, by name;
    instead: what stands in the pipeline instead of filters, such as Keystone's instead of tempauth;
    layout: devices, replicas, account servers, policies; constraints: of swift.conf, by name; environment: variables that the
    servers have besides this process's own.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        workers: int = 2,
        users: Sequence[User] = USERS,
        meter: Mapping[str, str] | None = None,
        extra: Sequence[Filter] = (),
        options: Mapping[str, Mapping[str, str]] | None = None,
        instead: Instead | None = None,
        layout: Layout = ONE_DEVICE,
        port: int = 0,
        own_memcache: bool = False,
        constraints: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.users = tuple(users)
        self.layout = layout
        self._names = (*layout.accounts(), "container", "object")
        self._own_memcache, self._progress = own_memcache, progress
        self._environment = {**os.environ, **(environment or {})}
        self._workers, self._meter, self._extra, self._options = workers, meter, tuple(extra), dict(options or {})
        self._instead, self._constraints = dict(instead or {}), dict(constraints or {})
        #: The first proxy's, known before it runs.
        self.port = port or free_port()
        self._processes: list[Process] = []
        self._backends: dict[str, Process] = {}
        self.ports: dict[str, int] = {}
        self.proxies: list[Proxy] = []

    def __enter__(self) -> Swift:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def proxy(self) -> Proxy:
        """The first proxy, which has our filter if any has."""
        return self.proxies[0]

    @property
    def url(self) -> str:
        return self.proxy.url

    @property
    def auth_url(self) -> str:
        return self.proxy.auth_url

    def start(self) -> None:
        """Start everything; return when requests are served. What was started is stopped again when something fails."""
        try:
            self._prepare()
            self._start_memcache()
            for name in self._names:
                self._backends[name] = self._server_process(f"{rings.kind(name)}-server", conf=rings.conf(name))
                self._backends[name].start()
            for name in self._names:
                self._backends[name].wait_ready()
                self._progress(f"{name} server on port {self.ports[name]}")
            self._backends[_UPDATER] = self._server_process(_UPDATER, conf="container-server")
            self._backends[_UPDATER].start()
            self.add_proxy(
                "proxy-server", workers=self._workers, meter=self._meter, extra=self._extra, options=self._options,
                port=self.port,
            )
        except BaseException:
            self.stop()
            raise

    def add_proxy(
        self,
        name: str,
        *,
        workers: int = 1,
        meter: Mapping[str, str] | None = None,
        extra: Sequence[Filter] = (),
        options: Mapping[str, Mapping[str, str]] | None = None,
        port: int = 0,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Proxy:
        """Start one more proxy on the same cluster: with another filter, or without one, to compare with.

        prefix: what its command stands behind (`nsenter …`); environment: its own variables besides all servers'.
        """
        port = port or free_port()
        self._write(f"{name}.conf", confs.proxy_conf(
            folder=str(self.folder), port=port, workers=workers, memcache_port=self.ports["memcache"], users=self.users,
            meter=meter, extra=extra, options=options or {}, instead=self._instead,
        ))
        proxy = Proxy(self._server_process("proxy-server", conf=name, prefix=prefix, environment=environment), port, workers)
        self.proxies.append(proxy)
        proxy.start()
        self._progress(f"proxy on {proxy.url} with {workers} worker{'s' if workers > 1 else ''}")
        return proxy

    def stop(self) -> None:
        """Stop what runs, proxies first: no server goes away under a request."""
        for process in [*(proxy.process for proxy in self.proxies), *reversed(self._processes), *self._backends.values()]:
            process.stop()
        self.proxies, self._processes, self._backends = [], [], {}

    def stop_backend(self, server: str) -> None:
        """Stop the `account`, `account-2`, …, `container` or `object` server: what needs it answers 503; or the updater."""
        self._backends[server].stop()

    def start_backend(self, server: str) -> None:
        """Start it again; return when it answers."""
        self._backends[server].start()
        if server != _UPDATER:  # which never says that it is
            self._backends[server].wait_ready()

    def replicate_accounts(self) -> None:
        """Run the account replicator of each account server once, to its end: what a server missed is copied to it."""
        replicators = [self._server_process("account-replicator", conf=rings.conf(name)) for name in self.layout.accounts()]
        replication.run(replicators, folder=self.folder, port=self.ports["rsync"])

    def user(self, account: str) -> User:
        """Return the first user of an account (named without the prefix)."""
        return next(user for user in self.users if user.account == account)

    def _prepare(self) -> None:
        missing = [name for name in ("swift", "swiftclient", "boto3") if importlib.util.find_spec(name) is None]
        if missing:
            raise DemoError(f"{sys.executable} has no {', '.join(missing)}; install with: pip install 'swiftstats[demo]'")
        self._progress(f"OpenStack Swift in {self.folder}")
        for name in (*(f"devices/{device}" for device in self.layout.names()), "log", "cache"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        check_extended_attributes(self.folder)
        self.ports = {server: free_port() for server in (*self._names, "memcache", "rsync")}
        self._write("swift.conf", confs.swift_conf(self.layout.policies, self._constraints))
        for name in self._names:
            self._write(rings.conf(name) + ".conf",
                        confs.backend_conf(rings.kind(name), folder=str(self.folder), ports=self.ports, name=name))
        rings.build(self.folder, self.layout, self.ports)
        script = self.folder / "server"
        # A shell that executes this very interpreter: a `#!` line of its own could be too long, or hold a space. It has to be
        # an executable file, since the manager executes it anew at SIGUSR1.
        script.write_text(
            f"#!/bin/sh\n'''exec' {shlex.quote(sys.executable)} \"$0\" \"$@\"\n' '''\n"
            "from swiftstats.demo.launch import main\n\nmain()\n"
        )
        script.chmod(0o700)

    def _start_memcache(self) -> None:
        port = self.ports["memcache"]
        real = None if self._own_memcache else shutil.which("memcached", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
        if real:
            argv = [real, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "64"]
            # memcached refuses to run as root without being told to.
            argv += ["-u", "root"] if os.geteuid() == 0 else []
        else:
            argv = [sys.executable, "-m", "swiftstats.demo.memcache", str(port)]
        memcache = Process("memcache", argv, self.folder / "log" / "memcache.log")
        self._processes.append(memcache)
        memcache.start()
        memcache.wait_ready(lambda: listening(port))
        self._progress(f"memcache on port {port} ({real or 'our own'})")

    def _server_process(self, server: str, *, conf: str | None = None, prefix: Sequence[str] = (),
                       environment: Mapping[str, str] | None = None) -> Process:
        # A daemon shares a server's configuration, and has a log of its own.
        name = conf if conf and server.endswith("-server") else server
        path = self.folder / f"{conf or server}.conf"
        return Process(
            name, [*prefix, str(self.folder / "server"), server, str(path)], self.folder / "log" / f"{name}.log",
            environment={**self._environment, **(environment or {})}, notifies=True, directory=self.folder,
        )

    def _write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)  # the users' keys are in it
        path.write_text(content)


def check_extended_attributes(folder: Path) -> None:
    """Raise DemoError where the folder's file system has no user extended attributes, which hold Swift's object metadata."""
    probe = folder / "xattr-probe"
    probe.touch()
    try:
        # Swift's own is up to 64 kB a piece; ext4 refuses what does not fit a block, so ask for the size of an ordinary one.
        os.setxattr(probe, "user.swift.metadata", b"x" * 1000)
    except OSError as error:
        raise DemoError(
            f"the file system of {folder} has no extended attributes ({errno.errorcode.get(error.errno or 0, error)}), "
            "which OpenStack Swift needs; choose a folder on ext4, xfs or /dev/shm with --dir"
        ) from None
    finally:
        probe.unlink()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
        return bool(response.status == 200)
    return False
