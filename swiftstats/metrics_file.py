"""A file of metrics for node_exporter's textfile collector: replaced whole, so that it is never read half-written."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress


def replace(directory: str, name: str, content: bytes) -> None:
    """Replace the file `name` (it ends in .prom) of the collector's directory; raise OSError.

    Everybody may read it, whatever the umask: the collector is another user. It is not synced: what it says is soon old.
    """
    # The collector reads *.prom, and nothing else.
    fd, made = tempfile.mkstemp(prefix=name + ".", dir=directory)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            os.fchmod(fd, 0o644)
        os.rename(made, os.path.join(directory, name))
    except BaseException:
        with suppress(OSError):
            os.unlink(made)
        raise
