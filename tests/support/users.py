"""Whose accounts the clients of a cluster use, and what they show to get in; here by Keystone, in caller.py by tempauth."""

from __future__ import annotations

import secrets
from typing import Protocol

from tests.support.keystone import Keystone


class Users(Protocol):
    """One user to each name of an account, who may do everything in it, and one who may in all accounts."""

    def account(self, name: str) -> str:
        """Return the account's full name."""

    def token(self, name: str) -> str:
        """Return a token of its user."""

    def key_pair(self, name: str) -> tuple[str, str]:
        """Return the access key and the secret of its user, for S3."""

    def admin_token(self) -> str:
        """Return a token that is good for every account."""


class OfKeystone:
    """A project for each name, made when it is first asked for, in a new domain; its user is the same one for all.

    (A token is for one project. Users of their own would cost two requests more for each name, and show nothing else.)
    """

    def __init__(self, keystone: Keystone, *, role: str = "member", admin_role: str = "ResellerAdmin") -> None:
        self._keystone = keystone
        self._domain = keystone.create_domain(f"clients-{secrets.token_hex(4)}")
        self._person, self._admin = (keystone.create_user(name, domain=self._domain) for name in ("client", "admin"))
        keystone.grant_in_all(role, self._person, domain=self._domain)
        self._of_admin = keystone.create_project("admin", domain=self._domain)
        keystone.grant(admin_role, self._admin, project=self._of_admin)
        self._projects: dict[str, str] = {}
        self._key_pairs: dict[str, tuple[str, str]] = {}

    def project(self, name: str) -> str:
        """Return a project's id."""
        if name not in self._projects:
            self._projects[name] = self._keystone.create_project(name, domain=self._domain)
        return self._projects[name]

    def account(self, name: str) -> str:
        return "AUTH_" + self.project(name)

    def token(self, name: str) -> str:
        return self._keystone.token(self._person, project=self.project(name))

    def key_pair(self, name: str) -> tuple[str, str]:
        if name not in self._key_pairs:
            self._key_pairs[name] = self._keystone.key_pair(self._person, self.project(name))
        return self._key_pairs[name]

    def service_token(self) -> str:
        """Return a token of a user with the role service."""
        return self._keystone.token(self._keystone.service, project=self._keystone.service_project)

    def reader_token(self, name: str) -> str:
        """Return a token of a user who may only read in a project."""
        reader = self._keystone.create_user(f"reader-of-{name}", domain=self._domain)
        self._keystone.grant("reader", reader, project=self.project(name))
        return self._keystone.token(reader, project=self.project(name))

    def worthless_tokens(self, name: str) -> list[str]:
        """Return a token without a project, a revoked one and an expired one of a user of a project."""
        revoked = self.token(name)
        self._keystone.revoke(revoked)
        return [self._keystone.token(self._person), revoked,
                self._keystone.expired_token(self._person, project=self.project(name))]

    def domain_account(self) -> str:
        """Return the account of the domain itself."""
        return "AUTH_" + self._domain

    def admin_token(self) -> str:
        return self._keystone.token(self._admin, project=self._of_admin)
