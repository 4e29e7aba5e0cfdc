"""Signing in and out over HTTP: from a form of ours, or from no browser; a form of another site begins and ends nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

from tests.support.api_server import Answer, ApiServer, with_tokens
from tests.support.service import fresh, sqlite


class Site(NamedTuple):
    service: ApiServer
    token: str

    def post(self, path: str, **headers: str) -> Answer:
        """Send the form of a page, as a browser does."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.get(path, method="POST", form={"token": self.token} if path == "/login" else {}, headers=sent)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("sign-in")
    fresh(sqlite(folder))
    service = ApiServer(folder, with_tokens(folder))
    token = service.command("token", "create", "--name", "billing", "--all").strip()
    with service:
        yield Site(service, token)


@pytest.mark.parametrize("path", ["/login", "/logout"])
@pytest.mark.parametrize("headers", [
    {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "none"}, {"Origin": "null"},
    {"Origin": "https://evil.example"}, {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1:{port}"}])
def test_another_site_s_form(site: Site, path: str, headers: dict[str, str]) -> None:
    """Even with a good token a form of another site neither signs in, as whom its maker likes, nor out; the log names it."""
    before = site.service.logged()
    given = {name: value.format(port=site.service.port) for name, value in headers.items()}
    answer = site.post(path, **given)
    assert answer.status == 403 and not answer.header("Set-Cookie")
    assert f"refused status=403 who=- address=127.0.0.1 request=POST%20{path}" in site.service.logged().removeprefix(before)
    assert site.token not in site.service.logged() and site.token not in answer.body.decode()


@pytest.mark.parametrize("headers", [{}, {"Sec_Fetch_Site": "same-origin"}, {"Origin": "http://127.0.0.1:{port}"}])
def test_a_form_of_ours(site: Site, headers: dict[str, str]) -> None:
    """Our own form begins a session, which our own button ends; what is no browser may do so too."""
    given = {name: value.format(port=site.service.port) for name, value in headers.items()}
    answer = site.post("/login", **given)
    (cookie,) = answer.header("Set-Cookie")
    assert answer.status == 303 and "HttpOnly" in cookie and "SameSite=Lax" in cookie and site.token not in cookie
    shown = {"Accept": "text/html", "Cookie": cookie.partition(";")[0]}
    assert site.service.get("/usage", headers=shown).status == 200
    ended = site.post("/logout", **given, Cookie=shown["Cookie"])
    assert ended.status == 303 and "Max-Age=0" in ended.header("Set-Cookie")[0]


def test_a_session_does_not_go_with_another_site_s_post(site: Site) -> None:
    """A query that another site posts, with the browser's cookie, is nobody's."""
    cookie = site.post("/login").header("Set-Cookie")[0].partition(";")[0]
    form = {"account_id": "a", "begin_time": "2012-10-22", "end_time": "2012-10-23"}
    for headers, status in (({}, 200), ({"Sec-Fetch-Site": "cross-site"}, 401), ({"Origin": "https://evil.example"}, 401)):
        answer = site.service.get("/io_sum", method="POST", form=form, headers={"Cookie": cookie, **headers})
        assert answer.status == status, headers
