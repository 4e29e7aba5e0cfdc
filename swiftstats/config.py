"""Read configuration once, into a frozen object; refuse what is unknown or bad, and say where it stands.

One ini file serves commands, flusher and service. PasteDeploy's sections (`[app:…]`, `[filter:…]`, `[pipeline:…]`, …) may
stand in it and are left alone, and so may [keystone_authtoken], which keystonemiddleware reads by oslo.config's rules. Nothing
is interpolated: a `%` is a `%`.
"""

from __future__ import annotations

import configparser
import re
from typing import Any, Mapping

from swiftstats import options
from swiftstats.errors import ConfigError

#: Options of keystonemiddleware's authtoken, as every OpenStack service has them.
KEYSTONE_SECTION = "keystone_authtoken"
DEFAULT_PATH = "/etc/swiftstats/swiftstats.conf"
_PASTE = re.compile(r"(app|application|filter|filter-app|pipeline|composite|composit|server)(:|\Z)")


class Config:
    """Every option as an attribute (`config.spool`), frozen; `path` is the file it came from, or None."""

    database: str | None
    spool: str
    server: str
    period_seconds: int
    reseller_prefix: tuple[str, ...]
    spool_max_bytes: int
    keep_hours_months: int
    max_unproven_names: int
    metrics_dir: str | None
    flush: str
    flush_interval: float
    flush_jitter: float
    msync_interval: float
    batch_rows: int
    flush_nice: int
    archive_hours: int
    archive_max_bytes: int
    method: str
    interval: float
    concurrency: int
    readers: int
    retries: int
    timeout: float
    devices: str
    swift_dir: str
    mount_check: bool
    proxy_url: str | None
    accounts_from: str
    accounts_file: str | None
    containers: bool
    max_containers: int
    token_file: str | None
    auth_url: str | None
    auth_user: str | None
    auth_key: str | None
    os_auth_url: str | None
    os_username: str | None
    os_password: str | None
    os_project_name: str | None
    os_user_domain_name: str
    os_project_domain_name: str
    bind_host: str
    bind_port: int
    threads: int
    auth: tuple[str, ...] | None
    tokens_file: str
    token_uses_file: str | None
    allow_anonymous: bool
    swift_url: str | None
    auth_cache_seconds: float
    admin_roles: tuple[str, ...] | None
    system_reader: bool
    auth_failures_per_minute: int
    trusted_proxies: tuple[str, ...] | None
    session_seconds: float
    session_secret_file: str | None
    metrics_anonymous: bool
    metrics_accounts: int
    max_periods: int

    def __init__(self, values: Mapping[str, Any], path: str | None = None) -> None:
        for option in options.OPTIONS:
            value = values.get(option.name)
            object.__setattr__(self, option.name, options.default_of(option) if value is None else value)
        for name in options.OF_THE_PERIOD:
            if getattr(self, name) is None:
                object.__setattr__(self, name, float(self.period_seconds))
        object.__setattr__(self, "flush_jitter", min(self.flush_jitter, self.period_seconds / 10))
        object.__setattr__(self, "path", path)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("configuration is read once, and frozen")

    def require(self, name: str) -> Any:
        """Return the value of an option that this command cannot do without; raise ConfigError where it is missing."""
        value = getattr(self, name)
        if value is None or value == "":
            option = options.BY_NAME[name]
            raise ConfigError(f"option {name} is needed in [{option.section}]: {option.help}", path=self.path)
        return value

    path: str | None


def load(path: str) -> Config:
    """Read the ini file at `path`; raise ConfigError for a file, section, option or value that will not do."""
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"cannot be read: {reason}. Name another file with --config", path=path) from None
    parser = configparser.RawConfigParser(default_section="\x00none", strict=True)
    try:
        parser.read_string(content, path)
    except configparser.Error as error:
        raise ConfigError(str(error).replace("\n", " "), path=path) from None
    values: dict[str, Any] = {}
    for section in parser.sections():
        if _PASTE.match(section) or section == KEYSTONE_SECTION:
            continue
        if section != "DEFAULT" and section not in options.SECTIONS:
            known = ", ".join(f"[{name}]" for name in ("DEFAULT", *options.SECTIONS))
            raise ConfigError(f"unknown section [{section}]; known are {known}", path=path, line=_line(content, section))
        for name, value in parser.items(section):
            line = _line(content, section, name)
            option = options.BY_NAME.get(name)
            if option is None or option.section != section:
                there = f"; it belongs in [{option.section}]" if option else ""
                raise ConfigError(f"unknown option {name} in [{section}]{there}", path=path, line=line)
            values[name] = _read(option, value, path, line)
    return Config(values, path)


def from_options(given: Mapping[str, str]) -> Config:
    """Read options given inline, as in a paste filter's section; with `config = FILE`, over that file's.

    Raises ConfigError. Any option may be given, whatever its section in the file.
    """
    inline = dict(given)
    path = inline.pop("config", None)
    values: dict[str, Any] = {}
    if path is not None:
        base = load(path)
        values = {option.name: getattr(base, option.name) for option in options.OPTIONS}
        if "period_seconds" in inline:
            for name in options.OF_THE_PERIOD:
                if values[name] == base.period_seconds:
                    values.pop(name)
    for name, value in inline.items():
        option = options.BY_NAME.get(name)
        if option is None:
            raise ConfigError(f"unknown option {name}")
        values[name] = _read(option, value, None, None)
    return Config(values, path)


def _read(option: options.Option, value: str, path: str | None, line: int | None) -> Any:
    try:
        return option.read(value.strip())
    except ValueError as error:
        shown = "the value" if option.name in ("database", *options.SECRETS) else repr(value)
        raise ConfigError(f"{option.name}: {shown} will not do; expected {error}", path=path, line=line) from None


def _line(content: str, section: str, name: str | None = None) -> int | None:
    """Return the line that a section or an option of it stands on."""
    inside = False
    for number, line in enumerate(content.splitlines(), 1):
        header = re.match(r"\[(.*)\]", line)
        if header:
            inside = header.group(1) == section
            if inside and name is None:
                return number
        elif inside and name and re.match(re.escape(name) + r"\s*[=:]", line, re.IGNORECASE):
            return number
    return None
