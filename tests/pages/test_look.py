"""Every page in a real browser: accessible, of its own origin, without anything inline, on a phone and on paper."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.support.pages import NOVEMBER, NOW, PagesSite, Watched, account_url, sign_in, violations, window
from tests.support.service import HOUR

pytestmark = pytest.mark.browser

PATHS = ("/usage", "/usage?by=account,server", "/usage?by=account,server&fields=bytes_out,GET&granularity=day",
         "/usage?by=server&granularity=day", "/usage?by=group", "/usage?begin=1999-01",
         "/accounts/AUTH_a", "/accounts/AUTH_a?begin=2026-11-20&end=2026-11-21&granularity=hour", "/accounts/AUTH_never",
         "/status", "/servers/proxy-01", "/help", "/usage?unheard=of", "/nothing-here", "/servers/nobody")


@pytest.fixture(scope="module", autouse=True)
def used(site: PagesSite) -> None:
    """Three weeks of two accounts and two servers, one of which is late; one reading of space failed."""
    last = NOW // HOUR * HOUR
    for period in range(NOVEMBER, last + 1, 7 * HOUR):
        rows = {name: {"get_count": 5, "put_count": 3, "head_count": 1, "denied": 1, "passed_in": 10**6, "passed_out": 10**8}
                for name in ("AUTH_a", "AUTH_b")}
        site.count("proxy-01", period, rows)
        site.count("proxy-02", period, rows)
    for period in range(NOVEMBER, last, HOUR):
        if (period // HOUR) % 50:
            site.read(period, "AUTH_a", 10**9 + period)
    site.close(last, "proxy-01")
    site.close(last - HOUR, "proxy-02")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(browser, site, scheme):
    """axe finds nothing wrong with any page, whatever it shows, light or dark; also with a plot's numbers open."""
    with window(browser, color_scheme=scheme) as page:
        page.goto(site.url + "/login")
        found = {"/login": violations(page)}
        page.get_by_label("Token", exact=True).fill("swst_nobody-knows-this")
        page.get_by_role("button", name="Sign in").click()
        assert page.get_by_role("alert").is_visible()
        found["/login, refused"] = violations(page)
        sign_in(page, site, site.operator)
        for path in PATHS:
            page.goto(site.url + path)
            for each in page.locator("summary").all():
                each.click()
            found[path] = violations(page)
    assert not any(found.values()), {path: said for path, said in found.items() if said}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_refusal_is_accessible(browser, tmp_path, scheme):
    """So it is with what a tenant is refused, with its own pages, with a sign-in by password, and where the database is away."""
    site = PagesSite(tmp_path, auth=("tokens", "swift"), swift_url="http://127.0.0.1:9/v1")
    try:
        site.count("proxy-01", NOVEMBER, {"AUTH_a": {"get_count": 5, "passed_out": 10**9}})
        site.close(NOVEMBER + HOUR)
        found = {}
        with window(browser, color_scheme=scheme) as page:
            page.goto(site.url + "/login")
            assert page.get_by_label("Account, with a token of Swift").is_visible()
            found["/login, account"] = violations(page)
            sign_in(page, site, site.token("tenant", "AUTH_a"))
            for path, status in (("/accounts/AUTH_a", 200), ("/usage", 200), ("/status", 403), ("/accounts/AUTH_b", 403)):
                answer = page.goto(site.url + path)
                assert answer is not None and answer.status == status
                found[path] = violations(page)
            site.app.service.engine.dispose()
            site.database.rename(tmp_path / "away")
            site.database.mkdir()
            answer = page.goto(site.url + "/usage")
            assert answer is not None and answer.status == 503
            found["503"] = violations(page)
        assert not any(found.values()), {path: said for path, said in found.items() if said}
    finally:
        site.stop()


def test_no_page_asks_elsewhere_or_says_anything(browser, site):
    """No page requests anything from another origin, logs anything, or has a style or script in itself; its policy says so."""
    with window(browser) as page:
        watched = Watched(page, site)
        sign_in(page, site, site.operator)
        for path in ("/login", *PATHS):
            answer = page.goto(site.url + path)
            assert answer is not None
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "private, no-cache"
            text = answer.text()
            assert not re.search(r"<style|<script(?! src=)| style=| on[a-z]+=|javascript:", text), path
        refused = [line for line in watched.said if "Failed to load resource" not in line]  # what 400 and 404 are to the console
        assert (refused, watched.elsewhere) == ([], [])


def test_every_page_fits_a_phone(browser, site):
    """At 390 pixels nothing but a table in its own frame is wider than the screen."""
    with window(browser, viewport={"width": 390, "height": 800}) as page:
        sign_in(page, site, site.operator)
        for path in ("/login", *PATHS):
            page.goto(site.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_paper_has_figures_and_no_forms(page: Page, site: PagesSite):
    """Printed, a page has no form and no links to other ranges, its tables are open, and its ground is white."""
    page.goto(account_url(site, "AUTH_a"))
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("form.ask").is_visible() and not page.locator(".presets").is_visible()
    assert page.locator("figure table").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")


def test_the_keyboard_is_enough(page: Page, site: PagesSite):
    """Tab reaches the skip link first, what has the focus shows it, and arrows read a plot and zoom into it."""
    page.goto(account_url(site, "AUTH_a"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    plot = page.locator("#requests .drawing")
    plot.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    said = page.locator("#requests output").inner_text()
    assert said.startswith("2026-11-02 00:00 UTC · GET ") and said.endswith(" · final")
    page.keyboard.press("End")
    assert page.locator("#requests output").inner_text().endswith("OTHER not begun · not begun")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url("**begin=2026-11-01*")
    assert "1 November 2026, UTC, by hour" in page.locator("main").inner_text()


def test_dragging_zooms(page: Page, site: PagesSite):
    """A range that is dragged over a plot becomes the page's range, in its address."""
    page.goto(account_url(site, "AUTH_a"))
    box = page.locator("#requests svg.plot").bounding_box()
    assert box is not None
    step = box["width"] / 30
    page.mouse.move(box["x"] + 3.5 * step, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 5.5 * step, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url("**begin=2026-11-04*")
    assert "4 to 6 November 2026, UTC" in page.locator("main").inner_text()
