"""The cases of a client that speaks S3; see table.py. Bytes are those on the wire, to the account that holds the data."""

from __future__ import annotations

from typing import Any, Callable

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from swiftstats.demo.ledger import Ledger
from tests.functional.table import UNKNOWN, case
from tests.support.caller import Caller, request


def client_of(c: Caller, *, key: str | None = None) -> Any:
    """Return a boto3 client that sends each request once."""
    access, secret = c.key_pair
    return boto3.client(
        "s3", endpoint_url=c.swift.url, region_name="us-east-1", aws_access_key_id=access,
        aws_secret_access_key=secret if key is None else key,
        config=Config(
            s3={"addressing_style": "path"}, signature_version="s3v4", retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
        ),
    )


def exchanged(c: Caller, *calls: Callable[[], Any]) -> tuple[int, int]:
    """Make the calls; return the body bytes that they sent, and those of their answers."""
    ledger = Ledger(c.swift.proxy.port)
    with ledger.watching():
        for call in calls:
            answer = call()
            if isinstance(answer, dict) and "Body" in answer:
                answer["Body"].read()
    return sum(exchange.sent for exchange in ledger.exchanges), sum(exchange.received for exchange in ledger.exchanges)


def received(c: Caller, *calls: Callable[[], Any]) -> int:
    """Make the calls; return the body bytes of their answers."""
    return exchanged(c, *calls)[1]


@case
def s3_objects(c: Caller) -> dict[str, Any]:
    """S3 create bucket, put, get, head, range, list (both ways), copy, delete."""
    s3 = client_of(c)
    out = received(
        c,
        lambda: s3.create_bucket(Bucket="bucket"),
        lambda: s3.put_object(Bucket="bucket", Key="o", Body=b"s" * 5000),
        lambda: s3.get_object(Bucket="bucket", Key="o"),
        lambda: s3.head_object(Bucket="bucket", Key="o"),
        lambda: s3.get_object(Bucket="bucket", Key="o", Range="bytes=0-99"),
        lambda: s3.list_objects_v2(Bucket="bucket"),
        lambda: s3.list_objects(Bucket="bucket"),
        lambda: s3.copy_object(Bucket="bucket", Key="o2", CopySource="bucket/o"),
        lambda: s3.delete_object(Bucket="bucket", Key="o"),
    )
    return {"PUT": 3, "GET": 4, "HEAD": 1, "DELETE": 1, "Bytes_In": 5000, "Bytes_Out": out}


@case
def s3_service(c: Caller) -> dict[str, Any]:
    """S3 list of buckets: to the account."""
    s3 = client_of(c)
    out = received(c, lambda: s3.create_bucket(Bucket="bucket"), s3.list_buckets)
    return {"PUT": 1, "GET": 1, "Bytes_Out": out}


@case
def s3_multipart(c: Caller) -> dict[str, Any]:
    """S3 multipart upload of two parts, its parts listed, GET of it, and one that is aborted."""
    s3 = client_of(c)

    def upload() -> str:
        return str(s3.create_multipart_upload(Bucket="bucket", Key="o")["UploadId"])

    def part(upload_id: str, number: int, size: int) -> dict[str, Any]:
        tag = s3.upload_part(Bucket="bucket", Key="o", UploadId=upload_id, PartNumber=number, Body=b"m" * size)["ETag"]
        return {"PartNumber": number, "ETag": tag}

    def whole() -> None:
        first = upload()
        parts = [part(first, 1, 5 * 2**20), part(first, 2, 1000)]
        s3.list_parts(Bucket="bucket", Key="o", UploadId=first)
        s3.complete_multipart_upload(Bucket="bucket", Key="o", UploadId=first, MultipartUpload={"Parts": parts})
        second = upload()
        part(second, 1, 3000)
        s3.abort_multipart_upload(Bucket="bucket", Key="o", UploadId=second)

    received(c, lambda: s3.create_bucket(Bucket="bucket"))
    c.note(c.account, {"PUT": 1})
    bytes_in, out = exchanged(c, whole)
    assert bytes_in > 5 * 2**20 + 4000, "the list of parts that completes the upload is sent too"
    body_out = received(c, lambda: s3.get_object(Bucket="bucket", Key="o"))
    assert body_out == 5 * 2**20 + 1000
    return {"PUT": 3, "POST": 3, "GET": 2, "DELETE": 1, "Bytes_In": bytes_in, "Bytes_Out": out + body_out}


@case
def s3_presigned(c: Caller) -> dict[str, Any]:
    """S3 presigned GET and PUT, without any credentials: to the account."""
    s3 = client_of(c)
    received(c, lambda: s3.create_bucket(Bucket="bucket"))
    c.note(c.account, {"PUT": 1})
    path = s3.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "o"})[len(c.swift.url):]
    assert request(c.swift.proxy.port, "PUT", path, b"s" * 3100).status == 200
    path = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "o"})[len(c.swift.url):]
    assert request(c.swift.proxy.port, "GET", path).body == b"s" * 3100
    return {"PUT": 1, "GET": 1, "Bytes_In": 3100, "Bytes_Out": 3100}


@case
def s3_aws_chunked(c: Caller) -> dict[str, Any]:
    """S3 PUT in aws-chunked encoding: the wire's bytes, its chunks' own lines included; the object's length is without."""
    s3 = client_of(c)
    received(c, lambda: s3.create_bucket(Bucket="bucket"))
    c.note(c.account, {"PUT": 1})
    body = b"".join(b"%x\r\n%s\r\n" % (8192, b"k" * 8192) for _ in range(4)) + b"0\r\n\r\n"
    asked = AWSRequest("PUT", f"{c.swift.url}/bucket/o", headers={
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": str(4 * 8192),
        "Content-Encoding": "aws-chunked", "Content-Length": str(len(body)),
    })
    SigV4Auth(Credentials(*c.key_pair), "s3", "us-east-1").add_auth(asked)
    answer = request(c.swift.proxy.port, "PUT", "/bucket/o", body, dict(asked.headers))
    assert answer.status == 200, answer
    assert s3_length(c, s3) == 4 * 8192
    return {"PUT": 1, "HEAD": 1, "Bytes_In": len(body)}


def s3_length(c: Caller, s3: Any) -> int:
    return int(s3.head_object(Bucket="bucket", Key="o")["ContentLength"])


@case
def s3_delete_objects(c: Caller) -> dict[str, Any]:
    """S3 delete-objects of 3: one POST."""
    s3 = client_of(c)
    received(c, lambda: s3.create_bucket(Bucket="bucket"), *(
        lambda key=key: s3.put_object(Bucket="bucket", Key=key, Body=b"1") for key in "abc"
    ))
    c.note(c.account, {"PUT": 4, "Bytes_In": 3})
    sent, out = exchanged(c, lambda: s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": key} for key in "abc"]}))
    return {"POST": 1, "Bytes_In": sent, "Bytes_Out": out}


@case
def s3_not_found(c: Caller) -> dict[str, Any]:
    """S3 GET of an object that is not there: client_errors, to the account."""
    s3 = client_of(c)
    out = received(c, lambda: s3.create_bucket(Bucket="bucket"),
                   lambda: refused(404, lambda: s3.get_object(Bucket="bucket", Key="none")))
    return {"PUT": 1, "GET": 1, "Client_Errors": 1, "Bytes_Out": out}


@case
def s3_bad_signature(c: Caller) -> dict[str, Any]:
    """S3 with a wrong key, with a key that nobody has: denied, under (unknown)."""
    c.container()
    bad = client_of(c, key="wrong")
    out = received(c, lambda: refused(403, lambda: bad.get_object(Bucket="bucket", Key="o")),
                   lambda: refused(403, lambda: bad.put_object(Bucket="bucket", Key="o", Body=b"b" * 2000)))
    return {
        c.account: {}, UNKNOWN: {"Denied": 2, "Unbilled_Bytes_Out": out, "Unbilled_Bytes_In": (0, 2000)}, c.key_pair[0]: {},
    }


@case
def s3_of_another(c: Caller) -> dict[str, Any]:
    """S3 GET of a bucket that only another account has: 404 in one's own account, and nothing of the other's."""
    s3 = client_of(c)
    c.container()
    out = received(c, lambda: refused(404, lambda: s3.get_object(Bucket="others-bucket", Key="o")))
    return {c.account: {"GET": 1, "Client_Errors": 1, "Bytes_Out": out}, c.other: {}}


@case
def s3_bucket_named_like_a_version(c: Caller) -> dict[str, Any]:
    """An S3 object `AUTH_victim/x` in a bucket named `v1.0` looks like another's path, and is not counted there."""
    s3 = client_of(c)
    c.container()
    c.prepare("PUT", "/v1.0")
    victim = c.other
    served = received(
        c,
        lambda: s3.put_object(Bucket="v1.0", Key=f"{victim}/x", Body=b"v" * 1500),
        lambda: s3.put_object(Bucket="v1.0", Key=f"{victim}/c/x", Body=b"v" * 1600),
        lambda: s3.get_object(Bucket="v1.0", Key=f"{victim}/c/x"),
        lambda: s3.delete_object(Bucket="v1.0", Key=f"{victim}/x"),
    )
    # Swift's own listing_formats takes it for a listing and adds to its query, so that the signature is wrong.
    denied = received(c, lambda: refused(403, lambda: s3.get_object(Bucket="v1.0", Key=f"{victim}/x")))
    return {
        c.account: {"PUT": 2, "GET": 1, "DELETE": 1, "Bytes_In": 3100, "Bytes_Out": served},
        UNKNOWN: {"Denied": 1, "Unbilled_Bytes_Out": denied}, victim: {},
    }


@case
def s3_versioning(c: Caller) -> dict[str, Any]:
    """S3 `GET ?versioning`, which may never learn its account: counted once, there or under (unknown)."""
    s3 = client_of(c)
    c.container("bucket")
    out = received(c, lambda: s3.get_bucket_versioning(Bucket="bucket"))
    return {c.account: {}, UNKNOWN: {"GET": 1, "Bytes_Out": out}}


def refused(status: int, call: Callable[[], Any]) -> None:
    """Make a call that has to be answered with `status`."""
    try:
        call()
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error
    else:
        raise AssertionError(f"served, where {status} was expected")
