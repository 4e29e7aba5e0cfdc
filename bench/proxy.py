"""What the filter costs a real Swift: the processor's time of a proxy's processes for a small request, with it and without.

    python -m bench.proxy [--requests N] [--rounds N] [--dir DIRECTORY] [--json FILE]

Three proxies of one worker each stand before the same account, container and object servers: `without` the filter and `twin`,
which is the same again, and `with` it, on a spool of its own. Each in turn gets GETs, HEADs or PUTs of an object of 1 KiB, one
after the other over one connection, with the whole of Swift's pipeline and a token. Microseconds of the proxy's processes a
request, as the kernel's scheduler has them, the least of five short rounds in a row. How far two proxies differ that are alike is
the noise: the median of the differences between `twin` and `without`, whatever their sign.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.rounds import Case, Target, interleaved, parser, report, say
from swiftstats.collect.credentials import from_swift
from swiftstats.demo.processes import children
from swiftstats.demo.swift import USERS, Proxy, Swift
from tests.support import spools

SIZE = 1024
ACCOUNT = USERS[0]
PATH = f"/v1/{ACCOUNT.storage_account}/bench/object"
METHODS = ("GET", "HEAD", "PUT")


def main() -> int:
    options = parser(__doc__, rounds=60)
    options.add_argument("--requests", type=int, default=25, help="of each proxy, method and round")
    options.add_argument("--dir", type=Path, help="where Swift is, with extended attributes (default: a temporary directory)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="swiftstats-bench-", dir=arguments.dir) as folder:
        with Swift(Path(folder) / "swift", workers=1, progress=say) as swift:
            meter = {"spool": f"{folder}/spool", "server": "bench", "flush": "external"}
            proxies = {"without": swift.proxy, "twin": swift.add_proxy("proxy-twin"),
                       "with": swift.add_proxy("proxy-with", meter=meter)}
            cases = measure(swift, proxies, arguments.requests, arguments.rounds)
        counted = sum(sum(names.values()) for names in spools.counted(f"{folder}/spool").values())
        assert counted == arguments.requests * (arguments.rounds + 1), f"the filter has counted {counted} GETs"
    return report("proxy", cases, arguments.json)


def measure(swift: Swift, proxies: dict[str, Proxy], requests: int, rounds: int) -> list[Case]:
    token = from_swift(swift.auth_url, ACCOUNT.login, ACCOUNT.key, timeout=60)  # all proxies of a cluster take it
    clients = {name: Client(proxy, token) for name, proxy in proxies.items()}
    clients["without"].send("PUT", PATH.rsplit("/", 1)[0], 1)
    clients["without"].send("PUT", PATH, 1)
    cases = []
    for method in METHODS:
        say(method)
        found = interleaved({name: partial(client.send, method, PATH, requests) for name, client in clients.items()}, rounds)
        # Noise only adds: the least of some rounds in a row is nearer to the truth than any of them.
        found = {name: [min(each[at:at + 5]) for at in range(0, len(each), 5)] for name, each in found.items()}
        noise = statistics.median(map(abs, differences(found, "twin")))
        more = statistics.median(differences(found, "with"))
        cases.append(Case(f"{method} of 1 KiB through a proxy", "µs of processor", "without", found, (
            Target("difference of `with`, µs, to the noise", more, float(f"{noise:.3g}")),), {
            "difference of `with`, in % of a request": round(100 * more / statistics.median(found["without"]), 2),
            "noise, in % of a request": round(100 * noise / statistics.median(found["without"]), 2)}))
    return cases


def differences(found: dict[str, list[float]], name: str) -> list[float]:
    """Return by how much a proxy took more than the one without the filter, round by round."""
    return [one - other for one, other in zip(found[name], found["without"])]


class Client:
    """Sends requests to one proxy over one connection, and sees what they take there."""

    def __init__(self, proxy: Proxy, token: str) -> None:
        self._proxy, self._headers = proxy, {"X-Auth-Token": token}
        self._connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)

    def send(self, method: str, path: str, times: int) -> float:
        """Return the microseconds of the proxy's processor time that each of `times` requests takes."""
        body = b"x" * SIZE if method == "PUT" and path == PATH else None
        before = processor_time(self._proxy)
        for _ in range(times):
            self._connection.request(method, path, body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
            assert answer.status in (200, 201, 202), f"{method} {path}: {answer.status}"
        return (processor_time(self._proxy) - before) / times / 1000


def processor_time(proxy: Proxy) -> int:
    """Return the nanoseconds that a proxy's manager and workers have run, all of their threads."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for pid in (proxy.pid, *children(proxy.pid)) for task in Path(f"/proc/{pid}/task").iterdir())


if __name__ == "__main__":
    sys.exit(main())
