"""The cases of a client that speaks Swift's own API and is served; see table.py."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import tarfile
import time
from typing import Any

from tests.functional.table import MB, case
from tests.support.caller import Caller, read_answer, request

DATA = bytes(range(256)) * 3 + b"x" * 255  # 1,023 bytes


# -- objects ---------------------------------------------------------------------------------------------------------


@case
def small_object(c: Caller) -> dict[str, Any]:
    """PUT 1,023 B; GET it; HEAD it; Range GET of 10 B; multi-range GET; conditional GET → 304."""
    c.container()
    etag = c.send("PUT", "/c/o", DATA).headers["etag"]
    assert c.send("GET", "/c/o").body == DATA
    c.send("HEAD", "/c/o")
    assert c.send("GET", "/c/o", headers={"Range": "bytes=0-9"}, expect=206).body == DATA[:10]
    several = c.send("GET", "/c/o", headers={"Range": "bytes=0-9,20-29"}, expect=206)
    assert several.headers["content-type"].startswith("multipart/byteranges")
    c.send("GET", "/c/o", headers={"If-None-Match": etag}, expect=304)
    return {"PUT": 1, "GET": 4, "HEAD": 1, "Bytes_In": 1023, "Bytes_Out": 1023 + 10 + len(several.body)}


@case
def empty_object(c: Caller) -> dict[str, Any]:
    """PUT of nothing; GET it; POST to it; DELETE it."""
    c.container()
    c.send("PUT", "/c/o", b"")
    c.send("GET", "/c/o")
    posted = c.send("POST", "/c/o", headers={"X-Object-Meta-Colour": "black"})
    c.send("DELETE", "/c/o")
    return {"PUT": 1, "GET": 1, "POST": 1, "DELETE": 1, "Bytes_Out": len(posted.body)}


@case
def chunked_put(c: Caller) -> dict[str, Any]:
    """chunked PUT: bytes in exact, without what the chunks' own lines take."""
    c.container()
    c.send("PUT", "/c/o", (bytes([65 + n]) * (10_000 + n) for n in range(7)))
    return {"PUT": 1, "Bytes_In": 70_021}


@case
def chunked_put_of_2_mb(c: Caller) -> dict[str, Any]:
    """chunked PUT of more than a MiB: bytes in exact, though they are added on the way."""
    c.container()
    c.send("PUT", "/c/o", (b"z" * 70_000 for _ in range(30)))
    return {"PUT": 1, "Bytes_In": 2_100_000}


@case
def expect_continue(c: Caller) -> dict[str, Any]:
    """PUT with `Expect: 100-continue`: bytes in exact, and the 100 is sent."""
    c.container()
    connection = c.raw(f"PUT /v1/{c.account}/c/o HTTP/1.1\nContent-Length: 5000\nExpect: 100-continue")
    assert connection.recv(4096).startswith(b"HTTP/1.1 100")
    connection.sendall(b"e" * 5000)
    status, _body = read_answer(connection)
    assert status == 201
    return {"PUT": 1, "Bytes_In": 5000}


@case
def expect_continue_refused(c: Caller) -> dict[str, Any]:
    """PUT with `Expect: 100-continue` into a container that is not there: 404 at once, no byte in."""
    c.container()
    connection = c.raw(f"PUT /v1/{c.account}/none/o HTTP/1.1\nContent-Length: 5000\nExpect: 100-continue")
    status, body = read_answer(connection)
    assert status == 404
    return {"PUT": 1, "Client_Errors": 1, "Bytes_Out": len(body)}


@case
def wrong_etag(c: Caller) -> dict[str, Any]:
    """PUT with a wrong ETag (422) after 1,000 B."""
    c.container()
    c.send("PUT", "/c/o", b"y" * 1000, {"ETag": "0" * 32}, expect=422)
    return {"PUT": 1, "Client_Errors": 1, "Bytes_In": 1000, "Bytes_Out": c.received}


@case
def refused_unread(c: Caller) -> dict[str, Any]:
    """PUT of 300 kB that is refused unread (401, 404): no bytes in."""
    c.container()
    denied = c.send("PUT", "/c/o", b"r" * 300_000, token="AUTH_tk_wrong", expect=401)
    missing = c.send("PUT", "/none/o", b"r" * 300_000, expect=404)
    return {
        "PUT": 1, "Client_Errors": 1, "Denied": 1, "Bytes_Out": len(missing.body), "Unbilled_Bytes_Out": len(denied.body),
    }


# -- large objects ---------------------------------------------------------------------------------------------------


def _segments(c: Caller) -> None:
    c.container("s")
    for number in range(3):
        c.prepare("PUT", f"/s/big/{number}", bytes([97 + number]) * 2_000_000)


def _read_large(c: Caller) -> int:
    """GET it, a range across two segments, HEAD; return the bytes out."""
    assert len(c.send("GET", "/c/big").body) == 6_000_000
    across = c.send("GET", "/c/big", headers={"Range": "bytes=1999000-2000999"}, expect=206)
    assert across.body == b"a" * 1000 + b"b" * 1000
    assert c.send("HEAD", "/c/big").headers["content-length"] == "6000000"
    return 6_000_000 + 2000


@case
def slo(c: Caller) -> dict[str, Any]:
    """SLO of 3 × 2,000,000 B: manifest PUT; GET; a range across two segments; HEAD: no segment request is counted."""
    c.container()
    _segments(c)
    manifest = json.dumps([{"path": f"/s/big/{n}", "size_bytes": 2_000_000} for n in range(3)]).encode()
    put = c.send("PUT", "/c/big?multipart-manifest=put", manifest)
    out = _read_large(c)
    return {"PUT": 1, "GET": 2, "HEAD": 1, "Bytes_In": len(manifest), "Bytes_Out": out + len(put.body)}


@case
def slo_delete(c: Caller) -> dict[str, Any]:
    """DELETE of an SLO with its segments: one DELETE as sent."""
    c.container()
    _segments(c)
    manifest = json.dumps([{"path": f"/s/big/{n}", "size_bytes": 2_000_000} for n in range(3)]).encode()
    c.prepare("PUT", "/c/big?multipart-manifest=put", manifest)
    deleted = c.send("DELETE", "/c/big?multipart-manifest=delete")
    return {"DELETE": 1, "Bytes_Out": len(deleted.body)}


@case
def dlo(c: Caller) -> dict[str, Any]:
    """DLO of 3 × 2,000,000 B: GET; a range across two segments; HEAD."""
    c.container()
    _segments(c)
    c.send("PUT", "/c/big", b"", {"X-Object-Manifest": "s/big/"})
    out = _read_large(c)
    return {"PUT": 1, "GET": 2, "HEAD": 1, "Bytes_Out": out}


# -- copies, versions ------------------------------------------------------------------------------------------------


@case
def copies(c: Caller) -> dict[str, Any]:
    """COPY, and PUT with `X-Copy-From`, of 20 MB: OTHER / PUT, 0 in, 0 out."""
    c.container()
    c.prepare("PUT", "/c/o", b"c" * 20 * MB)
    c.send("COPY", "/c/o", headers={"Destination": "c/o2"})
    c.send("PUT", "/c/o3", b"", {"X-Copy-From": "c/o"})
    return {"OTHER": 1, "PUT": 1}


@case
def copy_to_another_account(c: Caller) -> dict[str, Any]:
    """COPY, and PUT with `X-Copy-From-Account`, to another account: in the account of the URL."""
    admin = c.admin_token
    c.container()
    c.prepare("PUT", f"/v1/{c.other}/c", token=admin)
    c.prepare("PUT", "/c/o", b"c" * 20 * MB)
    c.send("COPY", "/c/o", headers={"Destination": "c/o", "Destination-Account": c.other}, token=admin)
    c.send("PUT", f"/v1/{c.other}/c/o2", b"", {"X-Copy-From": "c/o", "X-Copy-From-Account": c.account}, token=admin)
    return {c.account: {"OTHER": 1}, c.other: {"PUT": 1}}


@case
def versioned(c: Caller) -> dict[str, Any]:
    """PUT into a versioned container, twice; GET; DELETE: each one request and its bytes."""
    c.container(headers={"X-Versions-Enabled": "true"})
    c.send("PUT", "/c/o", b"1" * 1000)
    c.send("PUT", "/c/o", b"2" * 2000)
    assert len(c.send("GET", "/c/o").body) == 2000
    c.send("DELETE", "/c/o")
    return {"PUT": 2, "GET": 1, "DELETE": 1, "Bytes_In": 3000, "Bytes_Out": 2000}


@case
def versioned_by_location(c: Caller) -> dict[str, Any]:
    """PUT over an object in a container with `X-Versions-Location`: one PUT and its bytes."""
    c.container("old")
    c.container(headers={"X-Versions-Location": "old"})
    c.send("PUT", "/c/o", b"1" * 1000)
    c.send("PUT", "/c/o", b"2" * 2000)
    return {"PUT": 2, "Bytes_In": 3000}


@case
def symlink(c: Caller) -> dict[str, Any]:
    """GET of a symlink: one GET, the target's bytes."""
    c.container()
    c.prepare("PUT", "/c/o", b"t" * 3000)
    c.send("PUT", "/c/link", b"", {"X-Symlink-Target": "c/o"})
    assert len(c.send("GET", "/c/link").body) == 3000
    return {"PUT": 1, "GET": 1, "Bytes_Out": 3000}


# -- bulk ------------------------------------------------------------------------------------------------------------


@case
def bulk_delete(c: Caller) -> dict[str, Any]:
    """bulk delete of 3, by POST and by DELETE: one POST or DELETE as sent."""
    c.container()
    for name in "abcdef":
        c.prepare("PUT", f"/c/{name}", b"1")
    first = c.send("POST", "?bulk-delete", b"/c/a\n/c/b\n/c/c\n", {"Content-Type": "text/plain", "Accept": "application/json"})
    assert json.loads(first.body)["Number Deleted"] == 3
    second = c.send("DELETE", "?bulk-delete", b"/c/d\n/c/e\n/c/f\n",
                    {"Content-Type": "text/plain", "Accept": "application/json"})
    assert json.loads(second.body)["Number Deleted"] == 3
    return {"POST": 1, "DELETE": 1, "Bytes_In": 30, "Bytes_Out": len(first.body) + len(second.body)}


@case
def bulk_upload(c: Caller) -> dict[str, Any]:
    """upload of a tar with 3 files: one PUT with the tar's bytes."""
    c.container()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in "abc":
            info = tarfile.TarInfo(name)
            info.size = 5000
            tar.addfile(info, io.BytesIO(name.encode() * 5000))
    content = buffer.getvalue()
    answer = c.send("PUT", "/c?extract-archive=tar", content, {"Accept": "application/json"})
    assert json.loads(answer.body)["Number Files Created"] == 3
    return {"PUT": 1, "Bytes_In": len(content), "Bytes_Out": len(answer.body)}


# -- listings --------------------------------------------------------------------------------------------------------


@case
def listings(c: Caller) -> dict[str, Any]:
    """container and account listing as json, xml, text: bytes as sent to the client, after reformatting."""
    c.container()
    for number in range(5):
        c.prepare("PUT", f"/c/object-{number}", b"1")
    out = 0
    for path in ("/c", ""):
        for form in ("json", "xml", "plain"):
            body = c.send("GET", f"{path}?format={form}").body
            assert path == "" or b"object-4" in body
            out += len(body)
    return {"GET": 6, "Bytes_Out": out}


@case
def heads(c: Caller) -> dict[str, Any]:
    """HEAD of account, container and object; POST to account and container; DELETE of an empty container."""
    c.container()
    c.prepare("PUT", "/c/o", b"1")
    for path in ("", "/c", "/c/o"):
        c.send("HEAD", path)
    c.send("POST", "", headers={"X-Account-Meta-A": "1"})
    c.send("POST", "/c", headers={"X-Container-Meta-A": "1"})
    c.prepare("DELETE", "/c/o")
    c.send("DELETE", "/c")
    return {"HEAD": 3, "POST": 2, "DELETE": 1, "Bytes_Out": c.received}


# -- whose request it is ---------------------------------------------------------------------------------------------


def _sign_temporarily(method: str, path: str, expires: int) -> str:
    digest = hmac.new(b"key", f"{method}\n{expires}\n{path}".encode(), hashlib.sha256).hexdigest()
    return f"{path}?temp_url_sig={digest}&temp_url_expires={expires}"


@case
def tempurl(c: Caller) -> dict[str, Any]:
    """TempURL PUT, GET and HEAD without a token, and one with a wrong signature: to the container's account."""
    c.container()
    c.prepare("POST", "", headers={"X-Account-Meta-Temp-URL-Key": "key"})
    expires, path = int(time.time()) + 3600, f"/v1/{c.account}/c/o"
    c.send("PUT", _sign_temporarily("PUT", path, expires), b"t" * 4000, token=None)
    c.send("GET", _sign_temporarily("GET", path, expires), token=None)
    c.send("HEAD", _sign_temporarily("GET", path, expires), token=None)
    wrong = c.send("GET", f"{path}?temp_url_sig={'0' * 64}&temp_url_expires={expires}", token=None, expect=401)
    return {
        "PUT": 1, "GET": 1, "HEAD": 1, "Denied": 1, "Bytes_In": 4000, "Bytes_Out": 4000, "Unbilled_Bytes_Out": len(wrong.body),
    }


@case
def formpost(c: Caller) -> dict[str, Any]:
    """FormPost: one POST to the container's account, with the bytes of the whole form."""
    c.container()
    c.prepare("POST", "", headers={"X-Account-Meta-Temp-URL-Key": "key"})
    path, expires = f"/v1/{c.account}/c/form-", int(time.time()) + 3600
    signature = hmac.new(b"key", f"{path}\n\n1000000\n2\n{expires}".encode(), hashlib.sha256).hexdigest()
    fields = {"redirect": "", "max_file_size": "1000000", "max_file_count": "2", "expires": str(expires), "signature": signature}
    parts = [f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts += [
        f'--edge\r\nContent-Disposition: form-data; name="file{n}"; filename="f{n}"\r\n\r\n{"f" * 6000}\r\n'
        for n in range(2)
    ]
    body = ("".join(parts) + "--edge--\r\n").encode()
    answer = c.send("POST", path, body, {"Content-Type": "multipart/form-data; boundary=edge"}, token=None)
    assert c.prepare("HEAD", "/c/form-f1").headers["content-length"] == "6000"
    return {"POST": 1, "Bytes_In": len(body), "Bytes_Out": len(answer.body)}


@case
def public_container(c: Caller) -> dict[str, Any]:
    """GET and listing of a public container without a token: to the container's account."""
    c.container(headers={"X-Container-Read": ".r:*,.rlistings"})
    c.prepare("PUT", "/c/o", b"p" * 2500)
    c.send("GET", "/c/o", token=None)
    listing = c.send("GET", "/c?format=json", token=None)
    return {"GET": 2, "Bytes_Out": 2500 + len(listing.body)}


@case
def staticweb(c: Caller) -> dict[str, Any]:
    """staticweb: the index page, a listing page and an error page, without a token: to the container's account."""
    c.container(headers={"X-Container-Read": ".r:*,.rlistings", "X-Container-Meta-Web-Index": "index.html",
                         "X-Container-Meta-Web-Listings": "true", "X-Container-Meta-Web-Error": "error.html"})
    c.prepare("PUT", "/c/index.html", b"w" * 2100)
    c.prepare("PUT", "/c/404error.html", b"e" * 1200)
    c.prepare("PUT", "/c/sub/o", b"1")
    assert len(c.send("GET", "/c/", token=None).body) == 2100
    listing = c.send("GET", "/c/sub/", token=None)
    assert b"<html" in listing.body.lower()
    missing = c.send("GET", "/c/none", token=None, expect=404)
    assert missing.body == b"e" * 1200
    return {"GET": 3, "Client_Errors": 1, "Bytes_Out": 2100 + len(listing.body) + 1200}


@case
def staticweb_refused(c: Caller) -> dict[str, Any]:
    """An anonymous GET of a private container with staticweb's headers: denied, to the container's account."""
    c.container(headers={"X-Container-Meta-Web-Index": "index.html"})
    answer = c.send("GET", "/c/", token=None, expect=401)
    return {"Denied": 1, "Unbilled_Bytes_Out": len(answer.body)}


@case
def domain_remap(c: Caller) -> dict[str, Any]:
    """GET by a host name (domain_remap): to the account that the pipeline found."""
    c.container(headers={"X-Container-Read": ".r:*"})
    c.prepare("PUT", "/c/o", b"d" * 1700)
    host = f"c.{c.account.replace('_', '-', 1)}.storage.localhost"
    answer = request(c.swift.proxy.port, "GET", "/o", headers={"Host": host})
    assert (answer.status, answer.body) == (200, b"d" * 1700)
    return {"GET": 1, "Bytes_Out": 1700}


@case
def api_version_1_0(c: Caller) -> dict[str, Any]:
    """GET by /v1.0/ACCOUNT: the same account."""
    c.container()
    c.prepare("PUT", "/c/o", b"v" * 1100)
    c.send("GET", f"/v1.0/{c.account}/c/o")
    return {"GET": 1, "Bytes_Out": 1100}


@case
def not_metered(c: Caller) -> dict[str, Any]:
    """/auth, /info, /healthcheck: in nobody's row."""
    c.container()
    for path in ("/info", "/healthcheck", "/auth/v1.0"):
        request(c.swift.proxy.port, "GET", path)
    return {}
