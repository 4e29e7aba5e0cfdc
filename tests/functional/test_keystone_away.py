"""Keystone away, and `authtoken` to the left of the service in each way that it can be set: refused is 401, and unknown 503."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.functional.test_keystone import PIPELINE, ask, options_of, server
from tests.support.api_server import ROOT, ApiServer
from tests.support.keystone import Keystone, Person

pytestmark = [pytest.mark.keystone, pytest.mark.timeout(300)]

#: A pipeline whose filter has all its options itself, and the service no section of them.
INLINE = """\
[pipeline:main]
pipeline = authtoken swiftstats

[app:swiftstats]
use = egg:swiftstats#api

[filter:authtoken]
delay_auth_decision = {delay}
token_cache_time = -1
http_request_max_retries = 0
{options}

"""


class Member(NamedTuple):
    keystone: Keystone
    person: Person
    project: str

    def token(self) -> str:
        return self.keystone.token(self.person, project=self.project)


@pytest.fixture(scope="module")
def member(keystone: Keystone) -> Member:
    project, person = keystone.create_project("away"), keystone.create_user("away")
    keystone.grant("member", person, project=project)
    return Member(keystone, person, project)


def by_section(folder: Path, delay: str) -> str:
    return PIPELINE.format(pipeline="authtoken swiftstats", file=folder / "swiftstats.conf", delay=delay)


def prepared(folder: Path, keystone: Keystone, delay: str, *, inline: bool) -> ApiServer:
    """Return a service with authtoken to its left, whose options stand with the filter, or in [keystone_authtoken]."""
    folder.mkdir()
    if inline:
        options = "\n".join(f"{name} = {value}" for name, value in keystone.authtoken().items())
        return server(folder, INLINE.format(delay=delay, options=options))
    return server(folder, by_section(folder, delay) + options_of(keystone))


def test_keystone_away(member: Member, tmp_path: Path) -> None:
    """However authtoken is set to the left, without Keystone a token is 503, good or not, and none 401; then all is well."""
    keystone, token = member.keystone, member.token()
    ways = [(delay, inline) for delay in ("false", "true") for inline in (False, True)]
    with ExitStack() as stack:
        services = {(delay, inline): stack.enter_context(prepared(tmp_path / f"{delay}-{inline}", keystone, delay, inline=inline))
                    for delay, inline in ways}

        def statuses(*tokens: str | None) -> dict[tuple[str, bool], list[int]]:
            return {way: [ask(service, member.project, each).status for each in tokens] for way, service in services.items()}

        keystone.stop()
        try:
            assert statuses(token, "garbage", None) == {way: [503, 503, 401] for way in ways}
            assert services["true", True].get("/healthcheck").status == 200
            assert ask(services["true", True], member.project, token).header("Retry-After")
        finally:
            keystone.start()
        assert statuses(token, "garbage", None) == {way: [200, 401, 401] for way in ways}
        for service in services.values():
            assert token not in service.logged()


@pytest.mark.parametrize("delay", ["false", "true"])
def test_a_section_that_is_missing(tmp_path: Path, delay: str) -> None:
    """With authtoken in the pipeline and nothing that it could ask Keystone with, the service refuses to start, and says so."""
    said = server(tmp_path, by_section(tmp_path, delay)).refused()
    assert "authtoken has no auth_type" in said and "[keystone_authtoken]" in said and "Traceback" not in said


def test_a_section_without_what_is_needed(tmp_path: Path) -> None:
    """So it does where the section is there and lacks it."""
    said = server(tmp_path, "[keystone_authtoken]\nauth_url = http://127.0.0.1:1/v3\n").refused()
    assert "authtoken has no auth_type" in said and "Traceback" not in said


def test_the_sample_with_authtoken(member: Member, tmp_path: Path) -> None:
    """etc/api-paste.ini-sample with the lines of authtoken switched on serves Keystone's tokens, and refuses others."""
    sample = (ROOT / "etc" / "api-paste.ini-sample").read_text()
    service = server(tmp_path, options_of(member.keystone))
    settings = tmp_path / "settings.conf"
    settings.write_bytes(service.configuration.read_bytes())
    settings.chmod(0o600)
    on = re.sub(r"^pipeline = swiftstats$", "", sample, flags=re.MULTILINE)
    on, number = re.subn(r"^#(pipeline = authtoken swiftstats|\[filter:authtoken\]|paste\.filter_factory = keystonemiddleware.*"
                         r"|oslo_config_.*)$", r"\1", on, flags=re.MULTILINE)
    assert number == 5
    service.configuration.write_text(on.replace("/etc/swiftstats/swiftstats.conf", str(settings)) + "\n[api]\nbind_port = 0\n")
    with service:
        assert [ask(service, member.project, token).status for token in (member.token(), "garbage", None)] == [200, 401, 401]
        assert service.get("/healthcheck").status == 401  # it judges every request, as the sample says
