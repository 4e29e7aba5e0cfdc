"""Space on a real Swift: three replicas on four devices, two account servers, two policies; both methods say what Swift says."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, text

from swiftstats import migrations
from swiftstats.demo.confs import Layout
from swiftstats.demo.processes import wait_for
from swiftstats.demo.swift import Swift
from swiftstats.store import engine as engines
from tests.support.crawler import Crawler, by_container, by_policy, reading, snapshot

pytestmark = [pytest.mark.swift, pytest.mark.timeout(300)]

#: What the updaters have to bring the accounts up to date (s).
UPDATED_SECONDS = 60
#: A name that needs quoting wherever it goes.
ODD = 'AUTH_a,"b"\n‰ü%41'
POLICIES = ("gold", "Silver-2")


class Cluster:
    """The cluster, and what its operator does with it."""

    def __init__(self, swift: Swift) -> None:
        from swiftclient import Connection

        self.swift = swift
        user = swift.user("admin")
        _url, self.token = Connection(swift.auth_url, user.login, user.key, retries=0).get_auth()

    def client(self, account: str) -> Any:
        """Return a client of an account, as a reseller admin."""
        from swiftclient import Connection

        return Connection(preauthurl=f"{self.swift.url}/v1/{quote(account, safe='')}", preauthtoken=self.token, retries=0)

    def request(self, method: str, account: str) -> int:
        """Return the status of a request on an account itself."""
        request = urllib.request.Request(f"{self.swift.url}/v1/{quote(account, safe='')}", method=method,
                                         headers={"X-Auth-Token": self.token})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def fill(self, account: str, containers: dict[str, tuple[int, list[int]]]) -> None:
        """Make containers: name → (index of its policy, sizes of its objects)."""
        client = self.client(account)
        for name, (policy, sizes) in containers.items():
            client.put_container(name, headers={"X-Storage-Policy": POLICIES[policy]})
            for number, size in enumerate(sizes):
                client.put_object(name, f"o{number}", b"x" * size)

    def stat(self, account: str) -> dict[str, int]:
        """Return what `swift stat` shows of an account."""
        return {name: int(value) for name, value in self.client(account).head_account().items()
                if name.endswith(("-count", "-bytes-used"))}

    def wait_for(self, account: str, containers: int, objects: int, size: int) -> None:
        """Return when every primary replica, whichever the proxy may ask, has these figures."""
        wait_for(lambda: self.replicas(account) == [(containers, objects, size)] * 3, seconds=UPDATED_SECONDS,
                 what=lambda: f"the figures of {account}: {self.replicas(account)}")

    def ring(self) -> Any:
        """Return the ring of the accounts."""
        from swift.common import utils

        utils.SWIFT_CONF_FILE = str(self.swift.folder / "swift.conf")
        from swift.common.ring import Ring

        return Ring(str(self.swift.folder), ring_name="account")

    def replicas(self, account: str) -> list[tuple[int, ...] | None]:
        """Return (containers, objects, bytes) as each primary's account server says it; None where there is no such account."""
        found: list[tuple[int, ...] | None] = []
        partition, nodes = self.ring().get_nodes(account)
        for node in nodes:
            request = urllib.request.Request(
                f"http://{node['ip']}:{node['port']}/{node['device']}/{partition}/{quote(account, safe='')}", method="HEAD")
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    found.append(tuple(int(answer.headers[f"X-Account-{name}"])
                                       for name in ("Container-Count", "Object-Count", "Bytes-Used")))
            except urllib.error.HTTPError as error:
                error.close()
                found.append(None)
        return found

    def positions(self) -> dict[str, list[tuple[int, str]]]:
        """Return, per folder of an account's database, (position in the ring, device) of each replica that there is."""
        ring = self.ring()
        found: dict[str, list[tuple[int, str]]] = {}
        for path in (self.swift.folder / "devices").glob("*/accounts/*/*/*/*.db"):
            device, partition = path.parts[-6], int(path.parts[-4])
            order = [each["device"] for each in (*ring.get_part_nodes(partition), *ring.get_more_nodes(partition))]
            found.setdefault(path.stem, []).append((order.index(device), device))
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three replicas over four devices, two account servers, two policies."""
    folder = tmp_path_factory.mktemp("space")
    # A server that was away is asked again at once when it is back.
    options = {"proxy-server": {"error_suppression_interval": "0"}}
    with Swift(folder, workers=1, layout=Layout(3, 4, 2, POLICIES), options=options) as swift:
        yield Cluster(swift)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A fresh database with a schema."""
    made = engines.create(f"sqlite:///{tmp_path}/usage.db")
    migrations.upgrade(made, ("AUTH_",))
    return made


def crawlers(cluster: Cluster, folder: Path, **options: str) -> list[Crawler]:
    """Return a crawler of databases for each account server, with the devices that are its own."""
    made = []
    for name in cluster.swift.layout.accounts():
        devices = folder / f"node-{name}"
        devices.mkdir(exist_ok=True)
        for device in cluster.swift.layout.names():
            if cluster.swift.layout.account_server(device) == name and not (devices / device).exists():
                os.symlink(cluster.swift.folder / "devices" / device, devices / device)
        made.append(Crawler(folder / f"{name}.conf", database=f"sqlite:///{folder}/usage.db", server=name, options={
            "devices": str(devices), "swift_dir": str(cluster.swift.folder), "mount_check": "no", **options}))
    return made


def proxy_crawler(cluster: Cluster, folder: Path, accounts: list[str] | None = None, **options: str) -> Crawler:
    """Return a crawler by the proxy: of these accounts, or of those that the store knows."""
    user = cluster.swift.user("admin")
    if accounts is not None:
        (folder / "accounts").write_text("# an account a line\n" + "".join(quote(name, safe="") + "\n" for name in accounts))
        options |= {"accounts_from": "file", "accounts_file": str(folder / "accounts")}
    return Crawler(folder / "proxy.conf", database=f"sqlite:///{folder}/usage.db", server="proxy-host", options={
        "method": "proxy", "proxy_url": cluster.swift.url, "auth_url": cluster.swift.auth_url, "auth_user": user.login,
        "auth_key": user.key, **options})


def differences(cluster: Cluster, engine: Engine, accounts: list[str]) -> list[str]:
    """Return a line for each account whose reading is not what `swift stat` shows."""
    lines = []
    for account in accounts:
        said, found = cluster.stat(account), reading(engine, account)
        want = tuple(said[f"x-account-{name}"] for name in ("container-count", "object-count", "bytes-used"))
        if (found.containers, found.objects, found.bytes) != want or found.status != "active":
            lines.append(f"{account!r}: {found}, swift stat {want}")
        split = by_policy(engine, account)
        for policy in POLICIES:
            of = f"x-account-storage-policy-{policy.lower()}"
            if f"{of}-bytes-used" in said:
                want = tuple(said[f"{of}-{name}"] for name in ("container-count", "object-count", "bytes-used"))
                if split.get(policy) != want:
                    lines.append(f"{account!r}, {policy}: {split}, swift stat {want}")
        if tuple(map(sum, zip(*split.values()))) != ((found.containers, found.objects, found.bytes) if split else ()):
            lines.append(f"{account!r}: the policies' sum is not the account's: {split}")
    return lines


def name_of(path: Path) -> str:
    """Return the account that a database is of, without writing to it."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return str(connection.execute("SELECT account FROM account_stat").fetchone()[0])


def clear(engine: Engine) -> None:
    with engines.write(engine) as connection:
        for table in ("space_reports", "space_readings", "space_containers", "space_accounts"):
            connection.execute(text(f"DELETE FROM {table}"))


def of_accounts(cluster: Cluster) -> dict[str, object]:
    """Return what lies on the devices: all of it below the folders of accounts, and the names beside those."""
    found: dict[str, object] = {}
    for device in (cluster.swift.folder / "devices").iterdir():
        found[device.name] = sorted(path.name for path in device.iterdir())
        found |= snapshot(device / "accounts")
    return found


def test_both_methods_say_what_swift_says(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """After uploads, deletes, a handoff and the updaters, databases and proxy give the figures of `swift stat`, per policy."""
    swift = cluster.swift
    cluster.fill("AUTH_test", {"photos": (0, [1000, 2000, 3]), "backups": (1, [70_000, 5]), "empty": (1, [])})
    cluster.client("AUTH_test").delete_object("photos", "o1")
    cluster.fill(ODD, {'c,"\n': (1, [17])})
    assert cluster.request("PUT", "AUTH_hollow") == 201
    expected = {"AUTH_test": (3, 4, 71_008), ODD: (1, 1, 17), "AUTH_hollow": (0, 0, 0)}
    # Before a server leaves: an update that two replicas of three have taken is not sent to the third again.
    for account, figures in expected.items():
        cluster.wait_for(account, *figures)
    swift.stop_backend("account-2")
    away = [f"AUTH_away-{number}" for number in range(6)]
    for number, account in enumerate(away):
        assert cluster.request("PUT", account) == 201
        cluster.fill(account, {"c": (number % 2, [100 + number])})
    swift.start_backend("account-2")
    handoffs = {stem: max(replicas) for stem, replicas in cluster.positions().items() if max(replicas)[0] >= 3}
    assert handoffs, cluster.positions()
    expected |= {account: (1, 1, 100 + number) for number, account in enumerate(away)}
    # Primaries that were away lack the database until it is replicated; Swift's proxy answers from those that have it.
    for account in away:
        wait_for(lambda account=account: cluster.stat(account)["x-account-bytes-used"] == expected[account][2],  # type: ignore[misc]
                 seconds=UPDATED_SECONDS, what=account)
    accounts = list(expected)
    for crawler in crawlers(cluster, tmp_path):
        assert "0 failed" in crawler.crawl()
    assert not differences(cluster, engine, accounts)

    # A handoff that is left behind when its account has gone on: three primaries agree, whatever it says.
    stem, (_position, device) = handoffs.popitem()
    (left,) = (swift.folder / "devices" / device / "accounts").glob(f"*/*/{stem}")
    account = name_of(left / f"{stem}.db")
    shutil.copytree(left, tmp_path / "left")
    for _ in range(3):  # the first time copies to the primaries, the last removes the handoffs
        swift.replicate_accounts()
    assert {tuple(sorted(each[0] for each in replicas)) for replicas in cluster.positions().values()} == {(0, 1, 2)}
    shutil.copytree(tmp_path / "left", left)
    cluster.client(account).put_object("c", "later", b"x" * 50)
    expected[account] = (1, 2, expected[account][2] + 50)
    for name, figures in expected.items():
        cluster.wait_for(name, *figures)
    for crawler in crawlers(cluster, tmp_path):
        assert "0 failed" in crawler.crawl()
    assert not differences(cluster, engine, accounts)
    with engines.read(engine) as connection:
        said = connection.execute(text("SELECT max(n) FROM (SELECT count(*) n FROM space_reports GROUP BY account_id)")).scalar()
    assert said == 4, "the handoff was read too"

    assert "0 failed" in proxy_crawler(cluster, tmp_path).crawl()
    assert not differences(cluster, engine, accounts)
    clear(engine)
    assert "0 failed" in proxy_crawler(cluster, tmp_path, accounts).crawl()
    assert not differences(cluster, engine, accounts)


def test_deleted_and_missing_accounts(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """A deleted account is zero by both methods, though its counts stay until it is reaped; one that never was is missing."""
    cluster.fill("AUTH_gone", {"c": (0, [500])})
    cluster.wait_for("AUTH_gone", 1, 1, 500)
    assert cluster.request("DELETE", "AUTH_gone") == 204
    for crawler in crawlers(cluster, tmp_path):
        crawler.crawl()
    found = reading(engine, "AUTH_gone")
    assert (found.status, found.containers, found.objects, found.bytes) == ("deleted", 0, 0, 0)
    clear(engine)
    proxy_crawler(cluster, tmp_path, ["AUTH_gone", "AUTH_never"]).crawl()
    statuses = [(each.status, each.bytes) for each in (reading(engine, "AUTH_gone"), reading(engine, "AUTH_never"))]
    assert statuses == [("deleted", 0), ("missing", 0)]


def test_containers_add_up(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """With `containers` the rows of an account's containers, old versions and those beyond the bound included, add up to it."""
    cluster.fill("AUTH_test2", {f"c{number}": (number % 2, [number + 1]) for number in range(5)})
    client = cluster.client("AUTH_test2")
    client.post_container("c4", {"X-Versions-Enabled": "true"})
    client.put_object("c4", "o0", b"x" * 70)
    # The object of that name is a link now; both of its versions are in a container that Swift hides.
    cluster.wait_for("AUTH_test2", 6, 7, 1 + 2 + 3 + 4 + 5 + 70)
    for bound, rows in (("100", 6), ("2", 3)):
        clear(engine)
        proxy_crawler(cluster, tmp_path, ["AUTH_test2"], containers="yes", max_containers=bound).crawl()
        found, split = reading(engine, "AUTH_test2"), by_container(engine, "AUTH_test2")
        assert split is not None and len(split) == rows and split[b"c0"] == (1, 1)
        assert tuple(map(sum, zip(*split.values()))) == (found.objects, found.bytes)


def test_pending_rows_are_left_to_the_account_server(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """What is not merged yet is asked of the account server; where that is away the account is unknown, and nothing changes."""
    def pending() -> list[Path]:
        return [path for path in (cluster.swift.folder / "devices").glob("*/accounts/*/*/*/*.db")
                if name_of(path) == "AUTH_pending" and Path(f"{path}.pending").stat().st_size]

    cluster.fill("AUTH_pending", {"c": (0, [9])})
    client = cluster.client("AUTH_pending")
    client.put_container("d")  # which tells the account's replicas; whoever reads them merges it
    wait_for(lambda: len(pending()) == 3, seconds=UPDATED_SECONDS, what="pending rows")
    servers = [*cluster.swift.layout.accounts(), "container-updater"]
    for name in servers:
        cluster.swift.stop_backend(name)
    try:
        before, of = of_accounts(cluster), {cluster.swift.layout.account_server(path.parts[-6]) for path in pending()}
        said = "".join(crawler.crawl(status=1) for crawler in crawlers(cluster, tmp_path, retries="0") if crawler.path.stem in of)
        assert "AUTH_pending is unknown in this period: its account server 127.0.0.1:" in said
        assert of_accounts(cluster) == before
    finally:
        for name in servers:
            cluster.swift.start_backend(name)
    cluster.wait_for("AUTH_pending", 2, 1, 9)
    cluster.swift.stop_backend("container-updater")  # which would tell the account more in between
    try:
        client.put_container("e")
        wait_for(lambda: len(pending()) == 3, seconds=UPDATED_SECONDS, what="pending rows")
        for crawler in crawlers(cluster, tmp_path):
            crawler.crawl()
        assert not pending()
    finally:
        cluster.swift.start_backend("container-updater")
    found = reading(engine, "AUTH_pending")
    assert (found.containers, found.objects, found.bytes) == (3, 1, 9)


def test_nothing_is_written_on_the_devices(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """Reading databases leaves every file and folder of the devices as it was: content, times and names."""
    cluster.fill("AUTH_quiet", {"c": (0, [9])})
    cluster.wait_for("AUTH_quiet", 1, 1, 9)
    cluster.swift.stop_backend("container-updater")
    try:
        for crawler in crawlers(cluster, tmp_path):
            crawler.crawl()  # what was pending is merged
        before = of_accounts(cluster)
        for crawler in crawlers(cluster, tmp_path):
            crawler.crawl()
        assert of_accounts(cluster) == before
    finally:
        cluster.swift.start_backend("container-updater")
