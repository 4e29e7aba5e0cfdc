"""The cases that only a Swift behind Keystone has; see table.py."""

from __future__ import annotations

from typing import Any

from tests.functional.table import Case
from tests.support.caller import Caller
from tests.support.users import OfKeystone

#: Beside those of every Swift.
CASES: list[Case] = []


def case(function: Case) -> Case:
    """Put a case into this table."""
    CASES.append(function)
    return function


def users_of(c: Caller) -> OfKeystone:
    assert isinstance(c.users, OfKeystone)
    return c.users


@case
def second_account_of_a_project(c: Caller) -> dict[str, Any]:
    """SERVICE_, the second reseller prefix: with a user's token and a service's together; with the user's alone denied."""
    c.container()
    service = c.account.replace("AUTH_", "SERVICE_")
    both = {"X-Service-Token": users_of(c).service_token()}
    made = c.send("PUT", f"/v1/{service}/c", headers=both)
    c.send("PUT", f"/v1/{service}/c/o", b"s" * 700, both)
    c.send("GET", f"/v1/{service}/c/o", headers=both)
    denied = c.send("GET", f"/v1/{service}/c/o", expect=403)
    wrong = c.send("GET", f"/v1/{service}/c/o", headers={"X-Service-Token": "gAAAAAwrong"}, expect=(401, 403))
    return {
        c.account: {},
        service: {"PUT": 2, "GET": 1, "Bytes_In": 700, "Bytes_Out": 700 + len(made.body), "Denied": 2,
                  "Unbilled_Bytes_Out": len(denied.body) + len(wrong.body)},
    }


@case
def account_of_a_domain(c: Caller) -> dict[str, Any]:
    """A domain is a project too, and has an account by its id: counted there."""
    c.container()
    account = users_of(c).domain_account()
    made = c.send("PUT", f"/v1/{account}/c", token=c.admin_token)
    c.send("PUT", f"/v1/{account}/c/o", b"d" * 600, token=c.admin_token)
    denied = c.send("GET", f"/v1/{account}/c/o", expect=403)
    return {c.account: {}, account: {"PUT": 2, "Bytes_In": 600, "Bytes_Out": len(made.body), "Denied": 1,
                                     "Unbilled_Bytes_Out": len(denied.body)}}


@case
def reader(c: Caller) -> dict[str, Any]:
    """A project's reader (AUTH_project_reader_roles) reads, and is denied to write: to the account both."""
    c.container()
    c.prepare("PUT", "/c/o", b"r" * 800)
    token = users_of(c).reader_token(c.name)
    c.send("GET", "/c/o", token=token)
    denied = c.send("PUT", "/c/o", b"", token=token, expect=403)
    return {"GET": 1, "Bytes_Out": 800, "Denied": 1, "Unbilled_Bytes_Out": len(denied.body)}


@case
def container_of_another_project(c: Caller) -> dict[str, Any]:
    """A container that another project may read: to the account that holds the data, whoever asked."""
    c.container(headers={"X-Container-Read": f"{c.other.removeprefix('AUTH_')}:*"})
    c.prepare("PUT", "/c/o", b"a" * 900)
    c.send("GET", "/c/o", token=c.other_token)
    return {c.account: {"GET": 1, "Bytes_Out": 900}, c.other: {}}


@case
def reseller_admin(c: Caller) -> dict[str, Any]:
    """Whoever has reseller_admin_role is served in every account: counted in the account, and not in his own project's."""
    c.container()
    c.send("PUT", "/c/o", b"x" * 500, token=c.admin_token)
    got = c.send("GET", "?format=json", token=c.admin_token)
    return {"PUT": 1, "GET": 1, "Bytes_In": 500, "Bytes_Out": len(got.body)}


@case
def token_of_nothing(c: Caller) -> dict[str, Any]:
    """A token without a project, a revoked one, an expired one: denied, to the account in the path."""
    c.container()
    out = 0
    for token in users_of(c).worthless_tokens(c.name):
        out += len(c.send("GET", "/c", token=token, expect=(401, 403)).body)
    return {"Denied": 3, "Unbilled_Bytes_Out": out}
