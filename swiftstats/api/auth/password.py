"""Sign in with Keystone's user name and password: for people on a page, who have no token at hand."""

from __future__ import annotations

import configparser

from swiftstats.api.auth.caller import AuthAway, Unauthenticated
from swiftstats.config import KEYSTONE_SECTION

#: How long Keystone may take, in seconds.
TIMEOUT = 10.0
#: Where people and projects are that say no domain.
DOMAIN = "Default"


class Passwords:
    """Asks the Keystone of [keystone_authtoken] for tokens. Thread-safe; keeps nothing. path: the file with that section.

    A password goes to its `auth_url`, and nowhere else: redirects are not followed, nor what a list of versions there names.
    """

    def __init__(self, path: str) -> None:
        parser = configparser.RawConfigParser(default_section="\x00none", strict=False)
        parser.read(path, encoding="utf-8")
        section = {name: value.replace("$$", "$") for name, value in parser.items(KEYSTONE_SECTION)}
        self._url = section.get("auth_url") or section.get("www_authenticate_uri", "")
        insecure = section.get("insecure", "").lower() in ("true", "yes", "on", "1")
        self._verify: bool | str = not insecure and (section.get("cafile") or True)

    def token(self, *, user: str, password: str, project: str, user_domain: str = DOMAIN, project_domain: str = DOMAIN) -> str:
        """Return a token of Keystone's for a project; raise Unauthenticated, or AuthAway where Keystone does not answer."""
        from keystoneauth1.exceptions import ClientException, HttpError
        from keystoneauth1.identity.v3 import Password
        from keystoneauth1.session import Session

        asked = Password(auth_url=self._url, username=user, password=password, user_domain_name=user_domain,
                         project_name=project, project_domain_name=project_domain)
        try:
            return str(Session(asked, verify=self._verify, timeout=TIMEOUT, redirect=False).get_token())
        except HttpError as error:
            if 400 <= error.http_status < 500 and error.http_status != 429:
                raise Unauthenticated() from None
            raise AuthAway(f"Keystone does not answer: {error.http_status}") from None
        except ClientException as error:
            raise AuthAway(f"Keystone does not answer: {type(error).__name__}") from None
