"""From which address a client asks, with trusted proxies between."""

from __future__ import annotations

import ipaddress
from typing import Any, Mapping, Sequence

#: A client on IPv6 has at least that much of the address space to itself, and may change the rest at will.
_IPV6_CLIENT = 64


class Addresses:
    """Knows the proxies whose X-Forwarded-For is believed. trusted: networks, and `unix` for a peer without an address."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._unix = "unix" in trusted
        self._networks = [ipaddress.ip_network(each) for each in trusted if each != "unix"]

    def client(self, environ: Mapping[str, Any]) -> str:
        """Return a client's address.

        X-Forwarded-For is read from the right, as far as those who wrote it are trusted: what stands further left may be the
        client's own invention.
        """
        address = str(environ.get("REMOTE_ADDR") or "unix")
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        while hops and self.trusts(address):
            hop = hops.pop()
            if _read(hop) is None:
                break
            address = hop
        return address

    def trusts(self, address: str) -> bool:
        """Tell whether an address is a trusted proxy's."""
        read = _read(address)
        if read is None:
            return self._unix and address == "unix"
        return any(read in network for network in self._networks)

    def secure(self, environ: Mapping[str, Any]) -> bool:
        """Tell whether the client came by HTTPS, as the server or a trusted proxy says."""
        if environ.get("wsgi.url_scheme") == "https":
            return True
        said = environ.get("HTTP_X_FORWARDED_PROTO", "").strip().lower()
        return said == "https" and self.trusts(str(environ.get("REMOTE_ADDR") or "unix"))


def household(address: str) -> str:
    """Return under what an address is counted: itself, and on IPv6 its network."""
    read = _read(address)
    if isinstance(read, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(read), _IPV6_CLIENT), strict=False))
    return address if read is None else str(read)


def _read(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        read = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(read, "ipv4_mapped", None)
    return mapped or read
