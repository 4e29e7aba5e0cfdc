"""`swiftstats verify` on a store: what agrees, what differs and why, and what is only at the edges of periods."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Sequence

import pytest
from sqlalchemy import Engine

from swiftstats.cli import main
from swiftstats.query.logged import Logged
from swiftstats.query.tally import Tally
from swiftstats.store import engine as engines
from swiftstats.store import usage, writers
from tests.support.access_log import line_of
from tests.support.spools import HOUR, T, cells

NAME = b"AUTH_a"


class Site:
    """A store, a configuration for it, and log files in a folder."""

    def __init__(self, engine: Engine, url: str, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.conf = folder / "swiftstats.conf"
        self.conf.write_text(f"[DEFAULT]\ndatabase = {url}\nspool = {folder}/spool\nserver = proxy-1\n")
        self._incarnations = 0

    def meter(self, period: int, rows: dict[bytes, dict[str, int]], *, server: str = "proxy-1", through: int = T + 5 * HOUR,
              ) -> writers.Writer:
        """Ship totals of a new writer, and close it."""
        self._incarnations += 1
        with engines.write(self.engine) as connection:
            writer = writers.register(connection, server=server, incarnation=f"{self._incarnations:032x}", predecessor=None,
                                      first_period=T, period_seconds=HOUR, now=T)
            usage.merge(connection, writer=writer, period=period, now=T,
                        rows=[(name, cells(**row)) for name, row in sorted(rows.items())])
            writers.close(connection, writers=[writer], through=through, ended=[], now=T)
        return writer

    def log(self, lines: Sequence[str], name: str = "log") -> str:
        path = self.folder / name
        text = "".join(line + "\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return str(path)

    def verify(self, capsys: pytest.CaptureFixture[str], lines: Sequence[str], *words: str) -> tuple[int, list[dict[str, Any]]]:
        """Run the command on lines; return its status and the differences."""
        return self.verify_files(capsys, [self.log(lines)], *words)

    def verify_files(self, capsys: pytest.CaptureFixture[str], paths: Sequence[str], *words: str,
                     ) -> tuple[int, list[dict[str, Any]]]:
        status = main.main(["verify", "--config", str(self.conf), "--format", "json", "--access-log", *paths, *words])
        out = capsys.readouterr().out
        return status, json.loads(out)["differences"] if out else []


@pytest.fixture
def site(engine: Engine, store_url: str, tmp_path: Path) -> Site:
    return Site(engine, store_url, tmp_path)


def get(at: float, *, seconds: float = 0.5, **named: Any) -> str:
    return line_of("GET", named.pop("path", "/v1/AUTH_a/c/o"), start=at, end=at + seconds, **{"bytes_out": 1000, **named})


GETS = {"get_count": 2, "passed_out": 2000}


def test_what_agrees(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Where every figure is what the log says, status 0; what Swift asked itself and what is nobody's change nothing."""
    site.meter(T, {NAME: GETS | {"denied": 1, "passed_in": 7, "unbilled_bytes_in": 7}})
    own = get(T + 30, source="SLO").replace("127.0.0.1", "-")
    lines = [get(T + 10), get(T + 20), own, get(T + 40, path="/info"), get(T + 50, status=401, bytes_out=0, bytes_in=7)]
    assert site.verify(capsys, lines) == (0, [])
    assert main.main(["verify", "--config", str(site.conf), "--access-log", site.log(lines)]) == 0
    said = capsys.readouterr().out
    assert "Requests compared\t3\n" in said and "Swift's own requests\t1\n" in said and said.endswith("no difference\n")


def test_every_difference_is_told_with_its_reason(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A request too few in one account and one too many in another are two differences, though the sums agree."""
    site.meter(T, {NAME: GETS, b"AUTH_b": GETS})
    lines = [*(get(T + at) for at in (10, 20, 30)), get(T + 40, path="/v1/AUTH_b/c")]
    status, found = site.verify(capsys, lines)
    assert status == 1
    assert [(each["account"], each["figure"], each["difference"]) for each in found] == [
        ("AUTH_a", "bytes_out", -1000), ("AUTH_a", "GET", -1), ("AUTH_b", "bytes_out", 1000), ("AUTH_b", "GET", 1)]
    assert "a defect of the metering" in found[0]["likely"] and "killed" in found[2]["likely"]
    assert main.main(["verify", "--config", str(site.conf), "--access-log", site.log(lines)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "4 differences" and said[-4].split("\t")[:6] == ["AUTH_b", "2012-10-22 08:00:00", "bytes_out", "2000",
                                                                         "1000", "+1000"]


def test_another_status_than_the_logs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """As many requests of another kind are told as such, and bytes that are unbilled on one side alone."""
    site.meter(T, {NAME: {"get_count": 1, "passed_out": 2000, "denied": 1, "unbilled_bytes_out": 1000}})
    status, found = site.verify(capsys, [get(T + 10), get(T + 20)])
    assert [(each["figure"], each["difference"]) for each in found] == [
        ("bytes_out", -1000), ("GET", -1), ("denied", 1), ("unbilled_bytes_out", 1000)]
    assert {"another status" in each["likely"] for each in found} == {True}


def test_what_lasts_over_an_edge_may_stand_on_either_side(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A request over the end of a period is no difference on either side, nor one within a second of it; the sum is exact."""
    site.meter(T, {NAME: {"passed_out": 4000, "get_count": 1}})
    site.meter(T + HOUR, {NAME: {"passed_out": 6000, "get_count": 2}})
    lines = [get(T + HOUR - 600, seconds=1200, bytes_out=8000), get(T + HOUR - 0.9, seconds=0.1), get(T + 5000)]
    assert site.verify(capsys, lines) == (0, [])
    _, found = site.verify(capsys, [*lines, get(T + HOUR - 0.9, seconds=0.1)])
    assert [(each["period"], each["figure"], each["difference"]) for each in found] == [
        (None, "bytes_out", -1000), (None, "GET", -1)]
    _, found = site.verify(capsys, [lines[0], lines[1], get(T + 5000, bytes_out=1000), get(T + 5000, bytes_out=6000)])
    assert ("2012-10-22T09:00:00Z", "bytes_out", -1000) in [
        (each["period"], each["figure"], each["difference"]) for each in found]


@pytest.mark.parametrize("counted", [T, T + HOUR, T + 2 * HOUR])
@pytest.mark.parametrize("step", [-2 * HOUR, 2 * HOUR])
def test_a_clock_that_was_set_meanwhile(site: Site, capsys: pytest.CaptureFixture[str], step: int, counted: int) -> None:
    """A line that ends hours before it starts, or after, may have been counted by either clock; the sum is exact."""
    begin = T + 100 if step > 0 else T + 100 + 2 * HOUR
    lines = [get(T + 10), get(begin, seconds=step), get(T + 3 * HOUR, path="/v1/AUTH_b")]
    site.meter(T, {NAME: {"get_count": 1, "passed_out": 1000}})
    site.meter(counted, {NAME: {"get_count": 1, "passed_out": 1000}})
    site.meter(T + 3 * HOUR, {b"AUTH_b": {"get_count": 1, "passed_out": 1000}})
    assert site.verify(capsys, lines) == (0, [])
    status, found = site.verify(capsys, lines[:1] + lines[2:])
    assert status == 1 and {(each["figure"], each["difference"]) for each in found} == {("GET", 1), ("bytes_out", 1000)}


def test_a_client_that_left(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """499 may stand for any status where little was sent; as many requests, and as many bytes, there must be."""
    gone = get(T + 10, status=499)
    for row in ({"get_count": 1, "disconnects": 1}, {"get_count": 1}, {"denied": 1, "unbilled_bytes_out": 1000},
                {"get_count": 1, "client_errors": 1}):
        site.meter(T, {NAME: {"passed_out": 1000, **row}})
        assert site.verify(capsys, [gone]) == (0, []), row
        with engines.write(site.engine) as connection:
            connection.exec_driver_sql("DELETE FROM io_hours")
    site.meter(T, {NAME: {"get_count": 2, "passed_out": 1000}})
    assert [each["figure"] for each in site.verify(capsys, [gone])[1]] == ["GET"]


def test_names_that_were_not_admitted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """What proves nothing stands under (unknown) where its account has no row, and nowhere else where it has one."""
    site.meter(T, {NAME: GETS, b"(unknown)": {"denied": 2}})
    refused = [get(T + at, path="/v1/AUTH_nobody/c", status=401, bytes_out=0, token="-") for at in (1, 2)]
    mine = [get(T + 10), get(T + 20)]
    assert site.verify(capsys, [*mine, *refused]) == (0, [])
    _, found = site.verify(capsys, [*mine, refused[0], get(T + 2, status=401, bytes_out=0)])
    assert [(each["account"], each["figure"], each["difference"]) for each in found] == [("AUTH_a", "denied", -1)]
    _, found = site.verify(capsys, [*mine, refused[0]])
    assert [(each["account"], each["figure"], each["difference"]) for each in found] == [("(unknown)", "denied", 1)]


def test_what_may_be_anybodys_is_exact_in_sum(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """An S3 request of a user that nothing tells of fits any account, and must be in one."""
    s3 = get(T + 30, path="/bucket/o", token="-", user="0123abcd")
    site.meter(T, {NAME: GETS, b"AUTH_b": {"get_count": 1, "passed_out": 1000}})
    assert site.verify(capsys, [get(T + 10), get(T + 20), s3]) == (0, [])
    _, found = site.verify(capsys, [get(T + 10), get(T + 20), s3, get(T + 40, path="/bucket/o", token="-", user="0123abcd")])
    assert [(each["account"], each["figure"], each["difference"]) for each in found] == [
        (None, "bytes_out", -1000), (None, "GET", -1)]


def test_one_server_of_several(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """`--server` compares one proxy's log with what that server's writers metered; an unknown one is a message, status 2."""
    site.meter(T, {NAME: GETS})
    site.meter(T, {NAME: {"get_count": 1, "passed_out": 1000}}, server="proxy-2")
    lines = [get(T + 10), get(T + 20)]
    assert site.verify(capsys, lines, "--server", "proxy-1") == (0, [])
    _, found = site.verify(capsys, lines)
    assert {"2 servers" in each["likely"] for each in found} == {True}
    assert site.verify(capsys, lines, "--server", "proxy-3") == (2, [])


def test_a_rotated_pair_and_a_part_of_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Rotated in the middle of a period, both files agree together; one alone says that the other is missing; a range helps."""
    site.meter(T, {NAME: GETS})
    site.meter(T + HOUR, {NAME: GETS})
    older = site.log([get(T + 10), get(T + 20), get(T + HOUR + 10)], "log.1.gz")
    newer = site.log([get(T + HOUR + 20)])
    assert site.verify_files(capsys, [older, newer]) == (0, [])
    _, found = site.verify_files(capsys, [older])
    assert {"the file after it is missing" in each["likely"] for each in found} == {True}
    assert site.verify_files(capsys, [older], "--end", "2012-10-22 09:00:00") == (0, [])
    _, found = site.verify_files(capsys, [newer])
    assert {"the file before it is missing" in each["likely"] for each in found} == {True}


def test_a_torn_last_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A torn line is counted and shown, and is the likely reason where its request is missing."""
    site.meter(T, {NAME: GETS})
    path = site.log([get(T + 10), get(T + 20)])
    Path(path).write_bytes(Path(path).read_bytes()[:-20])
    status, found = site.verify_files(capsys, [path])
    assert status == 1 and all("could not be read (1)" in each["likely"] for each in found)
    main.main(["verify", "--config", str(site.conf), "--access-log", path])
    assert f"unreadable: {path}, line 2: " in capsys.readouterr().out


def test_a_recorded_loss_is_the_reason(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a loss is recorded for the period, that is said."""
    writer = site.meter(T, {NAME: {"get_count": 1, "passed_out": 1000}})
    with engines.write(site.engine) as connection:
        usage.record_loss(connection, server_id=writer.server_id, writer_id=writer.id, begin=T, end=T + HOUR, kind="uncounted",
                          requests=1, now=T)
    _, found = site.verify(capsys, [get(T + 10), get(T + 20)])
    assert [each["likely"] for each in found] == ["recorded as lost (uncounted; see `swiftstats status`)"] * 2


def test_only_what_is_complete_is_compared(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Periods that are not complete are left out; where none is, status 2 and a message."""
    site.meter(T, {NAME: GETS}, through=T + HOUR)
    lines = [get(T + 10), get(T + 20), *(get(T + HOUR + at) for at in range(10, 90))]
    assert site.verify(capsys, lines) == (0, [])
    assert site.verify(capsys, lines[2:]) == (2, [])
    assert main.main(["verify", "--config", str(site.conf), "--access-log", site.log(lines[2:])]) == 2
    assert "nothing to compare: 80 requests" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--begin", "2012-10-22 08:10:00"), ("--begin", "yesterday")])
def test_a_range_that_is_none(site: Site, capsys: pytest.CaptureFixture[str], words: Sequence[str]) -> None:
    """A time that is none, or no period's start, is a message and status 2; so is a file that is not there, or another's."""
    site.meter(T, {NAME: GETS})
    assert site.verify(capsys, [get(T + 10)], *words) == (2, [])
    assert site.verify_files(capsys, [str(site.folder / "none")]) == (2, [])
    assert site.verify_files(capsys, [site.log(["no line of an access log"])]) == (2, [])


def test_every_row_of_the_store(site: Site) -> None:
    """Every row of a range is read, of one server or of all, and none outside it, to the greatest value."""
    site.meter(T, {NAME: {"get_count": 2**63 - 1}, b"AUTH_\xff": {"get_count": 1}})
    site.meter(T + 30 * HOUR, {NAME: GETS}, server="proxy-2")
    with engines.read(site.engine) as connection:
        rows = sorted((name, period, found) for name, period, _, found in usage.every_row(connection, T, T + 31 * HOUR))
        assert rows == [(NAME, T, cells(get_count=2**63 - 1)), (NAME, T + 30 * HOUR, cells(**GETS)),
                        (b"AUTH_\xff", T, cells(get_count=1))]
        assert len(list(usage.every_row(connection, T, T + 30 * HOUR))) == 2
        assert [row[1] for row in usage.every_row(connection, T, T + 31 * HOUR, server="proxy-2")] == [T + 30 * HOUR]
        assert list(usage.every_row(connection, T, T + 31 * HOUR, server="none")) == []


def test_sums_that_do_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are spilled to the file in between add up as those in memory do, beyond 2^63 too."""
    monkeypatch.setattr("swiftstats.query.tally.IN_MEMORY", 7)
    tally = Tally()
    for number in range(1000):
        tally.add(b"AUTH_%d" % (number % 20), number % 3, (1, 2**62))
    rows = list(tally.rows())
    assert len(rows) == 60 and rows == sorted(rows)
    assert [sum(row[2][index] for row in rows) for index in (0, 1)] == [1000, 1000 * 2**62]


def test_an_empty_log_compares_nothing() -> None:
    """A log without a request has an empty range."""
    assert Logged(prefixes=("AUTH_",), period_seconds=HOUR, begin=0, end=T).range == (0, 0)
