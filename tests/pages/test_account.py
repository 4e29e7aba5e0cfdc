"""The page of one account: its tiles are the interface's own sums, compared with those of the range before; and its curl line."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page

from swiftstats.fields import METHODS
from tests.support.pages import NOVEMBER, NOW, PagesSite, account_url
from tests.support.service import HOUR

pytestmark = pytest.mark.browser

DAY = 24 * HOUR
OCTOBER = NOVEMBER - 31 * DAY
LAST = NOW // HOUR * HOUR
#: What October and November are compared by: as far as November is complete, and as much of October.
NOW_PART, THEN_PART = "begin=2026-11-01&end=2026-11-21T14:00Z", "begin=2026-10-01&end=2026-10-21T14:00Z"


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """Two months of an account, more of it in the second; and what lies behind the part that is compared."""
    for period, cells in (
            (OCTOBER + DAY, {"get_count": 200, "put_count": 10, "passed_in": 4000, "passed_out": 3 * 10**9, "denied": 1}),
            (OCTOBER + 25 * DAY, {"get_count": 10**6, "passed_in": 10**6, "passed_out": 10**12}),
            (NOVEMBER + DAY, {"get_count": 300, "put_count": 4, "head_count": 1, "passed_in": 1100, "passed_out": 3 * 10**9}),
            (NOVEMBER + 3 * DAY, {"put_count": 7, "passed_in": 500, "passed_out": 2, "denied": 5, "server_errors": 2}),
            (LAST, {"get_count": 50, "passed_in": 70})):
        site.count("proxy-01", period, {"AUTH_a": cells, "AUTH_b": {"get_count": 5}}, first=OCTOBER)
    for hour in range(10):
        site.read(NOVEMBER + hour * HOUR, "AUTH_a", 5 * 2**30 + hour)
    site.close(LAST)


def sums(site: PagesSite, query: str) -> dict[str, Any]:
    """Return what a program is told of the account."""
    asked = urllib.request.Request(f"{site.url}/usage?account=AUTH_a&{query}", headers={"X-Auth-Token": site.operator})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        [row] = json.loads(answer.read())["rows"]
    found: dict[str, Any] = {**row, "requests": sum(row[name] for name in METHODS),
                             "not_billed": row["denied"] + row["server_errors"]}
    return found


def compared(now: int, then: int) -> str:
    """Return how a tile says by how much something is more or less."""
    percent = round(100 * abs(now - then) / then)
    return f"{'▲ more' if now > then else '▼ less'} by {percent:,} %" if percent else "as much as"


def test_tiles_are_the_sums_of_the_interface(page: Page, site: PagesSite):
    """Each tile has the number that a program is told of the range, whole, whatever is not complete of it."""
    page.goto(account_url(site, "AUTH_a"))
    tiles = page.locator(".tile")
    shown = {each.locator("dt").inner_text(): each.locator("data").get_attribute("value") for each in tiles.all()}
    row = sums(site, "begin=2026-11")
    assert shown == {"Requests": str(row["requests"]), "Bytes in": str(row["bytes_in"]), "Bytes out": str(row["bytes_out"]),
                     "Space": str(row["space_last"]), "Byte-hours": str(row["byte_hours"]), "Not billed": str(row["not_billed"])}
    assert (row["requests"], row["bytes_in"], row["not_billed"]) == (362, 1670, 7)
    assert f"{row['space_periods']} of " in tiles.nth(4).inner_text()


def test_tiles_compare_what_is_complete(page: Page, site: PagesSite):
    """A tile compares what is complete of this month with as much of the month before, in the interface's own numbers."""
    page.goto(account_url(site, "AUTH_a"))
    now, then = sums(site, NOW_PART), sums(site, THEN_PART)
    for number, name in enumerate(("requests", "bytes_in", "bytes_out")):
        said = page.locator(".tile").nth(number).locator("dd").nth(1).inner_text()
        assert said.startswith(compared(now[name], then[name])), (name, said)
        assert said.endswith("2026-10-01 00:00 UTC to 2026-10-21 14:00 UTC")
    assert [now[name] > then[name] for name in ("requests", "bytes_in")] == [True, False]
    page.goto(account_url(site, "AUTH_a") + "?begin=2026-10")  # of September nobody knows anything
    assert "%" not in page.locator(".tiles").inner_text()


@pytest.mark.parametrize("query", ["", "?begin=2026-11-01&end=2026-11-05&timezone=Europe/Berlin",
                                   "?begin=2026-11-02&granularity=hour"])
def test_the_curl_line_gives_the_numbers_of_the_page(page: Page, site: PagesSite, query):
    """What the page says to paste into a shell is run by one, and prints the page's numbers, step by step."""
    page.goto(account_url(site, "AUTH_a") + query)
    line = page.locator("#curl").inner_text()
    assert site.operator not in line
    done = subprocess.run(["bash", "-c", line.replace("curl ", "curl -sS --fail ", 1)], capture_output=True, text=True,
                          check=True, timeout=60, env={"PATH": "/usr/bin:/bin", "TOKEN": site.operator})
    rows = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    for each in page.locator("summary").all():
        each.click()
    for plot, names in (("requests", METHODS), ("bytes", ("bytes_in", "bytes_out"))):
        shown = []
        for line_ in page.locator(f"#{plot} tbody tr").all():
            cells = line_.locator("td").all()[:len(names)]
            found = [each.locator("data") for each in cells]
            shown.append([each.get_attribute("value") if each.count() else "" for each in found])
        assert shown == [[row[name] for name in names] for row in rows]
    times = [each.get_attribute("datetime") for each in page.locator("#requests tbody time").all()]
    assert times == [row["time"] for row in rows] and len(rows) > 3
    assert re.search(r"[1-9]", "".join(row["GET"] for row in rows))
