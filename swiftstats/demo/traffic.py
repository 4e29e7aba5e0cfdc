"""Real traffic of several accounts: Swift's own client, S3, a large object in segments, copies, and requests that are refused.

Each step is a function of a `Clients`, with a docstring that is shown; it checks what it received against what it sent.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Callable, Iterator

from swiftstats.demo.confs import User
from swiftstats.demo.ledger import Ledger
from swiftstats.demo.processes import DemoError

KB = 1000
#: Three of these make the large object.
SEGMENT = 2_000_000


class Clients:
    """A python-swiftclient connection, or a boto3 client, for each user."""

    def __init__(self, url: str, users: dict[str, User]) -> None:
        self.url, self.users = url, users

    def swift(self, account: str) -> Any:
        from swiftclient import Connection

        user = self.users[account]
        return Connection(f"{self.url}/auth/v1.0", user.login, user.key, retries=0)

    def s3(self, account: str, *, key: str | None = None) -> Any:
        import boto3
        from botocore.config import Config

        user = self.users[account]
        return boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id=user.login,
            aws_secret_access_key=user.key if key is None else key,
            config=Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, signature_version="s3v4",
                request_checksum_calculation="when_required", response_checksum_validation="when_required",
            ),
        )


def pattern(size: int, seed: str) -> bytes:
    """Return `size` bytes that are the same for the same seed, and do not compress away."""
    blocks = (hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def objects(clients: Clients) -> None:
    """test: a container, an object of 1,023 bytes up and down, a range of it, a HEAD, a listing"""
    swift, data = clients.swift("test"), pattern(1023, "object")
    swift.put_container("photos")
    swift.put_object("photos", "cat.jpg", data, content_length=len(data))
    _expect(swift.get_object("photos", "cat.jpg")[1] == data, "the object came back changed")
    _expect(swift.get_object("photos", "cat.jpg", headers={"Range": "bytes=0-9"})[1] == data[:10], "a wrong range")
    swift.head_object("photos", "cat.jpg")
    _expect([row["name"] for row in swift.get_container("photos")[1]] == ["cat.jpg"], "a wrong listing")
    swift.post_object("photos", "cat.jpg", {"X-Object-Meta-Colour": "black"})


def chunked(clients: Clients) -> None:
    """test: an upload whose length is not known beforehand"""
    def parts() -> Iterator[bytes]:
        for number in range(10):
            yield pattern(30 * KB, f"part {number}")

    swift = clients.swift("test")
    swift.put_object("photos", "stream", parts())
    _expect(len(swift.get_object("photos", "stream")[1]) == 300 * KB, "the stream came back with another length")


def large_object(clients: Clients) -> None:
    """test: a large object of 3 × 2,000,000 bytes in segments; one GET, and a range across two segments"""
    swift = clients.swift("test")
    swift.put_container("segments")
    manifest = []
    for number in range(3):
        segment = pattern(SEGMENT, f"segment {number}")
        swift.put_object("segments", f"film/{number}", segment, content_length=len(segment))
        manifest.append({"path": f"/segments/film/{number}", "size_bytes": SEGMENT})
    swift.put_object("photos", "film", json.dumps(manifest).encode(), query_string="multipart-manifest=put")
    _expect(len(swift.get_object("photos", "film")[1]) == 3 * SEGMENT, "the large object came back with another length")
    across = f"bytes={SEGMENT - 1000}-{SEGMENT + 999}"
    _expect(len(swift.get_object("photos", "film", headers={"Range": across})[1]) == 2000, "a wrong range")


def copy(clients: Clients) -> None:
    """test: a copy of the large object's first segment within Swift: a request, and no byte of the client's"""
    swift = clients.swift("test")
    swift.copy_object("segments", "film/0", destination="/photos/still")
    _expect(int(swift.head_object("photos", "still")["content-length"]) == SEGMENT, "a wrong copy")


def s3(clients: Clients) -> None:
    """test2: the same by the S3 API: put, get, list, a multipart upload, delete"""
    client, data = clients.s3("test2"), pattern(5000, "s3")
    client.create_bucket(Bucket="backups")
    client.put_object(Bucket="backups", Key="monday", Body=data)
    _expect(client.get_object(Bucket="backups", Key="monday")["Body"].read() == data, "the S3 object came back changed")
    upload = client.create_multipart_upload(Bucket="backups", Key="archive")["UploadId"]
    parts = []
    for number, size in ((1, 5 * 2**20), (2, 1000)):
        answer = client.upload_part(
            Bucket="backups", Key="archive", UploadId=upload, PartNumber=number, Body=pattern(size, f"s3 part {number}")
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(Bucket="backups", Key="archive", UploadId=upload, MultipartUpload={"Parts": parts})
    _expect(client.list_objects_v2(Bucket="backups")["KeyCount"] == 2, "a wrong S3 listing")
    client.delete_object(Bucket="backups", Key="monday")


def refused(clients: Clients) -> None:
    """test2 asks for an object of test's (403); somebody without a token (401); test for one that is not there (404)"""
    from swiftclient import ClientException, client

    stranger = clients.swift("test2")
    _url, token = stranger.get_auth()
    of_test = f"{clients.url}/v1/AUTH_test"
    for status, headers, name in ((403, {"X-Auth-Token": token}, "cat.jpg"), (401, {}, "cat.jpg")):
        try:
            client.get_object(of_test, token if headers else "", "photos", name)
            raise DemoError(f"a request that should be answered {status} was served")
        except ClientException as error:
            _expect(error.http_status == status, f"{error.http_status} instead of {status}")
    try:
        clients.swift("test").get_object("photos", "unicorn.jpg")
        raise DemoError("an object that is not there was served")
    except ClientException as error:
        _expect(error.http_status == 404, f"{error.http_status} instead of 404")


def bad_signature(clients: Clients) -> None:
    """somebody signs an S3 request with a wrong key: denied, and of no known account"""
    from botocore.exceptions import ClientError

    try:
        clients.s3("test2", key="wrong").get_object(Bucket="backups", Key="archive")
        raise DemoError("a request with a wrong signature was served")
    except ClientError as error:
        _expect(error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, "a wrong signature was not answered 403")


#: Each step, and the account that its S3 requests are of.
STEPS: tuple[tuple[Callable[[Clients], None], str], ...] = (
    (objects, ""), (chunked, ""), (large_object, ""), (copy, ""), (s3, "AUTH_test2"), (refused, ""), (bad_signature, "(unknown)"),
)


def run(clients: Clients, ledger: Ledger, progress: Callable[[str], None]) -> None:
    """Send it all, recording it; raise DemoError where Swift does not answer as it should."""
    for step, s3_account in STEPS:
        progress(" ".join((step.__doc__ or step.__name__).split()))
        with ledger.watching(s3_account):
            try:
                step(clients)
            except DemoError:
                raise
            except Exception as error:  # whatever a client library makes of an answer that it did not expect
                raise DemoError(f"{step.__name__}: {type(error).__name__}: {error}") from error


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise DemoError(otherwise)
