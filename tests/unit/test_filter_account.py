"""The filter, in process: whose a request is, and which requests are none of its business."""

from __future__ import annotations

from typing import Any

import pytest

from swiftstats.collect.exchange import MIB
from swiftstats.collect.filter import MARK, Filter
from swiftstats.collect.meter import Meter
from swiftstats.fields import UNKNOWN
from tests.support.recorder import Recorder
from tests.support.wsgi import Endpoint, environ, serve


def test_a_request_with_swift_source_is_left_alone(journal: Recorder, meter: Meter) -> None:
    """What arrives with swift.source is Swift's own request."""
    env = environ(**{"swift.source": "SLO"})
    serve(Filter(Endpoint(b"abc"), meter), env)
    assert journal.adds == []
    assert MARK not in env


def test_swift_source_set_on_the_way_is_the_clients_request(journal: Recorder, meter: Meter) -> None:
    """A versioned PUT sets swift.source in the client's own environ."""
    serve(Filter(Endpoint(b"", status="201 Created", environ={"swift.source": "OV"}), meter), environ("PUT", body=b"xy"))
    assert journal.usage("AUTH_a") == {"PUT": 1, "bytes_in": 2}


def test_a_second_filter_counts_nothing(journal: Recorder, meter: Meter) -> None:
    """A pipeline with the filter twice counts once, also where a filter between makes a subrequest of its own."""
    inner = Filter(Endpoint(b"abc", length=3), meter)

    def between(env: dict[str, Any], start_response: Any) -> Any:
        copied = dict(env, PATH_INFO="/v1/AUTH_b/c/o", **{"swift.source": "SSC"})
        serve(inner, copied)
        serve(inner, dict(env, PATH_INFO="/v1/AUTH_c/c/o"))
        return inner(env, start_response)

    serve(Filter(between, meter), environ())
    assert journal.accounts() == {"AUTH_a"}
    assert journal.usage("AUTH_a") == {"GET": 1, "bytes_out": 3}


def test_a_second_filter_of_swifts_pipeline_counts_no_subrequest(journal: Recorder, meter: Meter) -> None:
    """A subrequest in a fresh environ carries no mark; Swift tells the filter that it stands second."""
    inner = Filter(Endpoint(b"abc", length=3), meter)

    def between(env: dict[str, Any], start_response: Any) -> Any:
        serve(inner, environ(path="/v1/AUTH_b/c/o"))
        return inner(env, start_response)

    outer = Filter(between, meter)
    for app in (inner, outer):
        app._pipeline = [outer, between, inner]
    serve(outer, environ())
    assert journal.accounts() == {"AUTH_a"}
    assert inner._pipeline == [outer, between, inner]


@pytest.mark.parametrize("path", ["/info", "/auth/v1.0", "/healthcheck", "/endpoints/AUTH_a", "/", "", "/v1", "/v1/", "/v1//c"])
def test_what_names_no_account_is_not_metered(path: str, journal: Recorder, meter: Meter) -> None:
    """The cluster's own pages belong to nobody, however large they are."""
    serve(Filter(Endpoint(*[b"x" * MIB] * 3), meter), environ(path=path))
    serve(Filter(Endpoint(b""), meter), environ("POST", path=path, body=b"x" * (2 * MIB)))
    assert journal.adds == []


def test_s3_is_counted_in_the_account_that_the_s3_layer_found(journal: Recorder, meter: Meter) -> None:
    """The path of an S3 request is bucket and key; nothing of it is counted before it is known whose it is."""
    app = Endpoint(b"", headers=[("x-amz-request-id", "tx")], environ={"swift.backend_path": "/v1/AUTH_a/v1.0/k"})
    env = environ("PUT", path="/v1.0/AUTH_victim/x", body=b"x" * (3 * MIB), HTTP_AUTHORIZATION="AWS4-HMAC-SHA256 …")
    serve(Filter(app, meter), env)
    assert journal.accounts() == {"AUTH_a"}
    assert journal.usage("AUTH_a") == {"PUT": 1, "bytes_in": 3 * MIB}
    assert len(journal.adds) == 1


def test_s3_without_an_account_is_unknown(journal: Recorder, meter: Meter) -> None:
    """A few S3 requests never learn their account; the path that looks like a victim's says nothing."""
    serve(Filter(Endpoint(b"ok", headers=[("X-Amz-Request-Id", "tx")]), meter), environ(path="/v1.0/AUTH_victim/x"))
    assert journal.accounts() == {UNKNOWN}
    assert not journal.evidence(UNKNOWN)


def test_bytes_counted_for_a_victim_are_taken_back(journal: Recorder, meter: Meter) -> None:
    """An S3 layer that nobody could foresee: what passed under the path's account becomes unbilled there, and is the other's."""
    app = Endpoint(b"", headers=[("x-amz-request-id", "tx")], environ={"swift.backend_path": "/v1/AUTH_a/v1.0/k"})
    serve(Filter(app, meter), environ("PUT", path="/v1.0/AUTH_victim/x", body=b"x" * (3 * MIB)))
    assert journal.usage("AUTH_victim") == {"unbilled_bytes_in": 3 * MIB}
    assert journal.usage("AUTH_a") == {"PUT": 1, "bytes_in": 3 * MIB}
    assert not journal.evidence("AUTH_victim")


def test_domain_remap_is_counted_where_the_host_name_says(journal: Recorder, meter: Meter) -> None:
    """Until the pipeline has rewritten the path it names no account; after that it does."""
    app = Endpoint(b"", status="201 Created", environ={"PATH_INFO": "/v1/AUTH_a/c/o"})
    serve(Filter(app, meter), environ("PUT", path="/o", body=b"x" * (2 * MIB)))
    assert journal.usage("AUTH_a") == {"PUT": 1, "bytes_in": 2 * MIB}


def test_a_name_too_long_for_any_account_is_unknown(journal: Recorder, meter: Meter) -> None:
    """Garbage of any length is one row."""
    serve(Filter(Endpoint(b"", status="404 Not Found"), meter), environ(path="/v1/" + "x" * 300 + "/c"))
    assert journal.accounts() == {UNKNOWN}


def test_evidence_goes_with_every_addition_of_a_download(journal: Recorder, meter: Meter) -> None:
    """A download that spans two periods proves its account in each."""
    serve(Filter(Endpoint(*[b"x" * MIB] * 3, length=3 * MIB), meter), environ())
    assert [add.evidence for add in journal.adds] == [True, True, True]
