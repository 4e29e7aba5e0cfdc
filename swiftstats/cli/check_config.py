"""`swiftstats check-config`: read the configuration, say what is wrong, or show what stands."""

from __future__ import annotations

import argparse

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from swiftstats import config, options
from swiftstats.errors import ConfigError
from swiftstats.store.engine import EXPECTED

DESCRIPTION = "Read the configuration and show every option's value, or say which line is wrong. Passwords are not shown."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Print `option = value` a line; raise ConfigError for what will not do."""
    settings = config.load(arguments.config)
    for option in options.OPTIONS:
        print(f"[{option.section}] {option.name} = {shown(option.name, getattr(settings, option.name))}")
    return 0


def shown(name: str, value: object) -> str:
    """Write a value as the file would have it, a database URL without its password."""
    if value is None:
        return ""
    if name in options.SECRETS:
        return "***"
    if name == "database":
        try:
            return make_url(str(value)).render_as_string(hide_password=True)
        except ArgumentError:
            raise ConfigError(f"database: the URL cannot be read; expected {EXPECTED}") from None
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
