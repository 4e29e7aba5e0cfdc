"""The cases of a client that is refused, goes away, asks for nonsense, or meets a Swift that fails; see table.py."""

from __future__ import annotations

import hashlib
import http.client
import socket
import time
import urllib.request
from typing import Any
from urllib.parse import quote

from swiftstats.demo import confs
from swiftstats.demo.processes import wait_for
from tests.functional.table import MB, UNKNOWN, case
from tests.support.caller import Caller, read_answer, request

#: What lies between a client and the filter when one goes away: a chunk, and what the kernel's sockets hold.
CHUNK = 65536

# -- 4xx -------------------------------------------------------------------------------------------------------------


@case
def not_found(c: Caller) -> dict[str, Any]:
    """404 of an object; of a container: client_errors, to the account in the path."""
    c.container()
    c.send("GET", "/c/none", expect=404)
    c.send("GET", "/none/o", expect=404)
    c.send("HEAD", "/none", expect=404)
    c.send("DELETE", "/c/none", expect=404)
    return {"GET": 2, "HEAD": 1, "DELETE": 1, "Client_Errors": 4, "Bytes_Out": c.received}


@case
def denied(c: Caller) -> dict[str, Any]:
    """401 without and with a wrong token; 403 of another's account: denied, to the account in the path."""
    c.prepare("PUT", f"/v1/{c.other}/c", token=c.other_token)
    c.container()
    mine = c.send("GET", "/c", token=None, expect=401).body + c.send("GET", "/c", token="AUTH_tk_wrong", expect=401).body
    others = c.send("GET", f"/v1/{c.other}/c", expect=403).body + c.send("PUT", f"/v1/{c.other}/c/o", b"1", expect=403).body
    return {
        c.account: {"Denied": 2, "Unbilled_Bytes_Out": len(mine)},
        c.other: {"Denied": 2, "Unbilled_Bytes_Out": len(others)},
    }


@case
def denied_on_no_account(c: Caller) -> dict[str, Any]:
    """401 and 403 on names that nobody has ever used: under (unknown), and no row of their own."""
    c.container()
    out = len(c.send("GET", "/v1/AUTH_nobody-ever/c/o", token=None, expect=401).body)
    out += len(c.send("PUT", "/v1/AUTH_nobody-ever/c", expect=403).body)
    out += len(c.send("GET", "/v1/AUTH_nobody-ever-2/c/o", token="AUTH_tk_wrong", expect=401).body)
    return {
        c.account: {}, UNKNOWN: {"Denied": 3, "Unbilled_Bytes_Out": out},
        "AUTH_nobody-ever": {}, "AUTH_nobody-ever-2": {},
    }


@case
def preconditions(c: Caller) -> dict[str, Any]:
    """412 of a conditional PUT and GET; 416; 409 of a container that is not empty; 405."""
    c.container()
    c.prepare("PUT", "/c/o", b"1" * 100)
    c.send("PUT", "/c/o", b"2" * 500, {"If-None-Match": "*"}, expect=412)
    c.send("GET", "/c/o", headers={"If-Match": "0" * 32}, expect=412)
    c.send("GET", "/c/o", headers={"Range": "bytes=1000-"}, expect=416)
    c.send("DELETE", "/c", expect=409)
    c.send("PATCH", "/c/o", expect=405)
    return {
        "PUT": 1, "GET": 2, "DELETE": 1, "OTHER": 1, "Client_Errors": 5, "Bytes_Out": c.received,
        # Refused before or after its 500 bytes were read: Swift asks its object server first.
        "Bytes_In": (0, 500),
    }


@case
def too_large(c: Caller) -> dict[str, Any]:
    """413 of an object that is announced as too large, and is not sent."""
    c.container()
    status, body = read_answer(c.raw(f"PUT /v1/{c.account}/c/o HTTP/1.1\nContent-Length: {6 * 2**30}"))
    assert status == 413
    return {"PUT": 1, "Client_Errors": 1, "Bytes_Out": len(body)}


@case
def rate_limited(c: Caller) -> dict[str, Any]:
    """498 of Swift's ratelimit: client_errors."""
    limit_writes(c, "0.001")
    c.send("PUT", "/c")
    c.send("PUT", "/c2", expect=498)
    return {"PUT": 2, "Client_Errors": 1, "Bytes_Out": c.received}


@case
def blacklisted(c: Caller) -> dict[str, Any]:
    """497 of Swift's ratelimit: client_errors; reads are refused with it too, so nothing shows the account to be real."""
    limit_writes(c, "BLACKLIST")
    c.send("PUT", "/c", expect=497)
    return {c.account: {}, UNKNOWN: {"PUT": 1, "Client_Errors": 1, "Bytes_Out": c.received}}


def limit_writes(c: Caller, limit: str) -> None:
    """Make the account, with the system metadata that only Swift's operator can write."""
    digest = hashlib.md5(f"{confs.HASH_PREFIX}/{c.account}{confs.HASH_SUFFIX}".encode()).digest()
    partition = int.from_bytes(digest[:4], "big") >> (32 - confs.PART_POWER)
    asked = urllib.request.Request(
        f"http://127.0.0.1:{c.swift.ports['account']}/{confs.DEVICE}/{partition}/{c.account}", method="PUT",
        headers={"X-Timestamp": f"{time.time():.5f}", "X-Account-Sysmeta-Global-Write-Ratelimit": limit},
    )
    with urllib.request.urlopen(asked, timeout=60) as response:
        assert response.status == 201


# -- clients that go away --------------------------------------------------------------------------------------------


@case
def get_closed_early(c: Caller) -> dict[str, Any]:
    """GET of 20 MB closed after 1 MB: a disconnect, the bytes given to the server: proxy-logging's, within 64 KiB."""
    c.container()
    c.prepare("PUT", "/c/o", b"g" * 20 * MB)
    connection = c.raw(f"GET /v1/{c.account}/c/o HTTP/1.1")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
    got = 0
    while got < MB:
        got += len(connection.recv(CHUNK))
    _reset(connection)
    given = logged(c, f"GET /v1/{c.account}/c/o ")
    assert MB <= given < 20 * MB
    return {"GET": 1, "Disconnects": 1, "Bytes_Out": (given - CHUNK, given + CHUNK)}


@case
def put_closed_early(c: Caller) -> dict[str, Any]:
    """PUT closed after 1 of 10 MB, with a length: a disconnect, the bytes that passed."""
    c.container()
    connection = c.raw(f"PUT /v1/{c.account}/c/o HTTP/1.1\nContent-Length: {10 * MB}", b"p" * MB)
    _close_after_reading(connection)
    logged(c, f"PUT /v1/{c.account}/c/o ")
    return {"PUT": 1, "Disconnects": 1, "Bytes_In": (MB - CHUNK, MB), "Bytes_Out": (0, 1000)}


@case
def chunked_put_closed_early(c: Caller) -> dict[str, Any]:
    """PUT closed after 1 MB, in chunks: a disconnect, the bytes that passed."""
    c.container()
    chunk = b"%x\r\n%s\r\n" % (10_000, b"p" * 10_000)
    connection = c.raw(f"PUT /v1/{c.account}/c/o HTTP/1.1\nTransfer-Encoding: chunked", chunk * 100)
    _close_after_reading(connection)
    logged(c, f"PUT /v1/{c.account}/c/o ")
    return {"PUT": 1, "Disconnects": 1, "Bytes_In": (MB - CHUNK, MB), "Bytes_Out": (0, 1000)}


@case
def put_that_stalls(c: Caller) -> dict[str, Any]:
    """PUT whose client sends no more (`client_timeout`; 408, or 499): a disconnect, the bytes that passed."""
    c.container()
    status, body = read_answer(c.raw(f"PUT /v1/{c.account}/c/o HTTP/1.1\nContent-Length: 200000", b"s" * 100_000))
    assert status in (408, 499), status
    # What Swift waited for is not given to it.
    return {"PUT": 1, "Disconnects": 1, "Bytes_In": (100_000 - CHUNK, 100_000), "Bytes_Out": len(body)}


def _reset(connection: socket.socket) -> None:
    """Close so that the server's next send fails, rather than wait for a client that does not read."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def _close_after_reading(connection: socket.socket) -> None:
    """Send no more: the server reads all that was sent, and then the end."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(CHUNK):
        pass
    connection.close()


def logged(c: Caller, what: str) -> int:
    """Wait for the access log's line of a request, whose end no client can see; return its bytes out."""
    found: list[str] = []

    def there() -> bool:
        found[:] = [line for line in c.swift.proxy.access_log.read_text().splitlines() if what in line and " SSC " not in line]
        return bool(found)

    wait_for(there, seconds=70, what=f"the access log's line of {what}")
    # … method path protocol status referer agent token bytes_in bytes_out …
    out = found[-1].split(what.strip(), 1)[1].split()[6]
    return 0 if out == "-" else int(out)


# -- a Swift that fails ----------------------------------------------------------------------------------------------


@case
def backend_down(c: Caller) -> dict[str, Any]:
    """Object server down → 503: server_errors, unbilled bytes."""
    c.container()
    c.prepare("PUT", "/c/o", b"1" * 100)
    c.swift.stop_backend("object")
    try:
        got = c.send("GET", "/c/o", expect=503)
        put = c.send("PUT", "/c/o", b"2" * 700, expect=503)
    finally:
        c.swift.start_backend("object")
    return {
        "Server_Errors": 2, "Unbilled_Bytes_In": (0, 700), "Unbilled_Bytes_Out": len(got.body) + len(put.body),
    }


@case
def exception_in_the_pipeline(c: Caller) -> dict[str, Any]:
    """An exception in the pipeline → 500: server_errors; the body of the 500 is made left of the filter."""
    c.container()
    c.send("GET", "/c", headers={"X-Test-Raise": "yes"}, expect=500)
    c.send("PUT", "/c/o", b"1" * 100, {"X-Test-Raise": "yes"}, expect=500)
    return {"Server_Errors": 2}


@case
def body_dies_half_way(c: Caller) -> dict[str, Any]:
    """A body that dies half-way: server_errors, the bytes so far unbilled."""
    c.container()
    c.prepare("PUT", "/c/o", b"d" * MB)
    answer = c.send("GET", "/c/o", headers={"X-Test-Die-After": "200000"}, expect=200, cut=True)
    assert len(answer.body) <= 200_000
    return {"Server_Errors": 1, "Unbilled_Bytes_Out": 200_000}


# -- nonsense --------------------------------------------------------------------------------------------------------


@case
def odd_methods(c: Caller) -> dict[str, Any]:
    """A method such as `get`, or a nonsense method of 4 kB: OTHER."""
    c.container()
    c.send("get", "/c", expect=405)
    c.send("X" * 4000, "/c", expect=405)
    c.send("OPTIONS", "/c", expect=(200, 401))
    return {"OTHER": 3, "Client_Errors": 2, "Bytes_Out": c.received}


@case
def method_of_10_kb(c: Caller) -> dict[str, Any]:
    """A method of 10 kB: refused by Swift's server before any filter, or counted as OTHER."""
    c.container()
    connection = c.raw(f"{'Y' * 10_000} /v1/{c.account}/c HTTP/1.1")
    status, _body = read_answer(connection)
    assert status in (400, 405, 414)
    return {} if status != 405 else {"OTHER": 1, "Client_Errors": 1, "Bytes_Out": len(_body)}


@case
def anonymous_options(c: Caller) -> dict[str, Any]:
    """An OPTIONS on any name answers 200, and is no evidence that there is such an account: under (unknown)."""
    c.container()
    answer = c.send("OPTIONS", "/v1/AUTH_nobody-options/c", token=None, expect=200)
    return {c.account: {}, UNKNOWN: {"OTHER": 1, "Bytes_Out": len(answer.body)}, "AUTH_nobody-options": {}}


@case
def odd_paths(c: Caller) -> dict[str, Any]:
    """A path with `%00`, with invalid UTF-8, with `//`: served as without the filter."""
    c.container()
    numbers = {"GET": 0, "Client_Errors": 0, "Bytes_Out": 0}
    for path in ("/c/a%00b", "/c/a%ffb", "//o", "/c//o", "/c/%2e%2e/o"):
        full = c.path(path)
        with_filter = c.send("GET", full, expect=(400, 404, 412))
        without = request(c.swift.proxies[1].port, "GET", full, headers=c.credentials())
        assert (with_filter.status, len(with_filter.body)) == (without.status, len(without.body)), path
        assert set(with_filter.headers) == set(without.headers)
        numbers["GET"] += 1
        numbers["Client_Errors"] += 1
        numbers["Bytes_Out"] += len(with_filter.body)
    return numbers


@case
def odd_accounts(c: Caller) -> dict[str, Any]:
    """Account `.`, an empty one, one of invalid UTF-8, one of NUL: served as without the filter, and no row of their own.

    Unless Swift accepts one: keystoneauth lets a reseller admin in under any name, as a 404 shows; nobody can ask for that row.
    """
    c.container()
    admin = c.admin_token
    unknown: dict[str, int] = {}
    for account in (".", "..", "", "AUTH_%ff", "AUTH_%00", "AUTH_" + "n" * 300):
        path = f"/v1/{account}/c"
        rows, accepted = [], False
        for token in (None, admin):
            headers = c.credentials(token) if token else {}
            with_filter = request(c.swift.proxy.port, "GET", path, headers=headers)
            without = request(c.swift.proxies[1].port, "GET", path, headers=headers)
            assert (with_filter.status, len(with_filter.body)) == (without.status, len(without.body)), path
            if account == "":
                continue  # names no account: not metered
            row = {"Denied": 1, "Unbilled_Bytes_Out": len(with_filter.body)}
            if with_filter.status not in (401, 403):
                row = {"GET": 1, "Client_Errors": 1, "Bytes_Out": len(with_filter.body)}
            accepted = accepted or with_filter.status == 404 and len(account) <= 256
            rows.append(row)
        for title, amount in (each for row in rows if not accepted for each in row.items()):
            unknown[title] = unknown.get(title, 0) + amount
    return {c.account: {}, UNKNOWN: unknown, ".": {}}


@case
def name_of_256_bytes(c: Caller) -> dict[str, Any]:
    """An account's name of 256 bytes of UTF-8: counted in its own row."""
    c.container()
    account = "AUTH_" + "é" * 125 + "x"
    assert len(account.encode()) == 256
    admin = c.admin_token
    path = "/v1/" + quote(account)
    put = c.send("PUT", f"{path}/c", token=admin)
    c.send("PUT", f"{path}/c/o", b"n" * 900, token=admin)
    return {c.account: {}, account: {"PUT": 2, "Bytes_In": 900, "Bytes_Out": len(put.body)}}


@case
def many_on_one_connection(c: Caller) -> dict[str, Any]:
    """Requests on one kept connection, answers with and without bodies in between: each counted once."""
    c.container()
    c.prepare("PUT", "/c/o", b"k" * 3000)
    connection = http.client.HTTPConnection("127.0.0.1", c.swift.proxy.port, timeout=60)
    for _ in range(20):
        for method in ("GET", "HEAD"):
            connection.request(method, c.path("/c/o"), headers=c.credentials())
            connection.getresponse().read()
    connection.close()
    return {"GET": 20, "HEAD": 20, "Bytes_Out": 60_000}
