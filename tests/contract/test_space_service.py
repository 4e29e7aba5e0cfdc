"""The contract of answers about space, on both databases: the same numbers over HTTP in each format, and in a terminal."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Iterator

import pytest
from sqlalchemy import Engine, insert

from swiftstats import fields, periods
from swiftstats.cli.main import main
from swiftstats.periods import DAY
from swiftstats.store import kept, space
from swiftstats.store.engine import write
from swiftstats.store.schema import space_readings
from swiftstats.store.space import PolicyFigures
from tests.support.levels import ACCOUNT, add, report, run
from tests.support.service import HOUR, RANGE, Client, T, fresh, make

TITLES = [each.title for each in fields.SPACE_FIELDS]
SUMS = [each.title for each in fields.SPACE_SUM_FIELDS]
TIMES = [periods.format(T + hour * HOUR) for hour in range(4)]
NAMES = ["photos, \"best\"\n<of>", "ü" * 128, " a ", "plain"]


@pytest.fixture
def engine(store_url: str) -> Engine:
    """A fresh database with our schema."""
    return fresh(store_url)


@pytest.fixture
def client(engine: Engine, store_url: str) -> Client:
    """The service on it."""
    return Client(make(store_url, now=T + 4 * HOUR))


@pytest.fixture
def measured(engine: Engine) -> Engine:
    """Four hours: read from three replicas, not read, read with parts by the proxy, deleted."""
    add(engine, *(report(replica=f"account-0{number}/sdb1", position=number, containers=3, objects=41, size=1000)
                  for number in range(3)))
    add(engine, report(read_at=T + 2 * HOUR, replica="proxy", containers=4, objects=10, size=2**63 - 1,
                       policies=(PolicyFigures("gold", 3, 9, 2**63 - 8), PolicyFigures("tin", None, 1, 7)),
                       containers_by_name=tuple((name.encode(), number, 10 * number) for number, name in enumerate(NAMES))))
    add(engine, report(read_at=T + 3 * HOUR, replica="proxy", status="deleted"))
    return engine


def whole(path: str, client: Client, form: str, **more: str) -> Any:
    """Return an answer's text of all four hours in a format."""
    answer = client.get(path, {**RANGE, "end_time": periods.format(T + 4 * HOUR), "format": form, **more})
    assert answer.status_int == 200, answer.text
    return answer.body.decode()


def usage(store_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], *words: str) -> list[list[str]]:
    """Return the cells that `swiftstats usage --space` prints into a pipe."""
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {store_url}\n")
    capfd.readouterr()
    assert main(["--config", str(path), "usage", "7f6a", "--space", "--begin", TIMES[0],
                 "--end", periods.format(T + 4 * HOUR), *words]) == 0
    return [line.split("\t") for line in capfd.readouterr().out.splitlines()]


def number(text: str | None) -> int | None:
    return int(text) if text else None


def test_same_numbers_everywhere(measured: Engine, client: Client, store_url: str, tmp_path: Path,
                                 capfd: pytest.CaptureFixture[str]) -> None:
    """Details and sum are the same numbers in JSON, XML, CSV and in a terminal, and the sum follows from the details."""
    levels = [(3, 41, 1000), (None, None, None), (4, 10, 2**63 - 1), (0, 0, 0)]
    wanted = [(time, *values) for time, values in zip(TIMES, levels)]
    detail = json.loads(whole("/space_detail", client, "json"))[1]
    assert [(time, *values.values()) for time, values in detail.items()] == wanted
    assert all(list(values) == TITLES for values in detail.values())
    root = ElementTree.fromstring(whole("/space_detail", client, "xml"))
    assert root.tag == "space_detail"
    assert [(each.get("time"), *(number(figure.text) for figure in each)) for each in root[1:]] == wanted
    table = list(csv.reader(io.StringIO(whole("/space_detail", client, "csv"), newline="")))
    assert table[0] == ["Time", *TITLES]
    assert [(row[0], *map(number, row[1:])) for row in table[1:]] == wanted
    shown = usage(store_url, tmp_path, capfd, "--detail")
    assert [(row[0], *map(number, row[1:])) for row in shown[1:]] == wanted

    area = 1000 + 2**63 - 1
    expected = [area, 2**63 - 1, 0, (2 * area + 3) // 6, 41, 4, 3]
    assert json.loads(whole("/space_sum", client, "json"))[1] == dict(zip(SUMS, expected))
    root = ElementTree.fromstring(whole("/space_sum", client, "xml"))
    assert (root.tag, [(each.tag, number(each.text)) for each in root[1]]) == ("space_sum", list(zip(SUMS, expected)))
    table = list(csv.reader(io.StringIO(whole("/space_sum", client, "csv"), newline="")))
    assert table == [SUMS, list(map(str, expected))]
    assert usage(store_url, tmp_path, capfd)[-7:] == [[title, str(value)] for title, value in zip(SUMS, expected)]


@pytest.mark.parametrize(("by", "parts"), [
    ("policy", [("gold", 3, 9, 2**63 - 8), ("tin", None, 1, 7)]),
    ("container", sorted(((name, 1, size, 10 * size) for size, name in enumerate(NAMES)), key=lambda part: part[0].encode())),
])
def test_by_name(by: str, parts: list[tuple[Any, ...]], measured: Engine, client: Client, store_url: str, tmp_path: Path,
                 capfd: pytest.CaptureFixture[str]) -> None:
    """By policy and by container the same names and numbers stand in every format; nothing is {}, not known is null."""
    found = json.loads(whole("/space_detail", client, "json", by=by))[1]
    assert found == {TIMES[0]: None, TIMES[1]: None, TIMES[3]: {},
                     TIMES[2]: {name: dict(zip(TITLES, values)) for name, *values in parts}}
    unknown = [(time, None, None, None, None) for time in TIMES[:2]]
    wanted = [*unknown, *((TIMES[2], *part) for part in parts), (TIMES[3], None, 0, 0, 0)]
    root = ElementTree.fromstring(whole("/space_detail", client, "xml", by=by))
    assert [(each.get("time"), each.get("name"), *(number(figure.text) for figure in each)) for each in root[1:]] == wanted
    table = list(csv.reader(io.StringIO(whole("/space_detail", client, "csv", by=by), newline="")))
    assert table[0] == ["Time", "Name", *TITLES]
    assert [(row[0], row[1] or None, *map(number, row[2:])) for row in table[1:]] == wanted
    shown = usage(store_url, tmp_path, capfd, "--by", by)
    clean = [(time, name and name.replace("\n", "\ufffd"), *values) for time, name, *values in wanted]
    assert [(row[0], row[1] or None, *map(number, row[2:])) for row in shown[1:]] == clean


def test_names_that_are_no_utf8(engine: Engine, client: Client) -> None:
    """A container or policy whose name is no UTF-8 is shown with its bytes written out, and breaks no format."""
    add(engine, report(containers_by_name=((b"\xff\xfe", 2, 3),), policies=(PolicyFigures("\udcff", 1, 2, 3),)))
    for by, name in (("container", "\\xff\\xfe"), ("policy", "\\xff")):
        assert list(json.loads(whole("/space_detail", client, "json", by=by))[1][TIMES[0]]) == [name]
        assert f"{TIMES[0]},{name},1,2,3" in whole("/space_detail", client, "csv", by=by)
        assert f'name="{name}"' in whole("/space_detail", client, "xml", by=by)


def test_nothing_measured(client: Client) -> None:
    """An account that nobody measured has nulls, which are not zeros, in details and in every figure of the sum."""
    assert client.json("/space_detail")[1] == {time: dict.fromkeys(TITLES) for time in TIMES[:2]}
    header, sums = client.json("/space_sum")
    assert sums == {**dict.fromkeys(SUMS), "Periods": 2, "Periods_Measured": 0}
    assert (header["Complete Through"], header["Waiting For"]) == (None, [])
    csv_answer = client.get("/space_sum", {**RANGE, "format": "csv"})
    assert csv_answer.text.splitlines()[1] == ",,,,,2,0" and csv_answer.headers["X-Complete-Through"] == ""


def test_complete_through(engine: Engine, client: Client) -> None:
    """Space is complete through the last period in which all was read; else crawlers that are behind are named."""
    add(engine, report(), report(read_at=T + HOUR))
    run(engine, T)
    assert client.json("/space_sum")[0]["Waiting For"] == ["account-01"]
    run(engine, T + HOUR, complete=False)
    header = client.json("/space_sum")[0]
    assert (header["Complete Through"], header["Waiting For"]) == (TIMES[1], ["account-01"])
    run(engine, T + HOUR)
    header = client.json("/space_detail")[0]
    assert header == {"Account_ID": "7f6a", "Begin Time": TIMES[0], "End Time": TIMES[2], "Complete Through": TIMES[2]}


def test_remembered(engine: Engine, client: Client) -> None:
    """Of an account deleted before the range, and reaped since, it is known that it occupies nothing, to the running hour."""
    add(engine, report(read_at=T - 99 * HOUR, status="deleted"))
    assert client.json("/space_sum")[1] == {**dict.fromkeys(SUMS, 0), "Periods": 2, "Periods_Measured": 2}
    if engine.dialect.name == "sqlite":  # whose clock is the service's, which stands at T + 4 hours
        far = client.json("/space_sum", end_time="9999-12-31 23:00:00")[1]
        assert far["Periods_Measured"] == 5 and far["Periods"] > 69_000_000


def test_what_it_can_be_told_by(client: Client) -> None:
    """`by` is refused where it will not do: another word, another query, twice; it may be a header."""
    asked = {**RANGE, "by": "colour"}
    assert client.faults("/space_detail", asked)[0] == {
        "parameter": "by", "value": "colour", "expected": "one of policy, container"}
    for path in ("/space_sum", "/io_sum", "/io_detail"):
        assert client.faults(path, {**RANGE, "by": "policy"})[0]["parameter"] == "by"
    assert client.get("/", RANGE, headers={"X-Query-Method": "space_detail", "X-By": "policy"}).status_int == 200


def test_command_line_faults(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--by without --space is called wrongly: requests are not told by policy."""
    assert main(["--config", str(tmp_path / "none"), "usage", "7f6a", "--by", "policy"]) == 2
    assert "--by needs --space" in capsys.readouterr().err


def test_status(engine: Engine, store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`swiftstats status` shows up to when space is complete, what was read, and each crawler's last run."""
    path = tmp_path / "swiftstats.conf"
    path.write_text(f"[DEFAULT]\ndatabase = {store_url}\nspool = {tmp_path}\n")
    assert main(["--config", str(path), "status"]) == 0
    assert "No crawler has measured space yet." in capsys.readouterr().out
    add(engine, report(), report(account=b"AUTH_b"), report(read_at=T + HOUR))
    run(engine, T, seen=2, read=2)
    run(engine, T + HOUR, seen=2, read=1, failed=1)
    with write(engine) as connection:
        space.begin_run(connection, server="account-02", method="databases", period=T, started_at=T + 5)
    assert main(["--config", str(path), "status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"Space, complete through\t{TIMES[1]}" in lines
    assert f"Space, last period\t{TIMES[1]}, 1 of 2 accounts read" in lines
    assert "account-01\tdatabases\t2012-10-22 09:00:10\t60\tcomplete\t2\t1\t1" in lines
    assert "account-02\tdatabases\t2012-10-22 08:00:05\t\tnot ended\t0\t0\t0" in lines
    assert main(["--config", str(path), "status", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["space"]
    assert shown["complete_through"] == "2012-10-22T09:00:00Z"
    assert shown["last_period"] == {"period": "2012-10-22T09:00:00Z", "accounts": 2, "read": 1, "complete": False}
    assert [(each["server"], each["outcome"], each["failed"]) for each in shown["runs"]] == [
        ("account-01", "complete", 1), ("account-02", "not ended", 0)]
    assert shown["refused"] is None and not any("refused" in line for line in lines)
    with write(engine) as connection:
        kept.raise_to(connection, (T + DAY) // DAY)
        space.add_reports(connection, period=T, reports=[report(replica="late/sdb1")], now=T + DAY)
    assert main(["--config", str(path), "status"]) == 0
    said = f"Space, refused\t1 reports, of {TIMES[0]} to {TIMES[0]}, came after their hours had left"
    assert said in capsys.readouterr().out.splitlines()
    assert main(["--config", str(path), "status", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["space"]["refused"] == {
        "reports": 1, "first_period": "2012-10-22T08:00:00Z", "last_period": "2012-10-22T08:00:00Z",
        "recorded_at": "2012-10-23T08:00:00Z"}


def test_a_year_streams(engine: Engine, client: Client) -> None:
    """A year of hours is told in bounded memory, and adds up."""
    add(engine, report())
    with write(engine) as connection:
        row = connection.execute(space_readings.select()).one()._mapping
        connection.execute(insert(space_readings), [
            {**row, "day": (T + hour * HOUR) // 86400, "period": T + hour * HOUR, "bytes": 2**62} for hour in range(1, 8784)])
    asked = {"account_id": "7f6a", "begin_time": TIMES[0], "end_time": periods.format(T + 8784 * HOUR)}
    sums = json.loads(client.get("/space_sum", asked).body)[1]
    assert sums["Byte_Hours"] == 3 + 8783 * 2**62 and sums["Periods_Measured"] == 8784
    client.get("/space_detail", asked)
    tracemalloc.start()
    answer = client.get("/space_detail", asked)
    sizes = list(map(len, consumed(answer.app_iter)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(sizes) > 600_000 and most < 3 * 2**20


def consumed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from chunks
    chunks.close()  # type: ignore[attr-defined]


def test_another_account(measured: Engine, client: Client) -> None:
    """An account's space is not its neighbour's whose name differs in a space or in case."""
    add(measured, report(account=ACCOUNT + b" ", size=77), report(account=ACCOUNT.upper(), size=88))
    assert client.json("/space_detail")[1][TIMES[0]]["Space"] == 1000
    assert client.json("/space_detail", account_id="7f6a ")[1][TIMES[0]]["Space"] == 77
