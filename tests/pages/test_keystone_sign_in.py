"""Signing in with a name and a password of a real Keystone, in a browser."""

from __future__ import annotations

from typing import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.api_server import ApiServer
from tests.support.keystone import Keystone, Person
from tests.support.pages import window
from tests.support.service import fresh, sqlite

pytestmark = [pytest.mark.browser, pytest.mark.keystone, pytest.mark.timeout(300)]

API = """\
[DEFAULT]
database = {database}

[api]
auth = keystone

[keystone_authtoken]
http_request_max_retries = 0
"""


@pytest.fixture(scope="module")
def project(keystone: Keystone) -> str:
    return keystone.create_project("pages-lab")


@pytest.fixture(scope="module")
def person(keystone: Keystone, project: str) -> Person:
    """A member of the project."""
    made = keystone.create_user("pages-member")
    keystone.grant("member", made, project=project)
    return made


@pytest.fixture(scope="module")
def service(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The service, which knows people by that Keystone alone."""
    folder = tmp_path_factory.mktemp("keystone-pages")
    fresh(sqlite(folder))
    options = (f"{name} = {value.replace('$', '$$')}" for name, value in keystone.authtoken().items() if "factory" not in name)
    with ApiServer(folder, API.format(database=sqlite(folder)) + "\n".join(options)) as running:
        yield running


def sign_in(page: Page, user: str, password: str, project: str) -> None:
    page.get_by_label("User", exact=True).fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Project", exact=True).fill(project)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").nth(1).click()


def test_a_member_signs_in_and_out(browser: Browser, service: ApiServer, person: Person, project: str) -> None:
    """A name, a password and a project lead to the project's own account, where the session ends by a button."""
    with window(browser) as page:
        page.goto(f"http://127.0.0.1:{service.port}/")
        sign_in(page, person.name, person.password, "pages-lab")
        assert page.url.partition("?")[0].endswith(f"/accounts/AUTH_{project}")
        [cookie] = page.context.cookies()
        assert cookie["httpOnly"] and person.password not in str(cookie) and person.password not in page.content()
        with page.expect_navigation():
            page.get_by_role("button", name="Sign out").click()
        page.goto(f"http://127.0.0.1:{service.port}/")
        assert "/login" in page.url
    assert person.password not in service.logged()


def test_the_form_asks_nobody_else(browser: Browser, service: ApiServer) -> None:
    """The form for passwords lets no script or style into itself, is sent to nobody else, and stands in nobody's frame."""
    with window(browser) as page:
        answer = page.goto(f"http://127.0.0.1:{service.port}/login")
        assert answer is not None and page.get_by_label("Password").count() == 1
        policy = dict(each.strip().partition(" ")[::2] for each in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert "unsafe" not in str(policy) and answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "private, no-cache"
        assert page.locator("[style], script:not([src]), [onclick]").count() == 0
        for intruding in ("script => { script.textContent = 'document.title = \"run\"'; document.body.append(script); }",
                          "() => { const form = document.querySelector('input[name=password]').form;"
                          " form.action = 'http://localhost:1/'; form.submit(); }"):
            with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
                page.evaluate(f"({intruding})(document.createElement('script'))")
        assert page.title() != "run" and page.url.endswith("/login")


def test_a_wrong_password(browser: Browser, service: ApiServer, person: Person) -> None:
    """A wrong password is refused, is in no page and no log, and the name need not be typed again."""
    with window(browser) as page:
        page.goto(f"http://127.0.0.1:{service.port}/login")
        sign_in(page, person.name, "wrong-and-secret", "pages-lab")
        assert "Nobody knows that" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("User", exact=True).input_value() == person.name
        assert not page.context.cookies() and "wrong-and-secret" not in page.content()
    assert "wrong-and-secret" not in service.logged()


def test_keystone_is_away(browser: Browser, service: ApiServer, keystone: Keystone, person: Person, project: str) -> None:
    """While Keystone does not answer a page says so, in our style; afterwards the same form works."""
    with window(browser) as page:
        page.goto(f"http://127.0.0.1:{service.port}/login")
        keystone.stop()
        try:
            sign_in(page, person.name, person.password, "pages-lab")
            assert "what knows the tokens, does not answer now" in page.get_by_role("main").inner_text()
        finally:
            keystone.start()
        page.goto(f"http://127.0.0.1:{service.port}/login")
        sign_in(page, person.name, person.password, "pages-lab")
        assert page.url.partition("?")[0].endswith(f"/accounts/AUTH_{project}")
