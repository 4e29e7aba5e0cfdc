"""The contract of groups of petnames in tables: which accounts are in one, what they add up to, and what nobody else learns."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from swiftstats.api.auth.tokens import TokensFile
from swiftstats.fields import STORED_MAX
from swiftstats.store import engine as engines
from swiftstats.store import petnames
from tests.contract.test_table import QUERY, in_every_form
from tests.support.levels import add, report
from tests.support.service import HOUR, Client, T, close, count, fresh, make

NAMES = {
    b"AUTH_a": "physics", b"AUTH_b": "physics/lab1", b"AUTH_c": "physics/lab1", b"AUTH_d": "physics/lab2/röntgen",
    b"AUTH_e": "physics-old", b"AUTH_idle": "idle/one", b"AUTH_f": "chemistry/物理",
}
GROUPS = ["chemistry", "chemistry/物理", "physics", "physics/lab1", "physics/lab2", "physics/lab2/röntgen", "physics-old", None]


@pytest.fixture
def engine(store_url: str) -> Engine:
    """Accounts with petnames and without, that used something, beyond 2^63, and occupied something."""
    engine = fresh(store_url)
    with engines.write(engine) as connection:
        petnames.put(connection, NAMES)
    for number, letter in enumerate("abcdefgh"):
        for server in ("proxy-01", "proxy-03"):
            writer = count(engine, server, account=b"AUTH_" + letter.encode(), period=T + number * 3 * HOUR,
                           passed_out=STORED_MAX, get_count=2**number)
    add(engine, *(report(account=b"AUTH_" + letter.encode(), size=2**60 + number, read_at=T + number * 2 * HOUR)
                  for number, letter in enumerate("abdfh")))
    close(engine, writer, through=T + HOUR)
    return engine


@pytest.fixture
def client(engine: Engine, store_url: str) -> Client:
    """The service on it, for an operator."""
    return Client(make(store_url, now=T + 100 * HOUR))


@pytest.mark.parametrize(("query", "wanted"), [
    ("group=physics", "abcd"), ("group=physics/lab1", "bc"), ("group=physics/lab1&group=physics/lab2/r%C3%B6ntgen", "bcd"),
    ("group=physics&group=physics/lab1", "abcd"), ("group=chemistry&account=g", "fg"),
    ("group=physics&account_prefix=h", "abcdh"), ("group=physics&account=b", "abcd"), ("group=idle", ""),
])
def test_the_accounts_of_a_group(client: Client, query: str, wanted: str) -> None:
    """A group is its accounts and all below, each once, beside whatever else is asked for; in every form, page by page."""
    rows = in_every_form(client, f"{QUERY}&fields=GET&{query}", limit=1)
    assert "".join(row["account"].partition("_")[2] for row in rows) == wanted


def test_a_top_list_of_a_group(client: Client) -> None:
    """A top list of a group has its greatest accounts, and nobody else."""
    found = json.loads(client.get(QUERY + "&order=-GET&limit=2&group=physics").body)["rows"]
    assert [row["account"] for row in found] == ["AUTH_d", "AUTH_c"]
    found = json.loads(client.get(QUERY + "&order=-GET&limit=3&group=physics/lab1&account=h").body)["rows"]
    assert [row["account"] for row in found] == ["AUTH_h", "AUTH_c", "AUTH_b"]


def test_unknown_groups(client: Client) -> None:
    """A group that there is not stands under `unknown_groups`, as an unknown account does; what can be none is a fault."""
    answer = client.get(QUERY + "&group=phys&group=physics&group=Physics&group=idle")
    assert json.loads(answer.body)["unknown_groups"] == ["phys", "Physics"]
    assert answer.headers["X-Unknown-Groups"] == "phys, Physics"
    assert "unknown_groups" not in json.loads(client.get(QUERY + "&group=physics").body)
    found = ElementTree.fromstring(client.get(QUERY + "&group=phys&format=xml").body)
    assert [each.text for each in found.findall("query/unknown_groups/group")] == ["phys"] and found.find("row") is None
    for wrong in ("", "/physics", "physics/", "a//b", "=1"):
        assert [each["parameter"] for each in client.faults(QUERY + "&group=" + wrong)] == ["group"]


def by_group(client: Client, more: str = "") -> list[dict[str, Any]]:
    """Return the rows of groups, once they were found the same in every form, and in pages of two."""
    return in_every_form(client, f"{QUERY}&by=group{more}")


@pytest.mark.parametrize("more", ["", ",server", "&granularity=day", ",server&granularity=day"])
def test_groups_add_up(client: Client, more: str) -> None:
    """Groups at the top and the accounts without a petname are the site's sum, to the byte, in each figure and however cut."""
    rows = by_group(client, more)
    whole = json.loads(client.get(QUERY + ("&by=account,server" if "server" in more else "")).body)["rows"]
    names = [name.removeprefix("own_") for name in rows[0] if name.startswith("own_")]
    for name in names:
        expected = sum(row[name] or 0 for row in whole)
        if name not in ("periods", "space_periods", "space_last", "objects", "containers") or "day" not in more:
            top = [row for row in rows if "/" not in (row["group"] or "")]
            assert sum(row["total_" + name] or 0 for row in top) == expected
            assert sum(row["own_" + name] or 0 for row in rows) == expected
    assert ("byte_hours" in names, "space_max" in names) == ("server" not in more, False)
    assert list(dict.fromkeys(row["group"] for row in rows)) == GROUPS


def test_own_and_total(client: Client) -> None:
    """A group's own is of the accounts that are called just so, its total with all below."""
    found = {row["group"]: row for row in by_group(client, "&fields=GET,bytes_out,space_last")}
    assert [(each["own_GET"] // 2, each["total_GET"] // 2) for each in found.values()] == [
        (0, 32), (32, 32), (1, 15), (6, 6), (0, 8), (8, 8), (16, 16), (192, 192)]
    assert found["physics"]["total_bytes_out"] == 8 * STORED_MAX
    assert (found["physics"]["own_space_last"], found["physics"]["total_space_last"]) == (2**60, 3 * 2**60 + 3)
    # physics-old was never measured, physics/lab1 half of it.
    assert (found["physics-old"]["total_space_last"], found["physics-old"]["total_space_periods"]) == (None, 0)
    assert (found["physics/lab1"]["total_space_periods"], found["physics/lab1"]["total_periods"]) == (1, 96)


def test_groups_below_a_group(client: Client) -> None:
    """Of a group that is asked for there are only the rows of itself and below."""
    assert [row["group"] for row in by_group(client, "&group=physics/lab2&fields=GET")] == GROUPS[4:6]
    assert [row["group"] for row in by_group(client, "&group=idle&fields=GET")] == []


@pytest.mark.parametrize("more", ["by=account,group", "by=group&group=physics&account=a", "by=group&fields=space_max",
                                  "by=group&order=-GET", "by=group&format=focus", "by=group&t=json",
                                  "by=group&limit=5&format=csv"])
def test_what_does_not_go_together(client: Client, more: str) -> None:
    """What rows of groups cannot have is refused."""
    assert client.get(f"{QUERY}&{more}").status_int == 400


def test_a_petname_changes_the_tag(engine: Engine, client: Client) -> None:
    """A final table of a group, or by group, is another one as soon as a petname changes."""
    query = "/usage?begin=2012-10-22T08:00Z&end=2012-10-22T09:00Z&fields=GET"
    with engines.write(engine) as connection:
        petnames.put(connection, {b"AUTH_b": "idle"})
    close(engine, count(engine, "proxy-03"), count(engine), through=T + HOUR)
    before = [client.get(query + more) for more in ("&group=physics", "&by=group")]
    with engines.write(engine) as connection:
        petnames.remove(connection, [b"AUTH_a"])
    after = [client.get(query + more, headers={"If-None-Match": each.headers["ETag"]})
             for more, each in zip(("&group=physics", "&by=group"), before)]
    assert [each.status_int for each in after] == [200, 200]
    assert json.loads(after[0].body)["rows"] == []
    again = client.get(query + "&by=group", headers={"If-None-Match": after[1].headers["ETag"]})
    assert again.status_int == 304


def test_a_tenant_learns_nothing_of_others(engine: Engine, store_url: str, tmp_path: Path) -> None:
    """A group is cut to the caller's accounts: one that is others' alone answers as one that there is not."""
    tokens = TokensFile(str(tmp_path / "tokens"))
    tenant = tokens.create("tenant", ["AUTH_b", "AUTH_h"], now=T)
    reseller = tokens.create("reseller", ["AUTH_g"], prefixes=["AUTH_c", "AUTH_d"], now=T)
    client = Client(make(store_url, now=T + 100 * HOUR, auth=("tokens",), tokens_file=tokens.path, allow_anonymous=False))

    def ask(token: str, more: str) -> Any:
        return json.loads(client.get(f"{QUERY}&fields=GET&{more}", headers={"X-Auth-Token": token}).body)

    for token, group, wanted in ((tenant, "physics", ["AUTH_b"]), (reseller, "physics", ["AUTH_c", "AUTH_d"]),
                                 (reseller, "physics/lab1", ["AUTH_c"])):
        found = ask(token, "group=" + group)
        assert [row["account"] for row in found["rows"]] == wanted and "unknown_groups" not in found
        found = ask(token, f"group={group}&order=-GET")
        assert sorted(row["account"] for row in found["rows"]) == wanted
    for token, group in ((tenant, "physics/lab2"), (tenant, "chemistry"), (reseller, "physics-old")):
        for more in ("", "&by=group", "&order=-GET"):
            theirs, none = ask(token, f"group={group}{more}"), ask(token, f"group=nowhere{more}")
            assert theirs.pop("unknown_groups") == [group] and none.pop("unknown_groups") == ["nowhere"]
            assert theirs == none and theirs["rows"] == []
    assert [(row["group"], row["total_GET"] // 2) for row in ask(tenant, "by=group")["rows"]] == [
        ("physics", 2), ("physics/lab1", 2), (None, 128)]
    assert client.get(f"{QUERY}&group=physics&account=a", headers={"X-Auth-Token": tenant}).status_int == 403


def test_the_aggregators_table(client: Client) -> None:
    """`t=json` takes a group too, and says null of an account without a petname."""
    found = json.loads(client.get(QUERY + "&t=json&group=physics/lab1&account=h&group=nowhere").body)
    assert [(each["id"], each["petname"]) for each in found["accounts"]] == [
        ("AUTH_b", "physics/lab1"), ("AUTH_c", "physics/lab1"), ("AUTH_h", None)]
    assert found["unknown_groups"] == ["nowhere"]
