"""What Swift's own code says of this host's devices: their places in the account ring, their policies, and which are mounted.

Swift is imported when a ring is opened, and not before: only account servers need it.
"""

from __future__ import annotations

import configparser
import os
import re
from typing import Any, NamedTuple, Sequence

from swiftstats.errors import ConfigError

#: The position of what lies on a device that is not in the ring: after every handoff.
NOWHERE = 65535


class Server(NamedTuple):
    """An account server, and its name for one of its devices."""

    ip: str
    port: int
    device: str


class AccountRing:
    """The account ring of `swift_dir`, as it is whenever it is asked (Swift's Ring reads a changed file again)."""

    def __init__(self, swift_dir: str) -> None:
        try:
            from swift.common import utils
        except ImportError:
            raise ConfigError(
                "method = databases reads the account ring with Swift's own code, and this Python has no package swift:"
                " run it with the Python of the account server, or choose method = proxy") from None
        path = os.path.join(swift_dir, "account.ring.gz")
        # Swift reads its hash and its policies from /etc/swift, whatever its servers' swift_dir says, unless told before.
        utils.SWIFT_CONF_FILE = os.path.join(swift_dir, "swift.conf")
        try:
            from swift.common.ring import Ring
            from swift.common.ring.utils import is_local_device
            from swift.common.utils import whataremyips

            self._ring: Any = Ring(swift_dir, ring_name="account")
        except (OSError, ValueError) as error:
            raise ConfigError(f"swift_dir: the account ring {path} cannot be read: {error}") from None
        except SystemExit as error:  # how Swift's modules say that swift.conf will not do
            raise ConfigError(f"swift_dir: {utils.SWIFT_CONF_FILE} will not do: {error}") from None
        self._is_local, self._my_ips = is_local_device, whataremyips()

    def servers(self, device: str) -> Sequence[dict[str, Any]]:
        """Return the ring's entries of a device of this host: one, none, or several where several servers run here.

        Devices of different hosts often have the same name; this host's have its address. Where none has (an address that
        is translated), a name that stands in the ring once will do.
        """
        named = [entry for entry in self._ring.devs if entry and entry["device"] == device]
        local = [entry for entry in named if self._is_local(self._my_ips, None, entry["ip"], None)]
        return local or (named if len(named) == 1 else [])

    def position(self, device: str, partition: int) -> int:
        """Return 0 to n-1 for the n primaries of a partition, n and more for handoffs in their order, else NOWHERE."""
        ids = {entry["id"] for entry in self.servers(device)}
        if not ids or not 0 <= partition < self._ring.partition_count:
            return NOWHERE
        position = 0
        primaries = self._ring.get_part_nodes(partition)
        for position, entry in enumerate(primaries):
            if entry["id"] in ids:
                return position
        for position, entry in enumerate(self._ring.get_more_nodes(partition), len(primaries)):
            if entry["id"] in ids:
                return position
        return NOWHERE

    def server(self, device: str) -> Server | None:
        """Return the account server of a device of this host; None where the ring has none."""
        for entry in self.servers(device):
            return Server(entry["ip"], entry["port"], device)
        return None


def policy_names(swift_dir: str) -> dict[int, str]:
    """Return the names of the storage policies by index, as swift.conf has them; raise ConfigError."""
    path = os.path.join(swift_dir, "swift.conf")
    parser = configparser.RawConfigParser(strict=False)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ConfigError(f"swift_dir: {path} cannot be read: {error}") from None
    names = {0: "Policy-0"}
    for section in parser.sections():
        match = re.fullmatch(r"storage-policy:(\d+)", section, re.ASCII)
        if match and parser.has_option(section, "name"):
            names[int(match[1])] = parser.get(section, "name").strip()
    return names


def is_mounted(device: str) -> bool:
    """Tell whether a device's folder is mounted, as Swift's servers have it: a mount point, or marked so by a file `.ismount`.

    Operators put that file where mount points cannot be told, as in containers.
    """
    from swift.common.utils import ismount

    return bool(ismount(device))
