"""Names of accounts and containers as text: Swift's are bytes, in UTF-8 as a rule."""

from __future__ import annotations


def text_of(name: bytes) -> str:
    """Return a name as text; what is no UTF-8 is shown as bytes (`\\xff`), so that no format breaks on it."""
    return name.decode("utf-8", "backslashreplace")
