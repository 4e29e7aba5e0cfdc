"""The whole state of a page is in its address; and what this month or today is, in every zone and on every day."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from playwright.sync_api import Page

from tests.support.pages import NOVEMBER, NOW, PagesSite, account_url, sign_in, window
from tests.support.service import HOUR

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """An account that counted each hour since 1 October."""
    for period in range(NOVEMBER - 31 * 24 * HOUR, NOVEMBER + 48 * HOUR, HOUR):
        site.count("proxy-01", period, {"AUTH_a": {"get_count": 1}}, first=NOVEMBER - 31 * 24 * HOUR)
    site.close(NOW // HOUR * HOUR)


def moment(text: str) -> int:
    """Return a moment."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp())


def test_a_permalink_is_the_same_page_anywhere(browser, page: Page, site: PagesSite):
    """A permalink opened in another browser, later, shows the same; back goes back."""
    page.goto(account_url(site, "AUTH_a") + "?begin=last-month&timezone=Europe/Berlin&units=si")
    link = page.get_by_role("link", name="Permalink").get_attribute("href") or ""
    tiles = page.locator(".tiles").inner_text()
    site.now = NOW + 40 * 24 * HOUR
    with window(browser) as other:
        sign_in(other, site, site.operator)
        other.goto(site.url + link)
        assert other.locator(".tiles").inner_text() == tiles
        assert other.get_by_label("Zone").input_value() == "Europe/Berlin"
    site.now = NOW
    page.get_by_role("link", name="Today").click()
    assert "21 November 2026" in page.locator("main").inner_text()
    page.go_back()
    assert "1 to 31 October 2026, Europe/Berlin" in page.locator("main").inner_text()


@pytest.mark.parametrize(("zone", "now", "preset", "range_"), [
    ("UTC", "2026-11-01T00:00:00", "This month", "1 to 30 November 2026"),
    ("UTC", "2026-11-01T00:00:00", "Last month", "1 to 31 October 2026"),
    ("UTC", "2026-11-01T00:30:00", "Today", "1 November 2026"),
    ("UTC", "2026-10-31T23:59:59", "This month", "1 to 31 October 2026"),
    ("UTC", "2027-01-01T00:10:00", "Last month", "1 to 31 December 2026"),
    ("UTC", "2026-11-21T14:37:00", "This year", "1 January to 31 December 2026"),
    ("UTC", "2026-11-21T14:37:00", "‹ Earlier", "1 to 31 October 2026"),
    ("UTC", "2026-11-21T14:37:00", "24 hours", "2026-11-20 14:00 UTC to 2026-11-21 14:00 UTC"),
    ("Europe/Berlin", "2026-10-25T22:30:00", "Today", "25 October 2026, Europe/Berlin"),  # 25 hours, the last but one of them
    ("Europe/Berlin", "2026-10-25T22:30:00", "24 hours", "2026-10-25 00:00 CEST to 2026-10-25 23:00 CET"),
    ("Europe/Berlin", "2026-10-25T23:00:00", "Today", "26 October 2026, Europe/Berlin"),
    ("Europe/Berlin", "2026-03-28T23:00:00", "Today", "29 March 2026, Europe/Berlin"),  # 23 hours, its first moment
    ("Europe/Berlin", "2026-03-29T22:00:00", "Today", "30 March 2026, Europe/Berlin"),
    ("Europe/Berlin", "2026-03-29T12:00:00", "This month", "1 to 31 March 2026, Europe/Berlin"),
    ("Europe/Berlin", "2026-10-31T23:00:00", "Last month", "1 to 31 October 2026, Europe/Berlin"),
])
def test_presets_are_right_on_every_day(page: Page, site: PagesSite, zone, now, preset, range_):
    """Each preset is the range that it says: at either end of a month or year, and on days of 23 or 25 hours, which are days."""
    site.now = moment(now)
    page.goto(f"{site.url}/usage?timezone={zone}")
    page.get_by_role("link", name=preset).click()
    assert range_ in page.locator("main").inner_text()
    site.now = NOW


@pytest.mark.parametrize(("day", "hours", "words"), [("2026-10-25", 25, "25 October 2026 has 25 hours."),
                                                     ("2026-03-29", 23, "29 March 2026 has 23 hours.")])
def test_days_on_which_clocks_change(page: Page, site: PagesSite, day, hours, words):
    """A day of 23 or 25 hours is shown as long as it is, and named; the hour that comes twice is two."""
    page.goto(account_url(site, "AUTH_a") + f"?begin={day}&granularity=hour&timezone=Europe/Berlin")
    assert words in page.locator("main").inner_text()
    page.locator("#requests summary").click()
    times = page.locator("#requests tbody time").all_inner_texts()
    assert len(times) == len(set(times)) == hours
    if hours == 25:
        assert "2026-10-25 02:00 CEST" in times and "2026-10-25 02:00 CET" in times
        assert page.locator("#requests tfoot data").first.get_attribute("value") == "25"


@pytest.mark.parametrize(("shown", "earlier"), [
    ("begin=2026-10-26", "25 October 2026, Europe/Berlin"),
    ("begin=2026-10-25", "24 October 2026, Europe/Berlin"),
    ("begin=2026-03-29", "28 March 2026, Europe/Berlin"),
    ("begin=2026-10-20&end=2026-10-27", "13 to 19 October 2026, Europe/Berlin"),
    ("begin=2026-01-01&end=2027-01-01", "1 January to 31 December 2025, Europe/Berlin"),
])
def test_earlier_is_as_many_days(page: Page, site: PagesSite, shown, earlier):
    """What is before some days is as many days, though one of them has 23 or 25 hours."""
    page.goto(f"{site.url}/usage?timezone=Europe/Berlin&{shown}")
    page.get_by_role("link", name="‹ Earlier").click()
    assert earlier in page.locator("main").inner_text()


def test_the_form_keeps_what_is_not_in_it(page: Page, site: PagesSite):
    """Another range is shown of the same accounts."""
    page.goto(f"{site.url}/usage?begin=2026-10&account=AUTH_a&account=AUTH_none")
    page.get_by_label("Zone").fill("Europe/Berlin")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**Berlin**")
    assert "account=AUTH_a&account=AUTH_none" in page.url
    assert "Nobody knows AUTH_none." in page.locator("main").inner_text()


def test_a_zone_that_cannot_be_says_what_would_do(page: Page, site: PagesSite):
    """Days of Kathmandu are no whole hours: 400, in the pages' style, with what would do."""
    answer = page.goto(site.url + "/usage?timezone=Asia/Kathmandu")
    assert answer is not None and answer.status == 400
    assert "period_seconds = 900" in page.locator("main").inner_text()


@pytest.mark.parametrize("query", ["?begin=yesterdayish", "?unit=si", "?units=miles", "?begin=2026-11-01&begin=2026-10-01",
                                   "?limit=0", "?granularity=hour&begin=2020-01&end=2026-01"])
def test_what_cannot_be_is_refused_in_words(page: Page, site: PagesSite, query):
    """An unknown parameter, or a value that will not do, is 400 with what was expected."""
    for path in ("/usage", "/accounts/AUTH_a"):
        answer = page.goto(site.url + path + query)
        assert answer is not None and answer.status == 400, path
        assert "Expected:" in page.locator("main").inner_text()
