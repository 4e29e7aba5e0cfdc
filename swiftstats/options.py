"""Every option: its section, how its value is read, its default and unit, and what it does.

docs/configuration.md and etc/swiftstats.conf-sample are checked against this table by a test.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any, Callable, NamedTuple

from swiftstats import periods


class Option(NamedTuple):
    """One option; `read` turns the text of the file into the value, or raises ValueError with what was expected."""

    section: str
    name: str
    read: Callable[[str], Any]
    default: str | None  # the text that stands for the default in the sample; None: computed, or there is none
    unit: str
    help: str


def text(value: str) -> str:
    return value


def boolean(value: str) -> bool:
    lowered = value.lower()
    if lowered in ("yes", "true", "on", "1"):
        return True
    if lowered in ("no", "false", "off", "0"):
        return False
    raise ValueError("yes or no")


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` to `most`."""

    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,19}", value, re.ASCII) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return read


def seconds(least: float, most: float) -> Callable[[str], float]:
    """Return a reader of seconds, whole or not, from `least` to `most`."""

    def read(value: str) -> float:
        if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", value, re.ASCII) or not least <= float(value) <= most:
            raise ValueError(f"a number of seconds from {least:g} to {most:g}")
        return float(value)

    return read


def choice(*names: str) -> Callable[[str], str]:
    """Return a reader of one of `names`."""

    def read(value: str) -> str:
        if value.lower() not in names:
            raise ValueError("one of " + ", ".join(names))
        return value.lower()

    return read


def names(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of a comma-separated list; with `allowed`, of those words only."""

    def read(value: str) -> tuple[str, ...]:
        found = tuple(word.strip() for word in value.split(",") if word.strip())
        for word in found:
            if allowed and word not in allowed:
                raise ValueError("a comma-separated list of " + ", ".join(allowed))
        return found

    return read


def period(value: str) -> int:
    if not re.fullmatch(r"\d{1,4}", value, re.ASCII) or not periods.is_period_length(int(value)):
        raise ValueError("a whole number of seconds that divides an hour, such as 3600, 1800 or 900")
    return int(value)


def prefixes(value: str) -> tuple[str, ...]:
    """Read reseller prefixes as Swift writes them: `AUTH` and `AUTH_` are the same; '' is the empty prefix."""
    found = []
    for word in value.split(","):
        word = word.strip().strip("'\"")
        found.append(word if not word or word.endswith("_") else word + "_")
    return tuple(dict.fromkeys(found))


def server_name(value: str) -> str:
    if not 0 < len(value.encode("utf-8", "surrogateescape")) <= 255 or re.search(r"[\s\x00-\x1f\x7f,]", value):
        raise ValueError("a name of 1 to 255 bytes without spaces, commas or control characters")
    return value


def networks(value: str) -> tuple[str, ...]:
    """Read addresses and networks, and the word `unix`; each comes back as a network."""
    try:
        return tuple(word if word == "unix" else str(ipaddress.ip_network(word)) for word in names()(value))
    except ValueError:
        raise ValueError("a comma-separated list of addresses and networks, such as 10.0.0.1, fd00::/64") from None


MIB = 2**20

OPTIONS = (
    Option("DEFAULT", "database", text, None, "URL",
           "The database, as an SQLAlchemy URL: mysql+pymysql://USER:PASSWORD@HOST/swiftstats, or sqlite:////PATH."),
    Option("DEFAULT", "spool", text, "/var/lib/swiftstats/spool", "path",
           "This host's directory of counter files, on a local disk. Workers and the flusher need it; nobody else may read it."),
    Option("DEFAULT", "server", server_name, None, "name",
           "This host's name in the database. Two hosts must not share one. The host name, where it is not given."),
    Option("DEFAULT", "period_seconds", period, "3600", "seconds",
           "The length of a period; it divides an hour. The same on every host."),
    Option("DEFAULT", "reseller_prefix", prefixes, "AUTH", "names",
           "Swift's reseller prefixes, comma separated; the first is put before an account id that has none."),
    Option("DEFAULT", "spool_max_bytes", whole(MIB, 2**50), "4294967296", "bytes",
           "The most that the spool's counter files may take. At the bound requests are served, "
           "and what is not counted is recorded as lost."),
    Option("DEFAULT", "keep_hours_months", whole(0, 1200), "13", "months",
           "How long the hours of usage and space are kept: so many whole months before the running one; 0: for ever. "
           "Days and months are kept for ever. The same on every host."),
    Option("DEFAULT", "max_unproven_names", whole(1, 10**6), "10000", "names",
           "How many account names without evidence that they are real one worker keeps apart in a period; "
           "more are counted under (unknown)."),
    Option("DEFAULT", "metrics_dir", text, None, "path",
           "The directory of node_exporter's textfile collector, into which this host's flusher and space crawler write metrics. "
           "None are written, where it is not given."),
    Option("flusher", "flush", choice("spawn", "external"), "spawn", "",
           "Who runs the flusher: `spawn`, the first worker starts one per host; "
           "`external`, systemd or cron does (recommended)."),
    Option("flusher", "flush_interval", seconds(1, 3600), None, "seconds",
           "How often usage is sent to the database; the period, where it is not given. Shorter shows the running hour."),
    Option("flusher", "flush_jitter", seconds(0, 3600), "60", "seconds",
           "The most that a flush waits at random, so that a thousand hosts do not arrive together; "
           "at most a tenth of the period is used."),
    Option("flusher", "msync_interval", seconds(0.1, 3600), "1", "seconds",
           "How often counters are forced to disk: what a power cut may cost. A killed process costs nothing."),
    Option("flusher", "batch_rows", whole(1, 10**6), "20000", "rows",
           "The most rows that one transaction writes."),
    Option("flusher", "flush_nice", whole(0, 19), "10", "steps",
           "How nice the flusher is at least, as in nice(1), so that workers have the processor first; 0: as it was started."),
    Option("flusher", "archive_hours", whole(0, 10**6), "168", "hours",
           "How long the files of closed periods are kept, to replay them into a database that was restored."),
    Option("flusher", "archive_max_bytes", whole(0, 2**50), "1073741824", "bytes",
           "The most that the files of closed and shipped periods may take; the oldest go first."),
    Option("space", "method", choice("databases", "proxy"), "databases", "",
           "How the space of accounts is read: `databases`, the account databases on this account server's devices; "
           "`proxy`, a HEAD on each account through a proxy."),
    Option("space", "interval", seconds(1, 86400), None, "seconds",
           "How often the daemon reads every account; the period, where it is not given."),
    Option("space", "concurrency", whole(1, 1000), "8", "accounts", "For `proxy`: how many accounts are asked at once."),
    Option("space", "readers", whole(1, 1000), "1", "databases",
           "For `databases`: how many are read at once. More than 1 helps where disks are slower than the processor."),
    Option("space", "retries", whole(0, 100), "30", "times",
           "How often at most an account that could not be read is tried again: after 1 s, 2, 4 and so on to 300, until the last "
           "minute of an hour. 30 last for that; 0: a crawl ends at once, and the account is unknown until the next one."),
    Option("space", "timeout", seconds(0.1, 3600), "30", "seconds", "How long one server's answer is waited for."),
    Option("space", "devices", text, "/srv/node", "path", "For `databases`: where Swift's devices are mounted."),
    Option("space", "swift_dir", text, "/etc/swift", "path",
           "For `databases`: the directory of account.ring.gz and swift.conf."),
    Option("space", "mount_check", boolean, "yes", "yes or no",
           "For `databases`: leave out devices that are not mounted, as Swift does: neither mount point nor a file `.ismount`."),
    Option("space", "proxy_url", text, None, "URL",
           "For `proxy`: the proxy that is asked, such as http://127.0.0.1:8080; `/v1/ACCOUNT` is added."),
    Option("space", "accounts_from", choice("store", "file", "keystone"), "store", "",
           "For `proxy`: which accounts are asked: `store`, those that the database knows; `file`, those of `accounts_file`; "
           "`keystone`, those of Keystone's projects, and those that the database knows besides."),
    Option("space", "accounts_file", text, None, "path",
           "For `accounts_from = file`: a file with an account's full name a line, percent-encoded."),
    Option("space", "containers", boolean, "no", "yes or no",
           "For `proxy`: read each account's list of containers too, and keep a row for each."),
    Option("space", "max_containers", whole(0, 10**6), "10000", "containers",
           "The most containers of an account that get a row; what lies beyond is one row without a name."),
    Option("space", "token_file", text, None, "path",
           "For `proxy`: a file that holds a token that may read every account, mode 0600; read again when the token is "
           "refused."),
    Option("space", "auth_url", text, None, "URL",
           "For `proxy`: where tokens are had (Swift's v1), such as http://127.0.0.1:8080/auth/v1.0."),
    Option("space", "auth_user", text, None, "name", "The user at `auth_url`, a reseller admin."),
    Option("space", "auth_key", text, None, "", "That user's key."),
    Option("space", "os_auth_url", text, None, "URL",
           "For `proxy`: Keystone's v3 URL. Needs `pip install 'swiftstats[keystone]'`."),
    Option("space", "os_username", text, None, "name", "The user at Keystone, with Swift's reseller admin role."),
    Option("space", "os_password", text, None, "", "That user's password."),
    Option("space", "os_project_name", text, None, "name", "The project that the token is for."),
    Option("space", "os_user_domain_name", text, "Default", "name", "The domain of the user."),
    Option("space", "os_project_domain_name", text, "Default", "name", "The domain of the project."),
    Option("api", "bind_host", text, "127.0.0.1", "address", "The address that the service listens on."),
    Option("api", "bind_port", whole(0, 65535), "8070", "port", "The port that the service listens on; 0: a free one."),
    Option("api", "threads", whole(1, 1024), "8", "threads",
           "How many requests the service answers at once, with at most two connections to the database each."),
    Option("api", "auth", names("tokens", "keystone", "swift", "none"), None, "names",
           "Who may ask: `tokens`, `keystone`, `swift`, `none`, or several, comma separated. "
           "Without it the service refuses to start."),
    Option("api", "tokens_file", text, "/etc/swiftstats/tokens", "path",
           "The file of token hashes for `auth = tokens`; `swiftstats token create` writes it."),
    Option("api", "token_uses_file", text, None, "path",
           "Where the service notes when each token of the file was last used, for `swiftstats token list`; "
           "beside `tokens_file`, where it is not given."),
    Option("api", "allow_anonymous", boolean, "no", "yes or no",
           "Needed for `auth = none`: everybody who reaches the port reads everything."),
    Option("api", "swift_url", text, None, "URL",
           "The cluster's proxy for `auth = swift`, such as http://127.0.0.1:8080. Tokens are sent nowhere else."),
    Option("api", "auth_cache_seconds", seconds(0, 86400), "60", "seconds",
           "How long the cluster's or Keystone's yes or no on a token is remembered."),
    Option("api", "admin_roles", names(), None, "names",
           "For `auth = keystone`: roles that read every account, comma separated, held in a project or in the system."),
    Option("api", "system_reader", boolean, "no", "yes or no",
           "For `auth = keystone`: whether the role reader in the system reads every account."),
    Option("api", "auth_failures_per_minute", whole(1, 10**6), "60", "tokens",
           "How many tokens that nobody knows one client address may send before no others of it are passed on to cluster or "
           "Keystone."),
    Option("api", "trusted_proxies", networks, None, "addresses",
           "Proxies before the service, as addresses or networks, comma separated, `unix` for a socket: of their requests "
           "X-Forwarded-For says who the client is."),
    Option("api", "session_seconds", seconds(60, 86400), "900", "seconds",
           "How long a session of the pages lasts, at most to the expiry of what it was begun with."),
    Option("api", "session_secret_file", text, None, "path",
           "A file with a secret of 32 bytes or more that signs sessions, the same for every process of the service. "
           "Without it each makes its own at start."),
    Option("api", "metrics_anonymous", boolean, "no", "yes or no",
           "Whether /metrics is answered without a token too: how the service and the site do, with the names of servers, and "
           "never an account's."),
    Option("api", "metrics_accounts", whole(0, 1000), "0", "accounts",
           "How many of the last period's busiest accounts /metrics names to who may read every account; the others are told "
           "together."),
    Option("api", "max_periods", whole(1, 10**6), "8784", "periods", "The most periods that a detail query may span."),
)

BY_NAME = {option.name: option for option in OPTIONS}
SECTIONS = ("flusher", "space", "api")
#: Seconds that are the period where nobody gives them.
OF_THE_PERIOD = ("flush_interval", "interval")
#: What nobody is shown, in messages or by `swiftstats check-config`.
SECRETS = ("auth_key", "os_password")


def default_of(option: Option) -> Any:
    """Return the value that an option has where nobody gives it; None where there is none."""
    if option.name == "server":
        return socket.gethostname()
    return None if option.default is None else option.read(option.default)
