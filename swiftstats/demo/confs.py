"""The configuration of a small Swift on loopback: one device and one replica, unless its layout says otherwise.

The pipeline is that of Swift's own proxy-server.conf-sample, with the middlewares that clients use switched on, in the places
that the sample names for them.
"""

from __future__ import annotations

import base64
import getpass
from typing import Mapping, NamedTuple, Sequence

PART_POWER = 4
#: The first device.
DEVICE = "d1"
HASH_PREFIX = "swiftstats"
HASH_SUFFIX = "demo"
#: The one name by which the service's users reach the containers as hosts (domain_remap).
STORAGE_DOMAIN = "storage.localhost"

#: Filter: its entry point (of Swift's own egg, where none is named) and options. In the pipeline's order, left to right.
PIPELINE: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("catch_errors", {}),
    ("gatekeeper", {}),
    ("healthcheck", {}),
    ("proxy-logging", {"use": "egg:swift#proxy_logging"}),
    ("cache", {"use": "egg:swift#memcache"}),
    ("listing_formats", {}),
    ("container_sync", {}),
    ("bulk", {}),
    ("tempurl", {}),
    ("ratelimit", {"max_sleep_time_seconds": "0.5"}),
    ("formpost", {}),
    ("domain_remap", {"storage_domain": STORAGE_DOMAIN}),
    ("s3api", {"s3_acl": "no", "dns_compliant_bucket_names": "no", "location": "us-east-1"}),
    ("tempauth", {}),
    ("staticweb", {}),
    ("copy", {}),
    ("container-quotas", {"use": "egg:swift#container_quotas"}),
    ("account-quotas", {"use": "egg:swift#account_quotas"}),
    ("slo", {}),
    ("dlo", {}),
    ("versioned_writes", {"allow_versioned_writes": "true", "allow_object_versioning": "true"}),
    ("symlink", {}),
    # Swift's sample has this second one: it logs the requests that the middlewares between make themselves.
    ("proxy-logging-inner", {"use": "egg:swift#proxy_logging"}),
)
#: Ours stands just left of the first proxy-logging.
METER_BEFORE = "proxy-logging"


class User(NamedTuple):
    """A tempauth user of one account; `groups` such as .admin and .reseller_admin."""

    account: str  #: without the reseller prefix
    name: str
    key: str
    groups: tuple[str, ...] = (".admin",)

    @property
    def login(self) -> str:
        """What Swift's clients send as X-Auth-User, and S3's as the access key."""
        return f"{self.account}:{self.name}"

    @property
    def storage_account(self) -> str:
        return "AUTH_" + self.account


class Layout(NamedTuple):
    """What a cluster stores on: devices d1, d2, …, shared out in order among so many account servers; names of policies."""

    replicas: int = 1
    devices: int = 1
    account_servers: int = 1
    policies: Sequence[str] = ("Policy-0",)

    def names(self) -> list[str]:
        return [f"d{number}" for number in range(1, self.devices + 1)]

    def account_server(self, device: str) -> str:
        """Return which one has a device: `account`, `account-2`, …"""
        number = self.names().index(device) * self.account_servers // self.devices + 1
        return self.accounts()[number - 1]

    def accounts(self) -> list[str]:
        return ["account", *(f"account-{number}" for number in range(2, self.account_servers + 1))]

    def rings(self) -> list[str]:
        return ["account", "container", *("object" + (f"-{index}" if index else "") for index in range(len(self.policies)))]


ONE_DEVICE = Layout()


#: Filters by name, and what stands in the pipeline instead of each: their names and options. Nobody's accounts are tempauth's
#: where that is left out.
Instead = Mapping[str, Sequence[tuple[str, Mapping[str, str]]]]


class Filter(NamedTuple):
    """A filter to put into the pipeline just right of another one: a test's own, say."""

    name: str
    right_of: str
    options: Mapping[str, str]


def swift_conf(policies: Sequence[str], constraints: Mapping[str, str]) -> str:
    return _sections({
        "swift-hash": {"swift_hash_path_prefix": HASH_PREFIX, "swift_hash_path_suffix": HASH_SUFFIX},
        "swift-constraints": constraints,
        **{f"storage-policy:{index}": {"name": name, "default": "no" if index else "yes"}
           for index, name in enumerate(policies)},
    })


def backend_conf(server: str, *, folder: str, ports: Mapping[str, int], name: str) -> str:
    """Return the configuration of the account, container or object server called `name`; `server` is the first word of it."""
    return _sections({
        "DEFAULT": {
            **_common(folder),
            "bind_port": str(ports[name]), "workers": "1", "devices": f"{folder}/devices", "mount_check": "false",
            "disable_fallocate": "true", "fallocate_reserve": "0",
        },
        "pipeline:main": {"pipeline": f"{server}-server"},
        f"app:{server}-server": {"use": f"egg:swift#{server}"},
        # Sections of daemons in the same file: an updater each second, so that account totals follow at once.
        "container-updater": {"interval": "1", "concurrency": "1", "account_suppression_time": "1"},
        "account-replicator": {"rsync_module": f"rsync://127.0.0.1:{ports['rsync']}/account"},
    })


def proxy_conf(
    *,
    folder: str,
    port: int,
    workers: int,
    memcache_port: int,
    users: Sequence[User],
    meter: Mapping[str, str] | None,
    extra: Sequence[Filter],
    options: Mapping[str, Mapping[str, str]],
    instead: Instead,
) -> str:
    """Return the proxy's configuration: `meter` are the options of our filter, None leaves it out.

    `extra` are more filters; `options` adds options to filters by name, and to the application as `proxy-server`; `instead`
    comes before both.
    """
    filters = {name: dict(given) for one in PIPELINE for name, given in instead.get(one[0], [one])}
    order = list(filters)
    if meter is not None:
        order.insert(order.index(METER_BEFORE), "swiftstats")
        filters["swiftstats"] = {"use": "egg:swiftstats#filter", **meter}
    for name, right_of, given in extra:
        order.insert(order.index(right_of) + 1, name)
        filters[name] = dict(given)
    filters["cache"]["memcache_servers"] = f"127.0.0.1:{memcache_port}"
    for user in users if "tempauth" in filters else ():
        filters["tempauth"][_user_option(user)] = " ".join((user.key, *user.groups))
    application = {"use": "egg:swift#proxy", "account_autocreate": "true", "allow_account_management": "true"}
    for name, given in options.items():
        (application if name == "proxy-server" else filters[name]).update(given)
    sections = {
        "DEFAULT": {**_common(folder), "bind_port": str(port), "workers": str(workers)},
        "pipeline:main": {"pipeline": " ".join([*order, "proxy-server"])},
        "app:proxy-server": application,
    }
    for name in order:
        sections[f"filter:{name}"] = {"use": f"egg:swift#{name}", **filters[name]}
        if "paste.filter_factory" in filters[name]:
            del sections[f"filter:{name}"]["use"]
    return _sections(sections)


def _common(folder: str) -> dict[str, str]:
    return {
        "bind_ip": "127.0.0.1", "swift_dir": folder, "user": getpass.getuser(), "log_level": "INFO",
        "recon_cache_path": f"{folder}/cache",
    }


def _user_option(user: User) -> str:
    if "_" not in user.account + user.name:
        return f"user_{user.account}_{user.name}"
    # An underscore separates; names that hold one are written in base64 without padding.
    return "user64_" + "_".join(base64.b64encode(part.encode()).decode().rstrip("=") for part in (user.account, user.name))


def _sections(sections: Mapping[str, Mapping[str, str]]) -> str:
    """Write an ini file; Swift and PasteDeploy interpolate, so a percent sign is doubled."""
    lines = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value.replace('%', '%%')}" for key, value in options.items()]
        lines.append("")
    return "\n".join(lines)
