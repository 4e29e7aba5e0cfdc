"""The databases method: what Swift's own code put into account databases is read exactly, and nothing is written."""

from __future__ import annotations

import http.server
import os
import shutil
import socketserver
import sqlite3
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

from swiftstats.collect.account_databases import AccountDatabases, Place
from swiftstats.collect.account_ring import NOWHERE, AccountRing, is_mounted, policy_names
from swiftstats.errors import ConfigError, CrawlError, Unread
from swiftstats.store.space import PolicyFigures, Report
from tests.support.account_devices import POLICIES, change, make_account, make_ring, place
from tests.support.crawler import snapshot

NOW = 1_700_000_000
#: Names that need care in a path, a URL or a line.
NAMES = ["AUTH_test", 'AUTH_a,"b"', "AUTH_new\nline", "AUTH_%41?#", "AUTH_‰ü", "ü" * 128, "x" * 256]


class Host:
    """An account server's host: two devices, a ring of three with another host's, and the method that reads them."""

    def __init__(self, folder: Path, port: int = 1) -> None:
        self.folder, self.devices = folder, folder / "node"
        (self.devices / "sda").mkdir(parents=True)
        (self.devices / "sdb").mkdir()
        make_ring(folder / "etc", ["sda", "sdb", "sdc"], replicas=2, port=port)
        self.ring = AccountRing(str(folder / "etc"))

    def method(self, **given: Any) -> AccountDatabases:
        return AccountDatabases(**{"devices": str(self.devices), "server": "acc-01", "ring": self.ring, "clock": lambda: NOW,
                                   "policies": policy_names(str(self.folder / "etc")), "mount_check": False, "timeout": 5.0,
                                   **given})

    def make(self, account: str = "AUTH_test", *containers: tuple[str, int, int, int]) -> Path:
        return make_account(self.devices / "sda", account, containers)

    def read(self, **given: Any) -> list[Report | Unread | None]:
        """Return what reading all that is found comes to, failures among it."""
        method, found = self.method(**given), []
        for item in method.items():
            try:
                found.append(item if isinstance(item, Unread) else method.read(item))
            except Unread as reason:
                found.append(reason)
        return found

    def only(self) -> Report:
        (report,) = self.read()
        assert isinstance(report, Report), report
        return report

    def refused(self) -> Unread:
        (reason,) = self.read()
        assert isinstance(reason, Unread), reason
        return reason


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("account", NAMES)
def test_what_swift_wrote_is_read(host: Host, account: str) -> None:
    """An account's figures are those of its database, in all and per policy, whatever it is called."""
    host.make(account, ("a", 3, 1000, 0), ("b", 10**12, 2**62, 1), ("c", 1, 1, 1))
    report = host.only()
    assert (report.account, report.replica, report.read_at, report.status) == (account.encode(), "acc-01/sda", NOW, "active")
    assert (report.containers, report.objects, report.bytes) == (3, 10**12 + 4, 2**62 + 1001)
    assert report.policies == (PolicyFigures(POLICIES[0], 1, 3, 1000), PolicyFigures(POLICIES[1], 2, 10**12 + 1, 2**62 + 1))


def test_an_empty_account_is_read(host: Host) -> None:
    """An account without containers is active, with zeros and no policy."""
    host.make()
    report = host.only()
    assert (report.status, report.containers, report.objects, report.bytes, report.policies) == ("active", 0, 0, 0, ())


def test_nothing_is_written(host: Host) -> None:
    """Reading leaves each file and folder as it was, lock files and journals included."""
    for account in NAMES:
        host.make(account, ("a", 3, 1000, 0))
    before = snapshot(host.devices)
    assert len(host.read()) == len(NAMES)
    assert snapshot(host.devices) == before


def test_a_hot_journal_is_left_alone(host: Host, tmp_path: Path) -> None:
    """A database whose writer was killed is not rolled back by the crawler: it is unknown until Swift has done so."""
    path = host.make("AUTH_test", ("a", 3, 1000, 0))
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    connection = sqlite3.connect(copy, isolation_level=None)
    connection.executescript("PRAGMA cache_size = 1; BEGIN")
    connection.execute("CREATE TABLE filler (x)")
    connection.executemany("INSERT INTO filler VALUES (?)", [("x" * 500,)] * 2000)
    shutil.copy(copy, path)
    shutil.copy(f"{copy}-journal", f"{path}-journal")
    connection.execute("ROLLBACK")
    before = snapshot(host.devices)
    reason = host.refused()
    assert reason.subject == str(path) and not reason.lasting
    assert snapshot(host.devices) == before


@pytest.mark.parametrize("statement", [
    "UPDATE account_stat SET status = 'DELETED', delete_timestamp = '0000000009.00000'",
    "UPDATE account_stat SET container_count = 0, delete_timestamp = '0000000001.00001'",
    "UPDATE account_stat SET container_count = 0, delete_timestamp = '0000000001.00000_0000000000000001'",
    "UPDATE account_stat SET status = 'DELETED', bytes_used = 1.5e19",
])
def test_a_deleted_account_is_zero(host: Host, statement: str) -> None:
    """A deleted account is zero by its status, though its counts stay in the database until it is reaped."""
    change(host.make("AUTH_test", ("a", 3, 1000, 0)), statement)
    report = host.only()
    assert (report.status, report.containers, report.objects, report.bytes, report.policies) == ("deleted", 0, 0, 0, ())


def test_an_account_with_containers_is_not_deleted_by_its_timestamps(host: Host) -> None:
    """As Swift has it, a later delete timestamp does not delete an account that still has containers."""
    change(host.make("AUTH_test", ("a", 3, 1000, 0)), "UPDATE account_stat SET delete_timestamp = '0000000009.00000'")
    assert host.only().status == "active"


def test_the_greatest_figures_are_exact(host: Host) -> None:
    """2^63-1 bytes and 10^12 objects are read as they are."""
    host.make("AUTH_test", ("a", 10**12, 2**63 - 1, 0))
    report = host.only()
    assert (report.objects, report.bytes, report.policies[0].bytes) == (10**12, 2**63 - 1, 2**63 - 1)


@pytest.mark.parametrize("statement", [
    "UPDATE account_stat SET bytes_used = 9223372036854775807 + 1", "UPDATE account_stat SET object_count = -1",
    "UPDATE account_stat SET container_count = NULL", "UPDATE account_stat SET bytes_used = 'many'",
    "UPDATE policy_stat SET bytes_used = 1.5", "UPDATE policy_stat SET object_count = -1",
])
def test_what_is_no_whole_number_is_put_aside_by_name(host: Host, statement: str) -> None:
    """A float, a negative number or none at all is unknown, said by the account's name, and not tried again."""
    change(host.make("AUTH_big one", ("a", 3, 1000, 0)), statement)
    reason = host.refused()
    assert reason.subject == "AUTH_big%20one" and reason.lasting and "put aside" in reason.reason


@pytest.mark.parametrize("name", ["''", "'a/b'", "'a' || char(0) || 'b'", f"'{'x' * 257}'"])
def test_a_name_that_no_account_has_is_refused(host: Host, name: str) -> None:
    """A name with NUL or a slash, without a byte or with too many, is refused."""
    change(host.make("AUTH_test"), f"UPDATE account_stat SET account = {name}")
    assert host.refused().lasting


def test_old_databases_are_read(host: Host) -> None:
    """Databases from before Swift counted containers per policy, or had policies, are read as they are."""
    path = host.make("AUTH_test", ("a", 3, 1000, 0))
    change(path, "CREATE TABLE old AS SELECT storage_policy_index, object_count, bytes_used FROM policy_stat")
    change(path, "DROP TABLE policy_stat")
    assert (host.only().bytes, host.only().policies) == (1000, ())
    change(path, "CREATE TABLE policy_stat AS SELECT * FROM old")
    assert host.only().policies == (PolicyFigures(POLICIES[0], None, 3, 1000),)


@pytest.mark.parametrize("statement", [
    "UPDATE policy_stat SET bytes_used = bytes_used + 1", "UPDATE policy_stat SET object_count = object_count - 1",
    "UPDATE policy_stat SET container_count = container_count + 1", "DELETE FROM policy_stat WHERE storage_policy_index = 1"])
def test_policies_add_up_to_the_account(host: Host, statement: str) -> None:
    """A split by policy that is not the account's sum is not known: the account's own figures stand without it."""
    path = host.make("AUTH_test", ("a", 3, 1000, 0), ("b", 5, 7, 1), ("c", 1, 1, 1))
    report = host.only()
    assert tuple(map(sum, zip(*((each.containers or 0, each.objects, each.bytes) for each in report.policies)))) == (3, 9, 1008)
    change(path, statement)
    assert (host.only().containers, host.only().objects, host.only().bytes, host.only().policies) == (3, 9, 1008, ())


def test_a_policy_that_swift_conf_does_not_know_keeps_its_figures(host: Host) -> None:
    """A policy that was taken out of swift.conf still counts, under its number."""
    host.make("AUTH_test", ("a", 3, 1000, 7))
    assert host.only().policies == (PolicyFigures("policy-7", 1, 3, 1000),)


def test_a_file_that_is_gone_is_no_failure(host: Host) -> None:
    """Databases and folders that replicators move away, after they were found or before, are passed over."""
    path = host.make("AUTH_test", ("a", 3, 1000, 0))
    method = host.method()
    (found,) = method.items()
    assert isinstance(found, Place)
    path.unlink()
    assert method.read(found) is None
    assert host.read() == [None]  # an empty folder that a replicator leaves behind
    shutil.rmtree(host.devices / "sda" / "accounts")
    assert host.read() == []


def test_one_that_is_gone_during_the_walk_does_not_end_it(host: Host) -> None:
    """A whole device's folder that goes away while it is walked ends nothing else."""
    for number in range(20):
        host.make(f"AUTH_{number}")
        make_account(host.devices / "sdb", f"AUTH_{number}")
    found = host.method().items()
    next(found)
    shutil.rmtree(host.devices / "sda" / "accounts")
    assert sum(isinstance(each, Place) and each.device == "sdb" for each in found) == 20


def test_what_is_no_database_is_named_and_the_others_are_read(host: Host) -> None:
    """A damaged file is unknown, by its path, and left where it is."""
    path = host.make("AUTH_test")
    host.make("AUTH_other")
    path.write_bytes(b"no database" * 1000)
    found = host.read()
    assert sorted(type(each).__name__ for each in found) == ["Report", "Unread"]
    (reason,) = (each for each in found if isinstance(each, Unread))
    assert reason.subject == str(path) and path.exists()
    path.write_bytes(b"")
    assert any(isinstance(each, Unread) for each in host.read())


def test_devices_that_are_not_mounted_are_left_out(host: Host) -> None:
    """With mount_check a device that is not mounted is named and not read; the others go on."""
    host.make()
    found = host.read(mount_check=True)
    assert [(each.subject, each.lasting) for each in found if isinstance(each, Unread)] == [
        (str(host.devices / device), True) for device in ("sda", "sdb")]


def test_devices_that_swift_takes_for_mounted_are_read(host: Host, tmp_path: Path) -> None:
    """With mount_check a device is read that Swift itself would use: by a file .ismount too, also where it is a link."""
    from swift.common.constraints import check_mount

    host.make()
    make_account(tmp_path / "far", "AUTH_far")
    (host.devices / "sda" / ".ismount").write_text("")
    os.symlink(tmp_path / "far", host.devices / "sdl")
    (tmp_path / "far" / ".ismount").write_text("")
    os.symlink(host.devices / "sdb", host.devices / "sdm")
    found = host.read(mount_check=True)
    left_out = {Path(each.subject).name for each in found if isinstance(each, Unread)}
    assert {each.account for each in found if isinstance(each, Report)} == {b"AUTH_test", b"AUTH_far"}
    for device in os.listdir(host.devices):
        if device in left_out:
            with pytest.raises(ValueError, match="is not mounted"):
                check_mount(str(host.devices), device)
        else:
            assert check_mount(str(host.devices), device)
    assert left_out == {"sdb", "sdm"}


def test_mount_points_are_mounted() -> None:
    """A mount point needs no file; a folder, and what is not there, is none."""
    assert is_mounted("/proc") and is_mounted("/")
    assert not is_mounted("/proc/self") and not is_mounted("/nowhere")


def test_devices_that_are_not_there_end_the_crawl(host: Host) -> None:
    """A wrong folder of devices is an error, not a cluster without accounts."""
    with pytest.raises(CrawlError, match="devices: /nowhere cannot be listed"):
        host.read(devices="/nowhere")


def test_positions_are_the_rings(host: Host) -> None:
    """Primaries have their index, handoffs come after them in the ring's order, and a device without a place last."""
    from swift.common.ring import Ring

    ring = Ring(str(host.folder / "etc"), ring_name="account")
    for partition in range(0, ring.partition_count, 7):
        order = [each["device"] for each in (*ring.get_part_nodes(partition), *ring.get_more_nodes(partition))]
        assert [host.ring.position(device, partition) for device in order] == [0, 1, 2]
    assert host.ring.position("sdx", 0) == NOWHERE and host.ring.position("sda", 10**6) == NOWHERE


def test_a_missing_ring_is_a_message(tmp_path: Path) -> None:
    """Without a ring or a swift.conf the crawler says which file it looked for."""
    with pytest.raises(ConfigError, match="account.ring.gz|swift.conf"):
        AccountRing(str(tmp_path))
    with pytest.raises(ConfigError, match="swift.conf"):
        policy_names(str(tmp_path))


class AccountServer(http.server.BaseHTTPRequestHandler):
    """Answers HEAD as an account server does; `status` and `figures` are the test's."""

    status = 204
    seen: list[str] = []
    figures = {"X-Account-Container-Count": "4", "X-Account-Object-Count": "5", "X-Account-Bytes-Used": "6",
               "X-Account-Storage-Policy-Silver-2-Container-Count": "4",
               "X-Account-Storage-Policy-Silver-2-Object-Count": "5", "X-Account-Storage-Policy-Silver-2-Bytes-Used": "6"}

    def do_HEAD(self) -> None:
        self.seen.append(self.path)
        self.send_response(self.status)
        for name, value in self.figures.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        return


class Server(http.server.ThreadingHTTPServer):
    """One that does not ask a name server what its address is called."""

    daemon_threads = True

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    AccountServer.status, AccountServer.seen = 204, []
    made = Server(("127.0.0.1", 0), AccountServer)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_pending_rows_are_asked_for(tmp_path: Path, server: http.server.ThreadingHTTPServer) -> None:
    """Where rows are pending the account server is asked for that account; an empty file of pending rows is none."""
    host = Host(tmp_path, server.server_address[1])
    path = host.make("AUTH_a b", ("a", 3, 1000, 0))
    Path(f"{path}.pending").write_bytes(b"")
    assert host.only().bytes == 1000 and not AccountServer.seen
    Path(f"{path}.pending").write_bytes(b":row")
    before = snapshot(host.devices)
    report = host.only()
    assert AccountServer.seen == [f"/sda/{path.parts[-4]}/AUTH_a%20b"]
    assert (report.containers, report.objects, report.bytes) == (4, 5, 6) and report.replica == "acc-01/sda"
    assert report.policies == (PolicyFigures("Silver-2", 4, 5, 6),)
    AccountServer.status = 404
    assert host.only().status == "deleted"
    AccountServer.status = 503
    assert host.refused().subject == "AUTH_a%20b"
    assert snapshot(host.devices) == before


def test_an_account_server_that_is_away_leaves_the_account_unknown(host: Host) -> None:
    """Pending rows that nobody merges make the account unknown, to be tried again; it is not read without them."""
    Path(f"{host.make('AUTH_test')}.pending").write_bytes(b":row")
    reason = host.refused()
    assert "does not answer" in reason.reason and not reason.lasting


def test_the_share_of_the_walk_is_known(host: Host) -> None:
    """How much of the devices has been walked grows from none to all."""
    for number in range(20):
        host.make(f"AUTH_{number}")
    method = host.method()
    assert method.share() is None
    shares = [method.share() or 0.0 for _ in method.items()]
    assert shares == sorted(shares) and 0 < shares[0] < 0.2 and shares[-1] == 1


def test_files_beside_the_databases_are_passed_over(host: Host) -> None:
    """Whatever else lies on a device, files where folders should be and folders that are no partition, is no account."""
    path = host.make()
    (host.devices / "README").write_text("")
    for name in ("tmp", "quarantined/accounts", "containers/1", "accounts/not-a-partition/abc/x"):
        os.makedirs(host.devices / "sda" / name)
    (host.devices / "sda" / "accounts" / "file").write_text("")
    (path.parent.parent / "file").write_text("")
    assert [type(each).__name__ for each in host.read() if each is not None] == ["Report"]
    assert place(host.devices / "sda", b"AUTH_test") == path
