"""What somebody wants who comes for the first time, each in two clicks at most from the first page."""

from __future__ import annotations

import csv

import pytest
from playwright.sync_api import Page

from tests.support.pages import NOVEMBER, PagesSite
from tests.support.service import HOUR

pytestmark = pytest.mark.browser

OCTOBER = NOVEMBER - 31 * 24 * HOUR


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """Two months of three accounts; one server has been silent since October."""
    for server in ("proxy-01", "proxy-07"):
        site.count(server, OCTOBER, {"AUTH_little": {"get_count": 1, "passed_out": 10}}, first=OCTOBER)
    site.count("proxy-01", NOVEMBER, {"AUTH_little": {"get_count": 9, "passed_out": 10}, "AUTH_most": {"passed_out": 10**12},
                                      "AUTH_some": {"passed_out": 10**6}})
    site.close(OCTOBER + 20 * 24 * HOUR, "proxy-07", flushed=OCTOBER + 20 * 24 * HOUR)
    site.close(int(site.now) // HOUR * HOUR, "proxy-01")


def test_who_used_most_this_month(page: Page, site: PagesSite):
    """One click on a column's title shows who used most, the greatest first."""
    page.goto(site.url + "/")
    with page.expect_navigation():
        page.get_by_role("link", name="Bytes out").click()
    assert page.locator("tbody th").first.inner_text() == "AUTH_most"
    assert page.locator("thead th[aria-sort=descending]").inner_text().startswith("Bytes out")


def test_whether_last_month_is_final_and_who_holds_it_up(page: Page, site: PagesSite):
    """One click says whether last month is final, and which server holds it up; a second leads to that server's state."""
    page.goto(site.url + "/")
    with page.expect_navigation():
        page.get_by_role("link", name="Last month").click()
    said = page.locator(".strip").inner_text()
    assert "Not final: held up since 2026-10-21 00:00 UTC." in said and "proxy-07 silent for 31 days" in said
    with page.expect_navigation():
        page.locator(".strip").get_by_role("link", name="Status").click()
    row = page.locator("tbody tr").first.inner_text()
    assert "proxy-07" in row and "holds the site up" in row


def test_a_csv_of_last_month(page: Page, site: PagesSite):
    """Two clicks bring a file of last month, whose name says that it is not final."""
    page.goto(site.url + "/")
    with page.expect_navigation():
        page.get_by_role("link", name="Last month").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert "2026-10-01" in waiting.value.suggested_filename and "not-final" in waiting.value.suggested_filename
    [row] = csv.DictReader(open(waiting.value.path(), encoding="utf-8"))
    assert (row["account"], row["GET"]) == ("AUTH_little", "2")
