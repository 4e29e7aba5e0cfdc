"""What pages show is what files hold, to the byte; and unknown, zero, not final and not begun are told apart, also by ear."""

from __future__ import annotations

import csv
import io
import json
import urllib.request
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page

from swiftstats.store import engine as engines
from swiftstats.store import petnames
from tests.support.pages import DECEMBER, NOVEMBER, NOW, PagesSite, account_url, sign_in, window
from tests.support.service import HOUR

pytestmark = pytest.mark.browser

DAY = 24 * HOUR
HUGE = 2**63 - 1
LAST = NOW // HOUR * HOUR


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """Two accounts, one of them with sums beyond 2^63; space of one, in hours but one, of a day."""
    for period in (NOVEMBER, NOVEMBER + 5 * DAY, NOVEMBER + 5 * DAY + HOUR):
        site.count("proxy-01", period, {"AUTH_huge": {"get_count": HUGE, "passed_out": HUGE, "passed_in": 1025},
                                        "AUTH_small": {"put_count": 1, "passed_in": 7}})
    site.count("proxy-02", NOVEMBER, {"AUTH_huge": {"get_count": 1, "passed_out": HUGE}})
    for hour in range(24):
        if hour != 10:
            site.read(NOVEMBER + DAY + hour * HOUR, "AUTH_huge", 3 * 2**30)
    site.close(LAST)


def values(page: Page, selector: str) -> list[int]:
    """Return the exact numbers in some cells."""
    return [int(each.get_attribute("value") or "") for each in page.locator(f"{selector} data").all()]


def fetched(site: PagesSite, path: str) -> str:
    """Return what a program is answered."""
    asked = urllib.request.Request(site.url + path, headers={"X-Auth-Token": site.operator})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return str(answer.read().decode())


def test_a_page_and_its_files_are_the_same_to_the_byte(page: Page, site: PagesSite):
    """The sums of the page, of each of its files, and of the table beneath the plot are one number, beyond 2^63 too."""
    page.goto(site.url + "/usage")
    wanted = 4 * HUGE
    assert page.locator("tbody tr").first.locator("data").nth(2).get_attribute("value") == str(wanted)
    assert values(page, "tfoot")[2] == wanted
    links = {each.inner_text(): each.get_attribute("href") or "" for each in page.locator(".ways a").all()}
    found = json.loads(fetched(site, links["JSON"]))["rows"]
    assert [row["bytes_out"] for row in found] == [wanted, 0]
    assert [int(row["bytes_out"]) for row in csv.DictReader(io.StringIO(fetched(site, links["CSV"])))] == [wanted, 0]
    *lines, last = map(json.loads, fetched(site, links["NDJSON"]).splitlines())
    assert [row["bytes_out"] for row in lines] == [wanted, 0] and last["rows"] == 2
    xml = ElementTree.fromstring(fetched(site, links["XML"]))
    assert [int(each.text or "") for each in xml.iter("bytes_out")] == [wanted, 0]
    page.goto(account_url(site, "AUTH_huge"))
    page.locator("#bytes summary").click()
    assert values(page, "#bytes tfoot") == [3 * 1025, wanted]
    days = values(page, "#bytes tbody tr td:nth-child(3)")
    assert sum(days) == wanted and len(days) == 21


def test_steps_of_an_account_are_those_of_the_table(page: Page, site: PagesSite):
    """Each number beneath an account's plots is that of the table of many accounts, space and byte-hours included."""
    page.goto(account_url(site, "AUTH_huge") + "?begin=2026-11-01&end=2026-11-04&granularity=day")
    rows = json.loads(fetched(site, "/usage?account=AUTH_huge&begin=2026-11-01&end=2026-11-04&granularity=day"))["rows"]
    assert values(page, "#space tbody") == [row["space_last"] for row in rows if row["space_last"] is not None]
    byte_hours = [row["byte_hours"] for row in rows if row["byte_hours"] is not None]
    assert values(page, "#byte-hours tbody") == byte_hours == [23 * 3 * 2**30]
    assert values(page, "#requests tbody tr td:nth-child(2)") == [row["GET"] for row in rows] == [HUGE + 1, 0, 0]


def test_states_are_spoken(page: Page, site: PagesSite):
    """By ear: unknown, at least, not begun; zero is 0; a level is never at least; and it says how final it is."""
    page.goto(site.url + "/usage")
    spoken = page.locator("main").aria_snapshot()
    assert "Not final." in spoken
    foot = page.locator("tfoot").aria_snapshot()
    assert "at least" in foot and "about" in foot
    assert "unknown" in page.locator("tbody tr").nth(1).aria_snapshot()
    page.goto(account_url(site, "AUTH_huge"))
    tiles = page.locator(".tiles").aria_snapshot()
    requests, space = tiles.split("Bytes in")[0], tiles.split("Space")[1].split("Byte-hours")[0]
    assert "at least" in requests and "at least" not in space and "read 2026-11-02 23:03 UTC" in space
    for each in page.locator("summary").all():
        each.click()
    rows = page.locator("#requests tbody tr")
    assert rows.nth(0).locator("data").nth(1).inner_text() == "0"
    assert "not begun" in rows.nth(29).aria_snapshot() and "not final" in rows.nth(20).aria_snapshot()
    assert "unknown" in page.locator("#space tbody tr").nth(3).aria_snapshot()
    assert "unknown" in (page.locator("#space svg.plot desc").text_content() or "")


def test_a_failed_reading_is_a_gap(page: Page, site: PagesSite):
    """An hour whose reading failed is hatched in the plot, its line is broken, its cell unknown, and the sum says how many."""
    page.goto(account_url(site, "AUTH_huge") + "?begin=2026-11-02&granularity=hour")
    hatched = page.locator("#space svg.plot rect.unknown")
    assert hatched.count() == 1 and hatched.get_attribute("width") == "4.167%"
    drawn = page.locator("#space svg.plot path.level").get_attribute("d") or ""
    assert drawn.count("M") == 2
    page.locator("#space summary").click()
    assert page.locator("#space tbody tr").nth(10).locator("td").first.inner_text().startswith("—")
    assert "23 of 24 periods measured" in page.locator(".tiles").inner_text()


def test_files_carry_what_the_page_shows(page: Page, site: PagesSite):
    """A file's link has the page's range, zone and filter, and its name says range, zone, and whether it is final."""
    page.goto(site.url + "/usage?begin=2026-11-01&end=2026-11-10&timezone=Europe/Berlin&account_prefix=AUTH_h")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV", exact=True).click()
    name = waiting.value.suggested_filename
    assert "2026-11-01" in name and "2026-11-10" in name and "Berlin" in name and "final" in name and "not" not in name
    rows = list(csv.DictReader(open(waiting.value.path(), encoding="utf-8")))
    assert [row["account"] for row in rows] == ["AUTH_huge"]
    page.goto(site.url + "/usage")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="JSON", exact=True).click()
    assert waiting.value.suggested_filename.endswith("_not-final.json")


def test_without_scripts_everything_works(browser, site: PagesSite):
    """With scripts off: sign in, choose a range, go to an account, see its plots, open their numbers, take a file, sign out."""
    with window(browser, java_script_enabled=False) as page:
        sign_in(page, site, site.operator)
        page.get_by_role("link", name="Last month").click()
        assert "1 to 31 October 2026, UTC" in page.locator("main").inner_text()
        page.get_by_label("From").fill("2026-11-01 00:00")
        page.get_by_label("Until").fill("2026-11-08 00:00")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="AUTH_huge").click()
        assert page.locator("#requests svg.plot path.s0").count() == 1
        page.locator("#requests summary").click()
        assert page.locator("#requests tbody tr").first.is_visible()
        with page.expect_download() as waiting:
            page.get_by_role("link", name="XML", exact=True).click()
        assert waiting.value.suggested_filename.endswith(".xml")
        page.get_by_role("button", name="Sign out").click()
        assert page.url.endswith("/login")


def test_a_servers_column_each(page: Page, site: PagesSite):
    """The table of servers has a column per server and their sum, which equals the accounts'."""
    page.goto(site.url + "/usage?by=account,server&fields=bytes_out")
    titles = [each.split("\n")[0] for each in page.locator("thead th").all_inner_texts()]
    assert titles == ["Account ▴", "proxy-01", "proxy-02", "Sum"]
    assert values(page, "tbody tr:first-child") == [3 * HUGE, HUGE, 4 * HUGE]
    page.goto(site.url + "/usage?by=server")
    assert values(page, "tbody tr td:nth-child(4)") == [3 * HUGE, HUGE]


def test_groups_have_their_own_and_all_below(page: Page, site: PagesSite):
    """A row per group of petnames has its own usage and that with all below; each account is in the sum once."""
    with engines.write(site.engine) as connection:
        petnames.put(connection, {b"AUTH_huge": "physics/lab1", b"AUTH_small": "physics"})
    page.goto(site.url + "/usage?by=group")
    assert page.locator("tbody th").all_inner_texts() == ["physics", "physics/lab1"]
    assert values(page, "tbody tr:first-child td:nth-child(3)") == [3 * (1025 + 7), 3 * 7]
    assert values(page, "tfoot")[1:3] == [3 * (1025 + 7), 4 * HUGE]
    with page.expect_navigation():
        page.get_by_role("link", name="physics/lab1").click()
    assert page.locator("tbody th a").all_inner_texts() == ["AUTH_huge"]
    assert "Accounts called physics/lab1, or below it." in page.locator("main").inner_text()
    with engines.write(site.engine) as connection:
        petnames.remove(connection, [b"AUTH_huge", b"AUTH_small"])


def test_the_strip_follows_the_site(browser, page: Page, site: PagesSite):
    """Waited for by name, then held up by name with what to do, then final and every ≥ gone; tenants are told no names."""
    strip = page.locator(".strip")
    site.now = LAST + HOUR + 300
    site.close(LAST + HOUR, "proxy-01")
    page.goto(site.url + "/usage")
    assert "◐" in strip.inner_text() and "waiting for proxy-02" in strip.inner_text()
    site.now = LAST + 6 * HOUR
    site.close(LAST + 6 * HOUR, "proxy-01")
    page.reload()
    said = strip.inner_text()
    assert "✕" in said and "proxy-02 silent for" in said and "swiftstats server retire proxy-02" in said
    with window(browser) as tenants:
        sign_in(tenants, site, site.token("tenant", "AUTH_huge"))
        assert "1 server" in tenants.locator(".strip").inner_text() and "proxy" not in tenants.content()
    site.now = DECEMBER + HOUR
    site.close(DECEMBER)
    page.goto(site.url + "/usage?begin=2026-11")
    assert "✓" in strip.inner_text() and "Final." in strip.inner_text()
    assert "≥" not in page.content() and "≈" not in page.locator("main").inner_text()
    site.now = NOW
