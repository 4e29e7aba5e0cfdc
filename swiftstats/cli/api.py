"""`swiftstats api`: serve the statistics over HTTP, with waitress."""

from __future__ import annotations

import argparse
import configparser
import logging
import os
import signal
from types import FrameType
from typing import Any

import waitress  # type: ignore[import-untyped]
from paste.deploy import loadwsgi  # type: ignore[import-untyped]

from swiftstats import config as configuration
from swiftstats import options
from swiftstats.api.app import make_app
from swiftstats.config import Config
from swiftstats.errors import ConfigError

DESCRIPTION = (
    "Serve the statistics over HTTP until SIGTERM or SIGINT. Where the configuration has PasteDeploy's [app:main], "
    "[pipeline:main] or [composite:main], that is served; else the application alone."
)
#: The sections that make a file PasteDeploy's.
PASTE_SECTIONS = ("app:main", "pipeline:main", "composite:main")
#: The most that waitress takes of a body, in bytes, before the application is asked; a form is far smaller.
BODY_BYTES = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what overrides the file's [api]."""
    parser.add_argument("--host", metavar="ADDRESS", help="listen here instead of bind_host")
    parser.add_argument("--port", metavar="PORT", type=int, choices=range(65536),
                        help="listen here instead of bind_port; 0: a free one")


def run(arguments: argparse.Namespace) -> int:
    """Serve; return 0 when a signal ends it. Raises ConfigError or SchemaError where it must not start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = configuration.load(arguments.config)
    application = load(arguments.config, config)
    host = config.bind_host if arguments.host is None else arguments.host
    port = config.bind_port if arguments.port is None else arguments.port
    try:
        server = waitress.create_server(application, host=host, port=port, threads=config.threads, ident=None,
                                        max_request_body_size=BODY_BYTES, clear_untrusted_proxy_headers=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot listen on {host} port {port}: {reason}", path=config.path) from None
    for address, bound in getattr(server, "effective_listen", None) or [(server.effective_host, server.effective_port)]:
        shown = f"[{address}]" if ":" in address else address
        print(f"swiftstats api: listening on http://{shown}:{bound}", flush=True)
    signal.signal(signal.SIGTERM, _end)
    server.run()  # returns on SystemExit and KeyboardInterrupt, after what is being answered
    server.close()
    return 0


def load(path: str, config: Config) -> Any:
    """Return the application, or the file's PasteDeploy pipeline; raise ConfigError."""
    if not has_pipeline(path):
        return make_app(config)
    loader = loadwsgi.ConfigLoader(os.path.abspath(path))
    for option in options.OPTIONS:
        # They are for us, not for every filter of the pipeline, and PasteDeploy trips over a `%` in a database's URL.
        loader.parser.remove_option("DEFAULT", option.name)
    try:
        return loader.get_context(loadwsgi.APP, "main", {"config": path}).create()
    except (LookupError, ImportError, AttributeError, TypeError, ValueError, OSError, configparser.Error) as error:
        raise ConfigError(f"its PasteDeploy sections will not do: {error}", path=path) from None


def has_pipeline(path: str) -> bool:
    """Tell whether an ini file has a section that PasteDeploy would serve."""
    parser = configparser.RawConfigParser(default_section="\x00none", strict=False)
    parser.read(path, encoding="utf-8")
    return any(parser.has_section(name) for name in PASTE_SECTIONS)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
