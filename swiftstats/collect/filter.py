"""The paste filter that counts each client request of a Swift proxy, once, in the account that it is for.

It stands just left of the first `proxy-logging`. `[filter:swiftstats] use = egg:swiftstats#filter`, with `config = FILE` or the
options inline, or both. Standard library only: Swift is used for its logger and `/info` where it is what loads us, and never
imported otherwise. What is counted stands in docs/counting.md, how in exchange.py.
"""

from __future__ import annotations

import logging
import os
import sys
from types import GeneratorType
from typing import Any, Callable, Dict, Mapping, Optional

import swiftstats
from swiftstats import config
from swiftstats.collect import placement
from swiftstats.collect.answer import counted, passing
from swiftstats.collect.body import RequestBody, put_read
from swiftstats.collect.exchange import Exchange
from swiftstats.collect.meter import Meter
from swiftstats.collect.spawn import Spawner
from swiftstats.errors import ConfigError

#: In a client's environ once it is counted: a second filter in the pipeline leaves it alone. Swift's subrequests copy it or
#: carry `swift.source`.
MARK = "swiftstats.counted"

#: Methods whose requests seldom have a body.
_BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))


class Filter:
    """Counts what passes to `app`, and changes nothing of it. Opens nothing before the first request."""

    def __init__(self, app: Callable[..., Any], meter: Meter) -> None:
        self.app = app
        self._meter = meter
        self._stands_second = False
        self._pipeline_of_swift: Any = None

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if "swift.source" in environ or MARK in environ or self._stands_second:
            if MARK not in environ and not self._stands_second:
                self._doubt(environ)
            return self.app(environ, start_response)
        try:
            method = environ["REQUEST_METHOD"]
            exchange = Exchange()
            exchange.begin(self._meter, environ, start_response, method)
            # Without a length only a chunked body can follow (RFC 9112, 6.3), or one that the server says is delimited.
            if (method not in _BODILESS or "CONTENT_LENGTH" in environ and environ["CONTENT_LENGTH"]
                    or "HTTP_TRANSFER_ENCODING" in environ or "wsgi.input_terminated" in environ):
                exchange.input = environ["wsgi.input"]
                environ["wsgi.input"] = body = RequestBody()
                put_read(body, exchange.read)
            environ[MARK] = True
        except Exception:
            self._meter.trouble()
            return self.app(environ, start_response)
        try:
            app = self.app
            answer = app(environ, exchange.start_response)
        except BaseException as error:
            exchange.fail(error)
            raise
        if type(answer) is GeneratorType and exchange.due > 0:  # PERF: bench/filter.py; as Swift answers, and `counted` would
            chunks = passing(answer, exchange)
            next(chunks)
            return chunks
        return counted(answer, exchange)

    @property
    def _pipeline(self) -> Any:
        return self._pipeline_of_swift

    @_pipeline.setter
    def _pipeline(self, pipeline: Any) -> None:
        # Swift sets this when the whole pipeline stands, and other filters may read it from the one to their right.
        self._pipeline_of_swift = pipeline
        try:
            left = pipeline[: [app is self for app in pipeline].index(True)]
            self._stands_second = any(isinstance(app, Filter) for app in left)
            if not self._stands_second:
                placement.warn(self._meter.logger, placement.misleading_left_of(pipeline, self))
        except Exception:
            self._meter.trouble()

    def _doubt(self, environ: Mapping[str, Any]) -> None:
        try:
            name = placement.SOURCES.get(environ["swift.source"])
            placement.warn(self._meter.logger, [name] if name else [])
        except Exception:
            self._meter.trouble()


def filter_factory(global_conf: Mapping[str, str], **local_conf: str) -> Callable[[Any], Filter]:
    """Return a paste filter; raise ConfigError for options that are unknown or bad, so that the proxy refuses to start.

    Options that begin with `log_` are Swift's logger's, and Swift's loader adds `__name__`. One meter serves all that this makes.
    """
    inline = {name: value for name, value in local_conf.items() if not name.startswith(("log_", "__"))}
    if "config" in inline:
        inline["config"] = os.path.abspath(inline["config"])  # the flusher may stand elsewhere
    try:
        options = config.from_options(inline)
        if options.flush == "spawn":
            options.require("database")
    except ConfigError as error:
        raise ConfigError(f"swiftstats filter: {error}", path=global_conf.get("__file__")) from None
    logger = _swift_logger({**global_conf, **local_conf}) or logging.getLogger("swiftstats")
    _register(options)
    spawner = Spawner(options.spool, inline, logger=logger) if options.flush == "spawn" else None
    meter = Meter(spool=options.spool, server=options.server, period_seconds=options.period_seconds,
                  reseller_prefix=options.reseller_prefix, max_unproven_names=options.max_unproven_names,
                  spool_max_bytes=options.spool_max_bytes, logger=logger, spawner=spawner)
    return lambda app: Filter(app, meter)


def _swift_logger(conf: Mapping[str, str]) -> Optional[Any]:
    """Return a logger of Swift's, where Swift is what runs here."""
    if "swift" not in sys.modules:
        return None
    try:
        from swift.common.utils import get_logger
    except ImportError:
        return None
    return get_logger(dict(conf), log_route="swiftstats")


def _register(options: config.Config) -> None:
    """Show the filter in Swift's /info, where Swift is what runs here."""
    if "swift" not in sys.modules:
        return
    try:
        from swift.common.registry import register_swift_info
    except ImportError:  # Swift before 2.30
        try:
            from swift.common.utils import register_swift_info
        except ImportError:
            return
    register_swift_info("swiftstats", version=swiftstats.__version__, period_seconds=options.period_seconds)
