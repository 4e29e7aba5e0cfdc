"""The rings of a small Swift, and which server of it has which device."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

from swiftstats.demo.confs import PART_POWER, Layout


def build(folder: Path, layout: Layout, ports: Mapping[str, int]) -> None:
    """Write the account, container and object rings; `ports` by server: `account`, `account-2`, `container`, …"""
    from swift.common.ring import RingBuilder

    for name in layout.rings():
        builder = RingBuilder(PART_POWER, layout.replicas, 1)
        for number, device in enumerate(layout.names()):
            port = ports[layout.account_server(device) if name == "account" else kind(name)]
            builder.add_dev({
                "id": number, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": device, "weight": 1.0,
                "replication_ip": "127.0.0.1", "replication_port": port, "meta": "",
            })
        builder.rebalance(seed="1")
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def kind(name: str) -> str:
    """Return which kind of server or ring `account-2` or `object-1` is."""
    return name.partition("-")[0]


def conf(name: str) -> str:
    """Return what the configuration of the server `account` or `account-2` is called: `account-server-2`."""
    of, dash, number = name.partition("-")
    return f"{of}-server{dash}{number}"
