"""Whose a request is, what it counts as and whether it proves its account: the rules of docs/counting.md, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from swiftstats.collect import classify
from swiftstats.fields import CELLS, UNKNOWN

AUTH = ("AUTH_",)


def counted(method: str, status: int, cut: bool = False) -> set[str]:
    increments = classify.outcome(classify.KINDS.get(method, "OTHER"), status, cut).increments
    assert set(increments[1::2]) == {1}
    return {CELLS[cell] for cell in increments[::2]}


@pytest.mark.parametrize(("path", "account"), [
    ("/v1/AUTH_a", "AUTH_a"),
    ("/v1/AUTH_a/", "AUTH_a"),
    ("/v1/AUTH_a/c/o", "AUTH_a"),
    ("/v1.0/AUTH_a/c", "AUTH_a"),
    ("/v1/.", "."),
    ("/v1/AUTH_a\x00b/c", "AUTH_a\x00b"),
    ("/v1/AUTH_\xc3\xa9/c", "AUTH_\xc3\xa9"),
    ("/v1/", ""),
    ("/v1//c/o", ""),
    ("/v1", None),
    ("/v1.1/AUTH_a", None),
    ("/v2/AUTH_a", None),
    ("/V1/AUTH_a", None),
    ("//v1/AUTH_a", None),
    ("/info", None),
    ("/auth/v1.0", None),
    ("/auth/v1/AUTH_a/auth", None),
    ("/endpoints/AUTH_a/c/o", None),
    ("", None),
    ("*", None),
])
def test_the_account_is_the_second_segment_of_the_two_api_roots_only(path: str, account: str | None) -> None:
    """Only /v1/ACCOUNT… and /v1.0/ACCOUNT… name an account; /auth, /info and other versions do not."""
    assert classify.account_in(path) == account


@pytest.mark.parametrize(("why", "method", "arrived", "left", "backend", "from_s3", "account"), [
    ("as it arrived", "GET", "/v1/AUTH_a/c/o", "/v1/AUTH_a/c/o", None, False, "AUTH_a"),
    ("COPY rewrites the path to its destination", "COPY", "/v1/AUTH_a/c/o", "/v1/AUTH_b/c/o2", None, False, "AUTH_a"),
    ("COPY to a name that ends with its source's path", "COPY", "/v1/AUTH_a/c/o", "/v1/AUTH_b/c/v1/AUTH_a/c/o", None, False,
     "AUTH_a"),
    ("tempauth shifts into SCRIPT_NAME", "GET", "/auth/v1.0", "/v1.0", None, False, None),
    ("tempauth's other form is no account's", "GET", "/auth/v1/AUTH_a/auth", "/v1/AUTH_a/auth", None, False, None),
    ("domain_remap", "GET", "/o", "/v1/AUTH_a/c/o", None, False, "AUTH_a"),
    ("domain_remap, root", "GET", "/", "/v1/AUTH_a/c/", None, False, "AUTH_a"),
    ("domain_remap of an object that looks like another's path", "GET", "/v1/AUTH_victim/x", "/v1/AUTH_a/c/v1/AUTH_victim/x",
     None, False, "AUTH_a"),
    ("domain_remap that strips the root from such a path", "GET", "/v1/AUTH_victim/x", "/v1/AUTH_a/c/AUTH_victim/x", None, False,
     "AUTH_a"),
    ("COPY under domain_remap: the path as it was left", "COPY", "/o", "/v1/AUTH_a/c/o2", None, False, "AUTH_a"),
    ("S3", "PUT", "/bucket/key", "/bucket/key", "/v1/AUTH_a/bucket/key", True, "AUTH_a"),
    ("S3 whose bucket looks like an API root", "PUT", "/v1.0/AUTH_victim/x", "/v1.0/AUTH_victim/x",
     "/v1/AUTH_a/v1.0/AUTH_victim/x", True, "AUTH_a"),
    ("S3 of that kind that never learns its account", "GET", "/v1.0/AUTH_victim/x", "/v1.0/AUTH_victim/x", None, True, UNKNOWN),
    ("S3 with a bad signature: the raw access key", "PUT", "/b/k", "/b/k", "/v1/AKIAGARBAGE/b/k", True, UNKNOWN),
    ("such a path even without the S3 layer's header", "PUT", "/v1/AUTH_a/k", "/v1/AUTH_a/k", "/v1/AKIAGARBAGE/b", False,
     UNKNOWN),
    ("not metered", "GET", "/info", "/info", None, False, None),
    ("not metered: no account", "GET", "/v1/", "/v1/", None, False, None),
    ("a name of 256 bytes", "GET", "/v1/" + "a" * 256, "/v1/" + "a" * 256, None, False, "a" * 256),
    ("a name that no account can have", "GET", "/v1/" + "a" * 257, "/v1/" + "a" * 257, None, False, UNKNOWN),
], ids=lambda value: value if isinstance(value, str) and " " in value else None)
def test_a_request_is_counted_in_the_account_that_holds_the_data(why: str, method: str, arrived: str, left: str,
                                                                 backend: str | None, from_s3: bool, account: str | None) -> None:
    """The backend path where it has the reseller prefix, else the path as it arrived, else as it was left; never a stranger's."""
    assert classify.whose(method, arrived, left, backend, from_s3, AUTH) == account


def test_an_empty_reseller_prefix_takes_every_backend_account() -> None:
    """A cluster with the empty prefix has accounts without one."""
    assert classify.whose("GET", "/b/k", "/b/k", "/v1/anything/b/k", True, ("AUTH_", "")) == "anything"


@pytest.mark.parametrize(("method", "status", "cut", "cells"), [
    ("GET", 200, False, {"get_count"}),
    ("GET", 304, False, {"get_count"}),
    ("HEAD", 204, False, {"head_count"}),
    ("PUT", 201, False, {"put_count"}),
    ("POST", 202, False, {"post_count"}),
    ("DELETE", 204, False, {"delete_count"}),
    ("COPY", 201, False, {"other_count"}),
    ("OPTIONS", 200, False, {"other_count"}),
    ("get", 200, False, {"other_count"}),
    ("Get", 200, False, {"other_count"}),
    ("X" * 10_000, 405, False, {"other_count", "client_errors"}),
    ("GET", 401, False, {"denied"}),
    ("PUT", 403, False, {"denied"}),
    ("PUT", 403, True, {"denied"}),
    ("GET", 404, False, {"get_count", "client_errors"}),
    ("PUT", 412, False, {"put_count", "client_errors"}),
    ("PUT", 413, False, {"put_count", "client_errors"}),
    ("GET", 416, False, {"get_count", "client_errors"}),
    ("PUT", 422, False, {"put_count", "client_errors"}),
    ("PUT", 497, False, {"put_count", "client_errors"}),
    ("PUT", 498, False, {"put_count", "client_errors"}),
    ("PUT", 408, False, {"put_count", "disconnects"}),
    ("PUT", 499, False, {"put_count", "disconnects"}),
    ("PUT", 499, True, {"put_count", "disconnects"}),
    ("GET", 200, True, {"get_count", "disconnects"}),
    ("GET", 404, True, {"get_count", "client_errors", "disconnects"}),
    ("GET", 500, False, {"server_errors"}),
    ("GET", 503, False, {"server_errors"}),
    ("GET", 503, True, {"server_errors"}),
    ("GET", 507, False, {"server_errors"}),
    ("GET", 0, False, {"server_errors"}),
    ("GET", 999, False, {"server_errors"}),
])
def test_a_status_decides_what_a_request_counts_as(method: str, status: int, cut: bool, cells: set[str]) -> None:
    """401, 403 and 5xx are in no method's count; every other status is in one, and only exact names have one of their own."""
    assert counted(method, status, cut) == cells
    billable = classify.outcome(classify.KINDS.get(method, "OTHER"), status, cut).billable
    assert billable == (not cells & {"denied", "server_errors"})


def test_a_strange_method_leaves_nothing_behind() -> None:
    """Methods that anybody can make up add no key to any table."""
    before = classify.outcome.cache_info().currsize
    for number in range(1000):
        counted(f"METHOD{number}", 200)
    assert classify.outcome.cache_info().currsize <= before + 1


def proven(method: str, status: int, environ: dict[str, Any] | None = None, path: str = "/v1/AUTH_a/c/o",
           from_s3: bool = False) -> bool:
    proof = classify.outcome(classify.KINDS.get(method, "OTHER"), status, False).proof
    return classify.proves(proof, environ or {}, method, status, path, from_s3)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("status", [201, 202, 204, 206, 304, 404, 408, 409, 416, 422, 499])
def test_what_only_the_entitled_are_answered_is_evidence(method: str, status: int) -> None:
    """A status under 400, or 404, 408, 409, 416, 422, 499, shows that the account is real and the caller had a right there."""
    assert proven(method, status)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 411, 412, 413, 497, 498, 500, 503])
def test_what_everybody_is_answered_is_no_evidence(status: int) -> None:
    """Refusals and failures say nothing of an account."""
    assert not proven("GET", status)
    assert not proven("PUT", status)


@pytest.mark.parametrize(("why", "method", "status", "environ", "path"), [
    ("anonymous OPTIONS on any name", "OPTIONS", 200, {}, "/v1/garbage/c"),
    ("bulk delete: errors are in the body", "POST", 200, {"QUERY_STRING": "bulk-delete"}, "/v1/garbage"),
    ("the same with an encoded key", "POST", 200, {"QUERY_STRING": "bulk%2Ddelete"}, "/v1/garbage"),
    ("an archive", "PUT", 200, {"QUERY_STRING": "extract-archive=tar"}, "/v1/garbage"),
    ("a large object's delete", "DELETE", 200, {"QUERY_STRING": "multipart-manifest=delete"}, "/v1/garbage/c/o"),
    ("a manifest, checked before rights", "PUT", 422, {"QUERY_STRING": "multipart-manifest=put"}, "/v1/garbage/c/o"),
    ("a manifest with a heartbeat", "PUT", 202, {"QUERY_STRING": "multipart%2Dmanifest=put&heartbeat=on"}, "/v1/garbage/c/o"),
    ("a form's redirect", "POST", 303, {}, "/v1/garbage/c"),
    ("a copy whose source is missing", "COPY", 404, {}, "/v1/garbage/c/o"),
    ("a copy from a public object", "PUT", 416, {"HTTP_X_COPY_FROM": "/c/o"}, "/v1/garbage/c/o"),
    ("a path that Swift refuses to split", "GET", 404, {}, "/v1/garbage//o"),
    ("such a path of the other root", "PUT", 404, {}, "/v1.0/garbage//"),
], ids=lambda value: value if isinstance(value, str) and " " in value else None)
def test_answers_that_swift_gives_before_it_looks_at_rights_are_no_evidence(why: str, method: str, status: int,
                                                                           environ: dict[str, Any], path: str) -> None:
    """Garbage names must not fill the tables: an answer that anybody can get for any name admits none."""
    assert not proven(method, status, environ, path)


@pytest.mark.parametrize(("method", "status", "environ", "path", "from_s3"), [
    ("POST", 200, {}, "/b?delete", True),  # S3's delete-objects
    ("GET", 404, {}, "/v1/AUTH_a/c//o", False),  # a name that begins with a slash
    ("PUT", 422, {"QUERY_STRING": "temp_url_sig=1"}, "/v1/AUTH_a/c/o", False),
    ("POST", 202, {}, "/v1/AUTH_a/c/o", False),
    ("PUT", 202, {}, "/v1/AUTH_a/c", False),
    ("COPY", 201, {}, "/v1/AUTH_a/c/o", False),
    ("GET", 200, {"QUERY_STRING": "multipart-manifest=get"}, "/v1/AUTH_a/c/o", False),
])
def test_the_same_answers_of_other_requests_are(method: str, status: int, environ: dict[str, Any], path: str,
                                                from_s3: bool) -> None:
    """What is no evidence in one case is in others: S3 looks at rights first, and so does every plain request."""
    assert proven(method, status, environ, path, from_s3)


@pytest.mark.parametrize(("environ", "maybe"), [
    ({}, False),
    ({"HTTP_X_AUTH_TOKEN": "t", "QUERY_STRING": "format=json"}, False),
    ({"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=…"}, True),
    ({"HTTP_AUTHORIZATION": "AWS key:signature"}, True),
    ({"QUERY_STRING": "X-Amz-Credential=key%2F2026&X-Amz-Signature=1"}, True),
    ({"QUERY_STRING": "AWSAccessKeyId=key&Signature=1"}, True),
    ({"QUERY_STRING": "X%2DAmz-Credential=key"}, True),
])
def test_a_request_that_s3api_would_take_is_known_before_it_answers(environ: dict[str, str], maybe: bool) -> None:
    """Until s3api has answered nobody knows whose such a request is, however its path looks."""
    assert classify.may_be_s3(environ) is maybe
