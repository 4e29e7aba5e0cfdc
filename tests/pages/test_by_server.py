"""The table with a column per server: its figures are those of `t=json`, by step too, and how far each server is shows in it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page

from swiftstats.fields import METHODS
from swiftstats.store import engine as engines
from swiftstats.store import writers
from tests.support.pages import NOVEMBER, NOW, PagesSite, sign_in, violations, window
from tests.support.service import HOUR

pytestmark = pytest.mark.browser

DAY = 24 * HOUR
LAST = NOW // HOUR * HOUR
DAYS = "begin=2026-11-01&end=2026-11-04&granularity=day"


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """Two accounts on two servers over three days; one server is late, one has ended, one was retired, one was only announced."""
    for day, (one, two) in enumerate(((10, 3), (200, 0), (0, 5000))):
        site.count("proxy-01", NOVEMBER + day * DAY, {"AUTH_a": {"passed_out": one, "passed_in": 1, "get_count": 7, "denied": 2},
                                                      "AUTH_b": {"passed_out": 1, "put_count": 1}})
        site.count("proxy-02", NOVEMBER + day * DAY, {"AUTH_a": {"passed_out": two, "passed_in": 40, "get_count": 1}})
    for name in ("proxy-04", "proxy-05"):
        site.server(name)
    site.close(LAST - 6 * HOUR, "proxy-02")
    site.close(LAST, "proxy-01", "proxy-05")
    ended = site.server("proxy-04")
    with engines.write(site.engine) as connection:
        writers.close(connection, writers=[ended], through=LAST, ended=[ended], now=int(NOW))
        writers.retire(connection, server="proxy-05", writer=None, now=int(NOW))
        writers.announce(connection, server="proxy-09", period=NOVEMBER + 10 * DAY, now=int(NOW))


def fetched(site: PagesSite, path: str) -> Any:
    """Return the JSON that a program is answered."""
    asked = urllib.request.Request(site.url + path, headers={"X-Auth-Token": site.operator})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read())


def titles(page: Page) -> list[str]:
    """Return the columns' titles, without what stands beneath them."""
    return [each.split("\n")[0] for each in page.locator("thead th").all_inner_texts()]


def cells(page: Page, row: int) -> list[list[int | None]]:
    """Return the numbers in each cell of a row, the first of them the sum where there is one; None where it is unknown."""
    return [[int(each.get_attribute("value") or "") for each in cell.locator("data").all()] or [None]
            for cell in page.locator("tbody tr").nth(row).locator("td.n").all()]


def test_each_step_is_a_row(page: Page, site: PagesSite):
    """With a step each account has a row for each, whose figures are those of the same rows as a file."""
    page.goto(site.url + f"/usage?by=account,server&fields=bytes_out&{DAYS}")
    assert titles(page) == ["Time", "Account ▴", "proxy-01", "proxy-02", "proxy-09", "Sum"]
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in fetched(site, f"/usage?by=account,server&fields=bytes_out&{DAYS}")["rows"]:
        found.setdefault((row["account"], row["time"]), {})[row["server"]] = row["bytes_out"]
    rows = page.locator("tbody tr")
    shown = {}
    for number in range(rows.count()):
        name = rows.nth(number).locator("th a").inner_text()
        time = rows.nth(number).locator("time").get_attribute("datetime") or ""
        shown[name, time] = [each[0] for each in cells(page, number)]
    assert shown == {of: [usage.get("proxy-01", 0), usage.get("proxy-02", 0), None, sum(usage.values())]
                     for of, usage in found.items()}
    assert [shown["AUTH_a", f"2026-11-0{day}T00:00:00Z"][-1] for day in (1, 2, 3)] == [13, 200, 5000]
    sums = [int(each.get_attribute("value") or "") for each in page.locator("tfoot data").all()]
    assert sums == [213, 5003, 5216]


@pytest.mark.parametrize("asked", ["", "&fields=bytes_out", "&fields=" + ",".join(METHODS), "&fields=GET", "&account=AUTH_a"])
def test_it_is_what_t_json_is(page: Page, site: PagesSite, asked):
    """Whatever is asked for, or nothing: the number in each cell, and the sum, is that of `t=json`, and ? is its null."""
    page.goto(site.url + "/usage?by=account,server" + asked)
    answer = fetched(site, "/usage?t=json" + asked)
    assert answer["accounts"]
    for number, account in enumerate(answer["accounts"]):
        usage = [account["usage"][server] for server in ("proxy-01", "proxy-02", "proxy-09")]
        assert [each[0] for each in cells(page, number)] == [*usage, account["total"]]
        assert usage[2] is None


def test_each_field_that_is_asked_for_shows(page: Page, site: PagesSite):
    """Several fields stand in each cell, by name; where they are of one unit, beneath their sum."""
    page.goto(site.url + "/usage?by=account,server&fields=bytes_out,GET,denied")
    assert cells(page, 0) == [[210, 21, 6], [5003, 3, 0], [None], [5213, 24, 6]]
    said = page.locator("tbody tr").first.locator("td").first.inner_text()
    assert "bytes_out 210 B" in said and "GET 21" in said and "denied 6" in said
    page.goto(site.url + "/usage?by=account,server")
    assert cells(page, 0) == [[213, 3, 210], [5123, 120, 5003], [None], [5336, 123, 5213]]
    figure = page.get_by_label("Figure")
    assert figure.locator("option:checked").inner_text() == "bytes in and out"
    figure.select_option(label="bytes out")
    page.get_by_role("button", name="Show").click()
    assert [each for each in cells(page, 0)] == [[210], [5003], [None], [5213]]


def test_one_column_for_each_field(page: Page, site: PagesSite):
    """By account each field that is asked for is a column; without `fields` there are the figures that people look for."""
    page.goto(site.url + "/usage?fields=bytes_out,GET&begin=2026-11")
    assert titles(page) == ["Account ▴", "Bytes out", "GET"]
    assert cells(page, 0) == [[5213], [24]]
    page.goto(site.url + "/usage?fields=denied,space_max&begin=2026-11")
    assert titles(page) == ["Account ▴", "Denied", "Space max"]
    assert cells(page, 0) == [[6], [None]]
    assert page.locator("tfoot td").nth(1).inner_text() == ""  # the greatest of two accounts are not at one time
    page.goto(site.url + "/usage?fields=" + ",".join(METHODS))
    assert titles(page)[1:] == [each["field"] for each in fetched(site, "/fields")["fields"] if each["field"] in METHODS]
    page.goto(site.url + "/usage")
    assert titles(page) == ["Account ▴", "Requests", "Bytes in", "Bytes out", "Space", "Byte-hours", "Not billed"]


@pytest.mark.parametrize("by", ["account", "account,server"])
def test_a_step_that_has_not_begun_is_empty(page: Page, site: PagesSite, by):
    """Of an account that is asked for by name, a step that has not begun is neither 0 nor unknown, and in no sum."""
    page.goto(site.url + f"/usage?by={by}&account=AUTH_a&begin=2026-11-20&end=2026-11-23&granularity=day&fields=bytes_out")
    rows = page.locator("tbody tr")
    assert rows.count() == 3 and all(said == "not begun" for said in rows.nth(2).locator("td.n").all_text_contents())
    assert [each[0] for each in cells(page, 0)] == ([0] if by == "account" else [0, 0, None, 0])
    assert "unknown" not in page.locator("tfoot td").last.inner_text()


def test_how_far_each_server_is(page: Page, site: PagesSite):
    """A late server is named late, with up to when its figures are; one never heard of is ?, not 0; the sum is partial."""
    page.goto(site.url + "/usage?by=account,server")
    heads = page.locator("thead th").all_inner_texts()
    assert heads[1:] == ["proxy-01\nas of 2026-11-21 14:00 UTC", "proxy-02\nlate: as of 2026-11-21 08:00 UTC",
                         "proxy-09\nnever heard from", "Sum"]
    assert page.locator("tbody tr").first.locator("td").nth(2).text_content() == "?unknown: never heard from"
    assert page.locator("tfoot td").nth(2).text_content() == "?unknown: never heard from"
    for row in ("tbody tr:first-child", "tfoot tr"):
        assert page.locator(f"{row} td").last.inner_text().endswith("partial")
    legend = page.get_by_label("Signs in the table")
    assert legend.locator("dt").all_inner_texts() == ["late", "?", "partial"]
    assert "unknown, not 0" in legend.inner_text()
    assert violations(page) == []
    stale = {each["id"]: each["stale"] for each in fetched(site, "/usage?t=json")["servers"]}
    assert stale == {"proxy-01": False, "proxy-02": True, "proxy-04": False, "proxy-05": False, "proxy-09": True}
    page.goto(site.url + f"/usage?by=account,server&{DAYS}")  # all of it is closed, but by whom nobody ever heard of
    assert page.locator("thead th").all_inner_texts()[2:] == ["proxy-01", "proxy-02", "proxy-09\nnever heard from", "Sum"]
    assert "partial" not in page.locator("table").inner_text()
    assert legend.locator("dt").all_inner_texts() == ["?"]


def test_one_server_is_one_column(browser, tmp_path):
    """A site of one server has one column, and the sum equals it; so in `t=json`."""
    site = PagesSite(tmp_path)
    try:
        site.count("proxy-01", NOVEMBER, {"AUTH_a": {"passed_out": 2**63 - 1, "passed_in": 2**63 - 1},
                                          "AUTH_b": {"passed_in": 9}})
        site.close(LAST)
        with window(browser) as page:
            sign_in(page, site, site.operator)
            page.goto(site.url + "/usage?by=account,server")
            assert titles(page) == ["Account ▴", "proxy-01", "Sum"]
            for number, total in enumerate((2**64 - 2, 9)):
                one, both = cells(page, number)
                assert one == both and one[0] == total
            answer = fetched(site, "/usage?t=json")["accounts"]
            assert [(each["usage"], each["total"]) for each in answer] == [
                ({"proxy-01": 2**64 - 2}, 2**64 - 2), ({"proxy-01": 9}, 9)]
    finally:
        site.stop()
