"""Names that would break a page, and more accounts than anybody looks through."""

from __future__ import annotations

import csv
import html
import io
import re
import urllib.request

import pytest
from playwright.sync_api import Page
from sqlalchemy import text

from swiftstats.store import engine as engines
from swiftstats.store import petnames
from tests.support.pages import NOVEMBER, NOW, PagesSite, account_url, sign_in, window
from tests.support.service import HOUR

pytestmark = pytest.mark.browser

#: Names as nobody should choose them.
AWKWARD = ('AUTH_<b>"R&D"', "AUTH_..", "AUTH_line\nbreak", "AUTH_'; DROP TABLE accounts", "AUTH_100%_", "AUTH_100x_",
           "AUTH_bücher-日本", "AUTH_{{ 7*7 }}", "AUTH_" + "n" * 251)
MANY = 1_000_000
#: The last accounts that are walked through page by page.
LAST = 12_000


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """Awkward names; and many plain ones, each with a row."""
    site.count("proxy-01", NOVEMBER, {name: {"get_count": 7, "passed_out": 1000} for name in AWKWARD})
    with engines.write(site.engine) as connection:
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) "
        connection.execute(text(
            f"INSERT INTO accounts (name, first_seen) {numbers} SELECT CAST(printf('many_%07d', i) AS BLOB), 0 FROM n"))
        columns = connection.execute(text("SELECT * FROM io_hours LIMIT 1")).keys()
        copied = ", ".join("a.id" if name == "account_id" else name for name in columns)
        connection.execute(text(
            f"INSERT INTO io_hours SELECT {copied} FROM accounts a, (SELECT * FROM io_hours LIMIT 1) "
            "WHERE a.name >= CAST('many' AS BLOB)"))
    site.close(NOW // HOUR * HOUR)


def shown(page: Page) -> list[str]:
    """Return the accounts of the page, as they stand in it."""
    return page.eval_on_selector_all("tbody th a", "found => found.map(each => each.textContent)")


def test_awkward_names_are_text_and_links_work(page: Page, site: PagesSite):
    """A name is shown as it is, whatever is in it, its link leads to its page, and nothing of it becomes markup or a template."""
    page.goto(site.url + "/usage?account_prefix=AUTH_")
    assert sorted(shown(page)) == sorted(AWKWARD)
    assert not page.locator("main b b, tbody b").count()
    links = page.eval_on_selector_all("tbody th a", "found => found.map(each => [each.textContent, each.href])")
    for name, link in links:
        page.goto(link)
        assert page.evaluate("document.querySelector('h1').firstChild.textContent") == name
        assert page.locator(".tile data").first.get_attribute("value") == "7", name


def test_awkward_names_survive_csv(site: PagesSite):
    """Each name comes back from CSV as it is, line breaks and quotes included."""
    asked = urllib.request.Request(site.url + "/usage?format=csv&account_prefix=AUTH_",
                                   headers={"X-Auth-Token": site.operator})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        rows = list(csv.DictReader(io.TextIOWrapper(answer, "utf-8", newline="")))
    assert sorted(row["account"] for row in rows) == sorted(AWKWARD)


@pytest.mark.parametrize(("prefix", "found"), [
    ("AUTH_100%", ["AUTH_100%_"]), ("AUTH_'", ["AUTH_'; DROP TABLE accounts"]), ("AUTH_bü", ["AUTH_bücher-日本"]),
    ("AUTH_100", ["AUTH_100%_", "AUTH_100x_"]), ("AUTH_no-such", []),
])
def test_search_takes_every_sign_as_it_is(page: Page, site: PagesSite, prefix, found):
    """What is searched begins so, sign for sign: no % or _ stands for others, and what is not there is said to be not there."""
    page.goto(site.url + "/usage")
    page.get_by_label("Begins with").fill(prefix)
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()
    assert shown(page) == found
    if not found:
        assert "No account that begins so" in page.locator("main").inner_text()


def test_pages_of_a_million_accounts(page: Page, site: PagesSite):
    """Of a million accounts a page shows as many as it is asked for, 1,000 at most, and Next those after them."""
    page.goto(site.url + "/usage?limit=1000&marker=many_0000000")
    assert f"More than {10_000:,} accounts" in page.locator("main").inner_text()
    assert shown(page) == [f"many_{number:07}" for number in range(1, 1001)]
    page.get_by_role("link", name="Next 1,000").click()
    page.wait_for_url("**marker=many_0001000**")
    assert shown(page) == [f"many_{number:07}" for number in range(1001, 2001)]
    page.goto(site.url + "/usage?limit=1001")
    assert "a number of accounts from 1 to 1000" in page.locator("main").inner_text()


def test_next_to_the_end_visits_each_once(page: Page, site: PagesSite):
    """Next, and next again, shows each account once to the very end, while others are added before it and behind."""
    seen: list[str] = []
    path = f"/usage?limit=1000&marker=many_{MANY - LAST:07}"
    for number in range(20):
        text_ = page.request.get(site.url + path, headers={"Accept": "text/html"}).text()
        rows = re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', text_)
        assert len(rows) <= 1000
        seen += rows
        site.count("proxy-01", NOVEMBER, {f"AUTH_0000-{number}": {"get_count": 1}, f"zzz-{number:02}": {"get_count": 1}})
        following = re.search(r'<a href="([^"]+)" rel="next">', text_)
        if following is None:
            break
        path = html.unescape(following.group(1))
    assert len(seen) == len(set(seen))
    assert {f"many_{number:07}" for number in range(MANY - LAST + 1, MANY + 1)} < set(seen)
    assert following is None


def test_petnames_are_text(page: Page, site: PagesSite):
    """A petname stands beside its account, as it is, and two accounts of one petname are told apart by theirs."""
    with engines.write(site.engine) as connection:
        petnames.put(connection, {b"AUTH_..": "<i>../x</i>", b"AUTH_100x_": "<i>../x</i>"})
    page.goto(site.url + "/usage?account_prefix=AUTH_")
    assert page.locator("tbody th > span:not(.muted)").all_inner_texts() == ["<i>../x</i>", "<i>../x</i>"]
    page.get_by_role("link", name="AUTH_100x_").click()
    assert page.locator("h1 small").inner_text() == "<i>../x</i>"


@pytest.mark.parametrize("query", ["", "&by=account,server", "&granularity=day"])
def test_no_petname_is_a_question_mark(page: Page, site: PagesSite, query):
    """Where the site has petnames, an account without one is said to have none, whether or not another on the page has one."""
    with engines.write(site.engine) as connection:
        petnames.put(connection, {b"AUTH_..": "dots"})
    page.goto(site.url + "/usage?marker=many_0000000&limit=3" + query)
    assert page.locator("tbody th > span").all_text_contents() == 3 * ["?no petname"]
    page.goto(account_url(site, "AUTH_100%_"))
    assert page.locator("h1 small").text_content() == " ?no petname"
    page.goto(account_url(site, "AUTH_.."))
    assert (page.locator("h1 small").text_content() or "").strip() == "dots"


def test_without_petnames_there_are_no_question_marks(browser, page: Page, site: PagesSite):
    """Where there are no petnames, or none of what somebody may read, accounts stand alone."""
    with engines.write(site.engine) as connection:
        petnames.remove(connection, [each.account for each in petnames.listed(connection)])
    page.goto(site.url + "/usage?limit=3")
    assert page.locator("tbody th > span").count() == 0
    with engines.write(site.engine) as connection:
        petnames.put(connection, {b"AUTH_..": "dots"})
    with window(browser) as tenants:
        sign_in(tenants, site, site.token("tenant", "AUTH_100x_"))
        assert tenants.locator("h1 small").count() == 0 and "petname" not in tenants.content()
