"""Tell an operator that the filter stands in the wrong place, once: what is counted there is not what clients did.

Two ways to know. Swift gives every filter of a loaded pipeline the whole of it (`_pipeline`, wsgi.py of Swift 2.38.3), at
start. And a request that arrives with `swift.source` was made by a filter further left, whoever loaded the pipeline.
"""

from __future__ import annotations

from typing import Any, List, Sequence

#: Filters that make requests of their own or rewrite them, by the module they live in, and what is wrong right of them.
MISLEADING = {
    "bulk": "a client's bulk request vanishes, and each of its objects is a request",
    "formpost": "a client's POST vanishes",
    "s3api": "a client's S3 request looks like Swift's own",
    "staticweb": "anonymous requests look like Swift's own",
    "copy": "a copy becomes a GET and a PUT of bytes that no client moved",
    "slo": "a large object shows the bytes of its manifest",
    "dlo": "a large object shows the bytes of its manifest",
    "versioned_writes": "versions are requests of their own",
    "symlink": "a link's target is a request of its own",
}

#: `swift.source` of the requests that those filters make.
SOURCES = {"EA": "bulk", "BD": "bulk", "FP": "formpost", "S3": "s3api", "SW": "staticweb", "SSC": "copy", "SLO": "slo",
           "DLO": "dlo", "VW": "versioned_writes", "OV": "versioned_writes", "SYM": "symlink"}

#: Said in this process or, before the fork, in the one that it came from: Swift loads the pipeline in the manager first.
_said: List[str] = []


def misleading_left_of(pipeline: Sequence[Any], filter: Any) -> List[str]:
    """Return the names of MISLEADING filters left of `filter` in a pipeline of applications, from left to right."""
    found = []
    for app in pipeline:
        if app is filter:
            break
        found += [name for name in type(app).__module__.split(".") if name in MISLEADING]
    return found


def warn(logger: Any, names: Sequence[str]) -> None:
    """Say what is wrong right of `names`, once."""
    if names and not _said:
        _said.extend(names)
        reasons = "; ".join(f"right of {name} {MISLEADING[name]}" for name in dict.fromkeys(names))
        logger.warning("swiftstats: this filter must stand left of the first proxy-logging: %s", reasons)
