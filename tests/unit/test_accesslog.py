"""Lines of Swift's access log: what they say, which are clients' requests, whose they are; and what is no such line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Sequence

import pytest

from swiftstats.collect import logfiles
from swiftstats.collect.accesslog import AccessLine, is_client, parse
from swiftstats.collect.logfiles import LogReader
from swiftstats.collect.logged_accounts import ANYBODYS, Claim, LoggedAccounts
from swiftstats.errors import LogFileError, LogLineError
from swiftstats.fields import UNKNOWN
from tests.support import access_log
from tests.support.access_log import PREFIXES, line_of

PUT = access_log.VERSIONED[2]


def claims(lines: Sequence[str]) -> list[Claim | None]:
    """Follow lines; return whose each client's request is."""
    accounts, found = LoggedAccounts(("AUTH_",)), []
    for line in map(parse, lines):
        if is_client(line):
            found.append(accounts.claim(line))
        else:
            accounts.note(line)
    return found


@pytest.mark.parametrize("prefix", PREFIXES, ids=["rsyslog", "rfc5424", "tag", "bare"])
def test_a_line_is_read_behind_any_prefix_of_syslog(prefix: str) -> None:
    """What syslog puts before a line changes nothing of what it says."""
    assert parse(prefix + PUT) == AccessLine(
        has_address=True, method="PUT", path="/v1/AUTH_versioned/c/o", query="", status=201, has_token=True, bytes_in=2000,
        bytes_out=0, transaction="tx941af325700942d2905c1-006b02588c", source="OV", info="", start=1795315852.153269291,
        end=1795315852.212014914, user="versioned:user")


def test_a_line_without_the_user_is_read() -> None:
    """An older Swift, whose template has no access_user_id, can be read."""
    assert parse(PUT.rsplit(" ", 1)[0]) == parse(PUT)._replace(user=None)


def test_the_path_is_decoded_twice_and_the_query_stays() -> None:
    """The path was percent-encoded already when proxy-logging encoded it; a question mark in a name is no query's."""
    line = parse(line_of("GET", "/v1/AUTH_%25C3%25A9/c/a%253Fb%3Fformat%3Djson", start=5, end=6))
    assert (line.path, line.query) == ("/v1/AUTH_Ã©/c/a?b", "format=json")


@pytest.mark.parametrize(("text", "reason"), [
    ("", "no line of proxy-logging's"),
    ("proxy-server: ERROR Insufficient Storage d1 (txn: tx1)", "no line of proxy-logging's"),
    (PUT[:150], "torn"),
    (PUT[:-30], "torn"),
    (PUT.replace("/v1/AUTH_versioned/c/o", "{SMD5}0123456789abcdef"), "anonymised"),
    (PUT.replace(" 201 ", " - "), "default log_msg_template"),
    (PUT.replace(" 0.0587 ", " 9.0587 "), "default log_msg_template"),
    (PUT.replace(" 2000 ", " -5 "), "default log_msg_template"),
    (PUT + " 0.05 42", "custom template"),
    (" ".join([*PUT.split(" ")[:3], *reversed(PUT.split(" ")[3:])]), "default log_msg_template"),
])
def test_what_is_no_such_line_is_refused(text: str, reason: str) -> None:
    """A torn line, another program's, one of a custom template or anonymised is refused, and the message says which."""
    with pytest.raises(LogLineError, match=reason):
        parse(text)


def test_clients_requests_are_told_from_swifts_own() -> None:
    """A client's request has no source; a versioned PUT has OV in the client's own line, and in Swift's beside it."""
    for lines in (access_log.VERSIONED, access_log.COPIED, access_log.S3):
        for line in map(parse, lines):
            assert is_client(line) == line.has_address
    assert [is_client(parse(text)) for text in access_log.VERSIONED] == [False, False, True, False, True]


def test_a_copy_is_its_sources() -> None:
    """A COPY's line has the destination; the account in its URL is that of the SSC line. A PUT that copies is in its own path."""
    mine, other = Claim(("AUTH_copy-to-another-account",)), Claim(("AUTH_copy-to-another-account-other",))
    assert claims(access_log.COPIED) == [mine, mine, other]
    assert claims([text for text in access_log.COPIED if " SSC " not in text]) == [mine, ANYBODYS, other]


def test_s3_is_of_the_account_that_the_transaction_or_the_user_shows() -> None:
    """The path of an S3 request is bucket and key; requests that Swift made for it, or for its user, name the account."""
    assert set(claims(access_log.S3)) == {Claim(("AUTH_s3-objects",))}
    keystone = [text.replace("s3-objects:user", "0123abcd").replace("AUTH_s3-objects", "AUTH_7f6a") for text in access_log.S3]
    assert set(claims(keystone)) == {Claim(("AUTH_7f6a",))}
    assert claims(keystone[-1:]) == [ANYBODYS]


def test_s3_user_of_several_accounts_says_nothing() -> None:
    """Where a user's requests were for different accounts, one that nothing else tells of may be anybody's."""
    seen = [text.replace("s3-objects:user", "0123abcd") for text in access_log.S3[:3]]
    others = [text.replace("AUTH_s3-objects", "AUTH_other").replace("tx", "ty") for text in seen]
    alone = [text.replace("tx", "tz") for text in seen if "/bucket " in text and "AUTH_" not in text]
    assert alone
    assert claims([*seen, *others, *alone])[-1] == ANYBODYS


def test_s3_that_never_learned_its_account() -> None:
    """A bad signature is under (unknown); `GET ?versioning` may be."""
    assert claims(access_log.S3_REFUSED) == [Claim((UNKNOWN,)), Claim((UNKNOWN,))]
    assert claims(access_log.S3_VAGUE) == [Claim(("AUTH_s3-versioning", UNKNOWN), sure=False)]


def test_an_s3_bucket_named_like_a_version() -> None:
    """What looks like somebody's account, and may be an S3 object, is not taken for that account's."""
    put, refused = claims(access_log.S3_VERSION)
    assert put is not None and not put.sure
    assert put.accounts[0] == "AUTH_s3-bucket-named-like-a-version"
    assert refused == Claim((UNKNOWN,))


def test_what_is_nobodys() -> None:
    """`/info` and `/auth/v1.0` are in nobody's row; a request by domain_remap is the account's that it was mapped to."""
    assert claims(access_log.NOBODYS) == [None] * len(access_log.NOBODYS)
    assert claims(access_log.REMAPPED) == [Claim(("AUTH_domain-remap",))]
    old = line_of("GET", "/bucket/o", start=5, end=6).rsplit(" ", 1)[0]
    assert claims([old]) == [Claim((), sure=False, metered=False)]


def read(*paths: Path) -> tuple[list[AccessLine], LogReader]:
    reader = LogReader()
    return [line for path in paths for line in reader.lines(str(path))], reader


def test_a_rotated_pair_plain_and_compressed(tmp_path: Path) -> None:
    """Files are recognised by what is in them, whatever their names."""
    (tmp_path / "log.1").write_bytes(gzip.compress("".join(line + "\n" for line in access_log.COPIED).encode()))
    (tmp_path / "log").write_text("".join(PREFIXES[0] + line + "\n" for line in access_log.S3) + "\n")
    lines, reader = read(tmp_path / "log.1", tmp_path / "log")
    assert lines == [parse(text) for text in (*access_log.COPIED, *access_log.S3)]
    assert (reader.read, reader.bad) == (len(lines), 0)


def test_bad_lines_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    """A torn last line and another program's are counted; a few are kept; reading goes on."""
    (tmp_path / "log").write_text("proxy-server: STARTED\n" * 20 + PUT + "\n" + PUT)
    lines, reader = read(tmp_path / "log")
    assert lines == [parse(PUT)]
    assert (reader.read, reader.bad, len(reader.first_bad)) == (1, 21, logfiles.SHOWN)
    assert reader.first_bad[0].number == 1
    (tmp_path / "torn").write_text(PUT + "\n" + PUT)
    assert [(bad.number, "torn" in bad.reason) for bad in read(tmp_path / "torn")[1].first_bad] == [(2, True)]


def test_a_compressed_file_that_ends_early(tmp_path: Path) -> None:
    """What stands in a damaged compressed file before the damage is read, and the damage counted."""
    lines = "".join(f"{PUT[:-14]}user{number}:x\n" for number in range(3000))
    (tmp_path / "log.gz").write_bytes(gzip.compress(lines.encode())[:-2000])
    found, reader = read(tmp_path / "log.gz")
    assert 0 < len(found) < 3000
    assert [bad.number for bad in reader.first_bad if "ends early" in bad.reason] == [0]


def test_a_custom_template_is_refused(tmp_path: Path) -> None:
    """A file of which no line can be read is refused, with the reason, and soon; an empty one is no fault."""
    custom = PUT.replace(" HTTP/1.0 ", " ")
    (tmp_path / "log").write_text((custom + "\n") * (logfiles.PATIENCE + 10))
    with pytest.raises(LogFileError, match="none of its first 10000 lines .* default log_msg_template .* custom template"):
        read(tmp_path / "log")
    (tmp_path / "short").write_text(custom + "\n")
    with pytest.raises(LogFileError, match="none of its 1 lines"):
        read(tmp_path / "short")
    (tmp_path / "empty").write_text("")
    assert read(tmp_path / "empty")[0] == []
