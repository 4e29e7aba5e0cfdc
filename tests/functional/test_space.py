"""Space on a real Swift: three replicas on four devices, two account servers, two policies; both methods say what Swift says."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, text

from swiftstats import migrations
from swiftstats.demo.confs import Layout
from swiftstats.demo.processes import wait_for
from swiftstats.demo.swift import Swift
from swiftstats.store import engine as engines
from swiftstats.store import space
from tests.support.account_cluster import POLICIES, UPDATED_SECONDS, Cluster, name_of
from tests.support.crawler import Crawler, by_container, by_policy, reading, snapshot

pytestmark = [pytest.mark.swift, pytest.mark.timeout(300)]

#: A name that needs quoting wherever it goes.
ODD = 'AUTH_a,"b"\n‰ü%41'
#: As long as a name may be, and most of it of two bytes a letter.
LONG = "AUTH_x" + "ü" * 125

@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three replicas over four devices, two account servers, two policies; lists of accounts in short pages."""
    folder = tmp_path_factory.mktemp("space")
    # A server that was away is asked again at once when it is back.
    options = {"proxy-server": {"error_suppression_interval": "0"}}
    # Lists of containers come in pages of two.
    constraints = {"account_listing_limit": "2"}
    with Swift(folder, workers=1, layout=Layout(3, 4, 2, POLICIES), options=options, constraints=constraints) as swift:
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


def runs(engine: Engine) -> list[tuple[int, int, int, bool]]:
    """Return (seen, read, failed, complete) of each run that has told how it ended."""
    with engines.read(engine) as connection:
        return [(each.seen, each.read, each.failed, each.complete) for each in space.runs(connection, 9) if each.ended_at]


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
    cluster.fill(LONG, {"c": (0, [23])})
    assert cluster.request("PUT", "AUTH_hollow") == 201
    expected = {"AUTH_test": (3, 4, 71_008), ODD: (1, 1, 17), LONG: (1, 1, 23), "AUTH_hollow": (0, 0, 0)}
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
    assert len(client.get_account()[1]) == 2, "more pages than one"
    for bound, rows in (("100", 6), ("2", 3)):
        clear(engine)
        proxy_crawler(cluster, tmp_path, ["AUTH_test2"], containers="yes", max_containers=bound).crawl()
        found, split = reading(engine, "AUTH_test2"), by_container(engine, "AUTH_test2")
        assert split is not None and len(split) == rows and split[b"c0"] == (1, 1)
        assert tuple(map(sum, zip(*split.values()))) == (found.objects, found.bytes)


def test_pending_rows_are_left_to_the_account_server(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """What is not merged yet is asked of the account server; where that is away the account is unknown, and nothing changes."""
    def pending() -> list[Path]:
        return [path for path in cluster.databases()
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


def test_what_comes_back_within_the_period_is_read_in_it(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """Accounts whose servers are away when a crawl begins are read when these are back; until then the period is not complete."""
    cluster.fill("AUTH_back", {"c": (0, [11])})
    cluster.wait_for("AUTH_back", 1, 1, 11)
    wait_for(lambda: time.time() % 3600 < 3600 - 180, seconds=200, what="an hour that lasts for some minutes more")
    for name in cluster.swift.layout.accounts():
        cluster.swift.stop_backend(name)
    try:
        crawl = proxy_crawler(cluster, tmp_path, ["AUTH_back", "AUTH_new"]).start()
        try:
            wait_for(lambda: runs(engine) == [(2, 0, 2, True)], seconds=60, what=lambda: f"the first round: {runs(engine)}")
            with engines.read(engine) as connection:
                assert space.complete_through(connection) is None
            assert crawl.poll() is None
        finally:
            for name in cluster.swift.layout.accounts():
                cluster.swift.start_backend(name)
        printed, logged = crawl.communicate(timeout=120)
    finally:
        crawl.kill()
    assert crawl.returncode == 0, printed + logged
    assert "2 could not be read, tried again until" in logged and "2 seen, 2 read, 0 failed" in printed
    assert runs(engine) == [(2, 2, 0, True)] and not differences(cluster, engine, ["AUTH_back"])
    with engines.read(engine) as connection:
        assert space.complete_through(connection) is not None


def test_crawls_while_the_replicator_moves_accounts(cluster: Cluster, engine: Engine, tmp_path: Path) -> None:
    """While Swift's replicator brings handoffs home, no crawl misses an account, and each says what `swift stat` says."""
    accounts = [f"AUTH_moved-{number}" for number in range(12)]
    for number, account in enumerate(accounts):
        cluster.fill(account, {"c": (number % 2, [100 + number])})
    for number, account in enumerate(accounts):
        cluster.wait_for(account, 1, 1, 100 + number)
    displaced = set()
    for path in sorted(cluster.databases()):
        if name_of(path) in accounts and path.stem not in displaced and cluster.is_primary(path):
            cluster.displace(path)
            displaced.add(path.stem)
    assert len(displaced) == len(accounts)

    def handoffs() -> int:
        found = cluster.positions()
        return sum(position >= 3 for stem in displaced for position, _device in found[stem])

    assert handoffs() == len(accounts)
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(lambda: [cluster.swift.replicate_accounts() for _ in range(3)])
        crawls, between = 0, 0
        while not moving.done():
            before = handoffs()
            for crawler in crawlers(cluster, tmp_path, retries="0"):
                assert "0 failed" in crawler.crawl()
            assert not differences(cluster, engine, accounts)
            crawls, between = crawls + 1, between + (before != handoffs())
        moving.result()
    assert handoffs() == 0 and crawls > 1 and between, (crawls, between)
