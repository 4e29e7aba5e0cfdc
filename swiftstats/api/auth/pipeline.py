"""Keystone's filter to the left of the service: whether it stands there, and with which options, as the PasteDeploy file says."""

from __future__ import annotations

import configparser

from paste.deploy import loadwsgi  # type: ignore[import-untyped]

from swiftstats import options

#: The factory of keystonemiddleware's `authtoken`: its module, and its name there.
_AUTHTOKEN = ("keystonemiddleware.auth_token", "filter_factory")
#: What PasteDeploy and `swiftstats api` put among the options of every filter.
_OURS = ("__file__", "here", "config")


def authtoken_of(path: str) -> dict[str, str] | None:
    """Return the options of `authtoken` in a file's pipeline `main`; None where it has no such filter, or no such pipeline."""
    loader = loadwsgi.ConfigLoader(path)
    for option in options.OPTIONS:
        loader.parser.remove_option("DEFAULT", option.name)  # where a % need not be PasteDeploy's
    try:
        context = loader.get_context(loadwsgi.APP, "main")
    except (LookupError, ImportError, AttributeError, TypeError, ValueError, configparser.Error):
        return None  # another one than `main` is served
    for each in getattr(context, "filter_contexts", ()):
        if (getattr(each.object, "__module__", ""), getattr(each.object, "__name__", "")) == _AUTHTOKEN:
            given = {**each.global_conf, **each.local_conf}
            return {name: value for name, value in given.items() if name not in _OURS}
    return None
