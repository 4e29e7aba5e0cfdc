"""Who may see what: sessions, what they withstand, tenants, and pages for when there is nothing to show."""

from __future__ import annotations

import logging
import time
import urllib.parse

import pytest

from tests.support.pages import NOVEMBER, PagesSite, account_url, sign_in, window
from tests.support.service import HOUR

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """Two tenants' accounts, on one server."""
    site.count("proxy-of-the-cellar", NOVEMBER, {name: {"get_count": 4} for name in ("AUTH_a", "AUTH_b")})
    site.close(NOVEMBER + HOUR)


def test_a_wrong_token_is_refused_and_in_no_log(browser, site: PagesSite, caplog):
    """A token that nobody knows begins no session, and neither it nor a good one stands in any log or page."""
    with caplog.at_level(logging.DEBUG), window(browser) as page:
        page.goto(site.url + "/usage")
        assert "/login?next=" in page.url
        page.get_by_label("Token", exact=True).fill("swst_nobody-knows-this")
        page.get_by_role("button", name="Sign in").click()
        assert "Nobody knows that" in page.get_by_role("alert").inner_text()
        assert "swst_nobody-knows-this" not in page.content()
        sign_in(page, site, site.operator)
        [cookie] = page.context.cookies()
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and site.operator not in urllib.parse.unquote(str(cookie))
        assert site.operator not in page.content()
    assert "swst_nobody" not in caplog.text and site.operator not in caplog.text


def test_who_reads_everything_is_noted(browser, site: PagesSite, caplog):
    """A page of all accounts stands in the audit log, with who read it and how many rows; a tenant's own does not."""
    with caplog.at_level(logging.INFO, "swiftstats.audit"), window(browser) as page:
        sign_in(page, site, site.operator)
        assert "read who=tokens:operator" in caplog.text and "rows=2" in caplog.text
        caplog.clear()
        sign_in(page, site, site.token("tenant-b", "AUTH_b"))
        assert "read who" not in caplog.text


def test_one_comes_back_to_what_was_asked_for(browser, site: PagesSite):
    """Whoever has to sign in first comes to the page that was asked for, and never to another host."""
    with window(browser) as page:
        page.goto(site.url + "/accounts/AUTH_a?begin=2026-11&units=si")
        page.get_by_label("Token", exact=True).fill(site.operator)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/accounts/AUTH_a?begin=2026-11&units=si")
    for evil in ("//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"):
        with window(browser) as page:
            page.goto(site.url + "/login?next=" + urllib.parse.quote(evil, safe=""))
            page.get_by_label("Token", exact=True).fill(site.operator)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda url: "/login" not in url)
            assert page.url == site.url + "/usage", evil


def test_cookies_that_are_altered_or_over_are_none(browser, site: PagesSite):
    """A changed cookie is no session; one whose token was revoked ends at the next request."""
    with window(browser) as page:
        sign_in(page, site, site.operator)
        [cookie] = page.context.cookies()
        page.context.add_cookies([{**cookie, "value": cookie["value"][:-4] + "AAAA"}])
        page.goto(site.url + "/usage")
        assert "/login" in page.url
        sign_in(page, site, site.token("soon-revoked", "AUTH_a"))
        page.reload()
        assert page.url == account_url(site, "AUTH_a")
        site.revoke("soon-revoked")
        page.reload()
        assert "/login" in page.url


def test_a_session_that_is_over_leads_to_sign_in(browser, site: PagesSite, monkeypatch, caplog):
    """Half a day after signing in a page leads to the form, and from there back to it; the log has whom it sent away."""
    with window(browser) as page, caplog.at_level(logging.INFO, "swiftstats.audit"):
        sign_in(page, site, site.operator)
        page.goto(site.url + "/status")
        assert "/login" not in page.url
        with monkeypatch.context() as later:
            later.setattr(site.app.service.rules.sessions, "_clock", lambda: time.time() + 12 * HOUR + 1)
            assert page.context.cookies()  # the browser still sends it
            page.reload()
            assert "/login?next=" in page.url
            assert "refused status=303 who=- address=127.0.0.1 request=GET%20/status" in caplog.text
        page.get_by_label("Token", exact=True).fill(site.operator)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(site.url + "/status")


def test_forms_of_other_sites_do_nothing(browser, site: PagesSite):
    """A page of another origin can neither sign somebody in, nor out, nor show ours in a frame, with a good token neither."""
    other = site.url.replace("127.0.0.1", "localhost")
    with window(browser) as page:
        sign_in(page, site, site.operator)
        page.route(other + "/evil", lambda route: route.fulfill(content_type="text/html", body=(
            f'<form method="post" action="{site.url}/logout"><button>win</button></form>'
            f'<iframe src="{site.url}/usage"></iframe>')))
        page.goto(other + "/evil")
        assert all("Usage, all accounts" not in frame.content() for frame in page.frames)
        page.get_by_role("button").click()
        assert "you are still signed in" in page.locator("main").inner_text()
        page.goto(site.url + "/usage")
        assert "Usage, all accounts" in page.locator("h1").inner_text()
    with window(browser) as page:
        page.route(other + "/evil", lambda route: route.fulfill(content_type="text/html", body=(
            f'<form method="post" action="{site.url}/login"><input name="token" value="{site.operator}">'
            "<button>win</button></form>")))
        page.goto(other + "/evil")
        page.get_by_role("button").click()
        assert "That form did not come from here" in page.get_by_role("alert").inner_text()
        assert not page.context.cookies()


def test_a_tenant_sees_its_own_account_alone(browser, site: PagesSite):
    """A tenant's first page is its account; another's page, table and file are refused alike, and so are operators' pages."""
    with window(browser) as page:
        sign_in(page, site, site.token("tenant-a", "AUTH_a"))
        assert page.url == account_url(site, "AUTH_a")
        assert page.get_by_role("navigation").inner_text().split() == ["Usage", "Help"]
        assert "cellar" not in page.content()
        for path in ("/accounts/AUTH_b", "/usage?account=AUTH_b", "/usage?account=AUTH_b&format=csv", "/status",
                     "/servers/proxy-of-the-cellar", "/servers?format=json", "/usage?by=server", "/usage?by=account,server"):
            answer = page.request.get(site.url + path, headers={"Accept": "text/html"})
            assert answer.status == 403, path
            assert "cellar" not in answer.text().replace("/servers/proxy-of-the-cellar", ""), path
        page.goto(site.url + "/usage")
        assert page.locator("tbody th").all_inner_texts() == ["AUTH_a"]
        assert "cellar" not in page.content()


def test_an_empty_site_says_what_to_do(browser, tmp_path):
    """Where nothing was counted yet, and where the database is away, a page in the same style says so, and what to do."""
    site = PagesSite(tmp_path)
    try:
        with window(browser) as page:
            sign_in(page, site, site.operator)
            assert "Nothing was counted in this range" in page.locator("main").inner_text()
            page.goto(site.url + "/status")
            assert "No server has ever sent anything" in page.locator("main").inner_text()
            assert "swiftstats space --once" in page.locator("main").inner_text()
            page.goto(account_url(site, "AUTH_nobody"))
            assert "Nothing was ever counted for this account" in page.locator("main").inner_text()
            site.app.service.engine.dispose()
            site.database.rename(tmp_path / "away")
            site.database.mkdir()
            answer = page.goto(site.url + "/usage")
            assert answer is not None and answer.status == 503 and int(answer.headers["retry-after"]) > 0
            assert "nothing is lost" in page.locator("main").inner_text()
            assert "sqlite" not in page.content().lower() and "Traceback" not in page.content()
    finally:
        site.stop()
