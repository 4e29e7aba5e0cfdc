"""The tokens file: hashes only, its owner's only, read again when it changes."""

from __future__ import annotations

import hmac
import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swiftstats.api.auth import uses
from swiftstats.api.auth.caller import AuthAway
from swiftstats.api.auth.swift import Verdict
from swiftstats.api.auth.token_rule import TokensRule
from swiftstats.api.auth.tokens import TokensFile, hashed, key_of
from swiftstats.errors import ConfigError

NOW = 1_350_892_800


@pytest.fixture
def file(tmp_path: Path) -> TokensFile:
    return TokensFile(str(tmp_path / "tokens"))


def judged(rule: TokensRule, token: str, account: bytes = b"AUTH_a") -> Verdict:
    found = rule.caller({"HTTP_X_AUTH_TOKEN": token}, [account])
    if found is None:
        return Verdict.UNKNOWN
    return Verdict.YES if found.scope.may_read(account) else Verdict.NO


class Unequal(str):
    """A text that may not be compared by `==`, which ends at the first character that differs."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared by ==")

    __ne__ = __eq__


def test_holds_no_token(file: TokensFile) -> None:
    """The file holds the hash of a token, never the token, and nobody but its owner reads it."""
    token = file.create("billing", None, now=NOW)
    text = Path(file.path).read_text()
    assert token not in text
    assert json.loads(text) == {"name": "billing", "sha256": hashed(token), "scope": "all", "created": "2012-10-22T08:00:00Z"}
    assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o600


def test_scope(file: TokensFile) -> None:
    """A token reads what its entry says, and nothing else; a token that is not in the file is nobody's."""
    operator, tenant = file.create("operator", None, now=NOW), file.create("tenant", ["AUTH_a", "AUTH_ü"], now=NOW)
    rule = TokensRule(file.path)
    assert judged(rule, operator) is judged(rule, tenant) is judged(rule, tenant, "AUTH_ü".encode()) is Verdict.YES
    assert judged(rule, tenant, b"AUTH_b") is judged(rule, tenant, b"(unknown)") is Verdict.NO
    for nobody in ("", "x", operator[:-1], operator + "x", hashed(operator), operator.upper(), "\xff"):
        assert judged(rule, nobody) is Verdict.UNKNOWN


def test_expiry(file: TokensFile) -> None:
    """A token is good until it expires, and not at that moment."""
    token = file.create("short", None, now=NOW, expires=NOW + 10)
    now = NOW + 9
    rule = TokensRule(file.path, clock=lambda: now)
    assert judged(rule, token) is Verdict.YES
    now = NOW + 10
    assert judged(rule, token) is Verdict.UNKNOWN


def test_changes_are_seen(file: TokensFile) -> None:
    """A running service knows a new token, and no longer a revoked one, at the next request."""
    first = file.create("first", None, now=NOW)
    rule = TokensRule(file.path)
    second = file.create("second", None, now=NOW)
    assert judged(rule, second) is Verdict.YES
    file.revoke("first")
    assert judged(rule, first) is Verdict.UNKNOWN and judged(rule, second) is Verdict.YES


def test_constant_time(file: TokensFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hash is compared, by hmac.compare_digest and in no other way, whichever entry it is of, and whether one matches."""
    token = file.create("first", None, now=0)
    file.create("second", ["AUTH_a"], now=0)
    file.rotate("second", now=0, keep=10**10)
    rule = TokensRule(file.path)
    first, second = file.read()
    hashes = [Unequal(first.sha256), Unequal(second.sha256), Unequal(second.previous[0] if second.previous else "")]
    rule._entries = (replace(first, sha256=hashes[0]), replace(second, sha256=hashes[1], previous=(hashes[2], 10**10)))
    compared: list[tuple[str, str]] = []

    def spy(left: Any, right: Any) -> bool:
        compared.append((str(left), str(right)))
        return compare_digest(str(left), str(right))

    compare_digest = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", spy)
    for sent, known in ((token, True), ("garbage", False), ("", False)):
        compared.clear()
        assert (rule.caller({"HTTP_X_AUTH_TOKEN": sent}, []) is not None) is known
        assert compared == [(str(each), hashed(sent)) for each in hashes]
    for key, known in ((key_of("first", first.sha256), True), ("x:first", False)):
        compared.clear()
        assert (rule.entry(key) is not None) is known
        assert len(compared) == 3 and {right for _, right in compared} == {str(key.encode())}


def test_a_file_that_will_not_do_any_more(file: TokensFile) -> None:
    """A file that is gone, open to others or damaged while the service runs admits nobody until it will do again."""
    token = file.create("first", None, now=NOW)
    rule = TokensRule(file.path)
    os.chmod(file.path, 0o640)
    with pytest.raises(AuthAway):
        judged(rule, token)
    os.chmod(file.path, 0o600)
    assert judged(rule, token) is Verdict.YES
    os.rename(file.path, file.path + ".gone")
    with pytest.raises(AuthAway):
        judged(rule, token)
    os.rename(file.path + ".gone", file.path)
    assert judged(rule, token) is Verdict.YES
    with open(file.path, "a") as opened:
        opened.write("nonsense\n")
    with pytest.raises(AuthAway, match="line 2"):
        judged(rule, token)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_mode(file: TokensFile, mode: int) -> None:
    """A file that others could read or write refuses to start, and says what to do."""
    file.create("first", None, now=NOW)
    os.chmod(file.path, mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        TokensRule(file.path)


def test_missing(file: TokensFile) -> None:
    """A missing file refuses to start, and names the command that makes one."""
    with pytest.raises(ConfigError, match="swiftstats token create"):
        TokensRule(file.path)


@pytest.mark.parametrize("line", [
    "x", "[]", '{"name": "a"}', '{"name": "a", "sha256": "00", "scope": "all", "created": "2012-10-22"}',
    json.dumps({"name": "a", "sha256": "0" * 64, "scope": "everything", "created": "2012-10-22"}),
    json.dumps({"name": "a", "sha256": "0" * 64, "scope": [1], "created": "2012-10-22"}),
    json.dumps({"name": "a", "sha256": "0" * 64, "scope": "all", "created": "then"}),
    json.dumps({"name": "a", "sha256": "0" * 64, "scope": "all", "created": "2012-10-22", "expires": "never"}),
    json.dumps({"name": "a", "sha256": "0" * 64, "scope": "all", "created": "2012-10-22", "expiry": "2012-10-23"}),
])
def test_bad_lines(file: TokensFile, line: str) -> None:
    """A line that is not understood refuses the file and is named: a guess could open a door."""
    Path(file.path).write_text("# tokens\n\n" + line + "\n")
    os.chmod(file.path, 0o600)
    with pytest.raises(ConfigError, match="line 3"):
        file.read()


def test_names(file: TokensFile) -> None:
    """A name is used once; what is not there cannot be revoked; neither changes the file."""
    file.create("first", ["AUTH_a"], now=NOW, expires=NOW)
    before = Path(file.path).read_bytes()
    with pytest.raises(ConfigError, match="already"):
        file.create("first", None, now=NOW)
    with pytest.raises(ConfigError, match="no token named"):
        file.revoke("second")
    assert Path(file.path).read_bytes() == before and os.listdir(os.path.dirname(file.path)) == ["tokens"]


def test_at_once(file: TokensFile) -> None:
    """Tokens that are created at the same time are all kept."""
    threads = [threading.Thread(target=file.create, args=(f"t{number}", None), kwargs={"now": NOW}) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.name for entry in file.read()) == sorted(f"t{number}" for number in range(16))


def test_prefix(file: TokensFile) -> None:
    """A token for accounts that begin alike reads those, however many come, and never (unknown)."""
    token = file.create("labs", [], now=NOW, prefixes=["AUTH_lab-", "AUTH_\u00fc"])
    rule = TokensRule(file.path)
    for account in ("AUTH_lab-", "AUTH_lab-7", "AUTH_\u00fcber"):
        assert judged(rule, token, account.encode()) is Verdict.YES
    for account in ("AUTH_lab", "AUTH_la", "AUTH_u", "(unknown)", "xAUTH_lab-7"):
        assert judged(rule, token, account.encode()) is Verdict.NO


@pytest.mark.parametrize("prefixes", [[""], ["("], ["(unknown)"], [1], "AUTH_"])
def test_bad_prefixes(file: TokensFile, prefixes: object) -> None:
    """A prefix that is nothing would be everything, and (unknown) is nobody's: the file is refused."""
    entry = {"name": "a", "sha256": "0" * 64, "scope": [], "prefixes": prefixes, "created": "2012-10-22"}
    Path(file.path).write_text(json.dumps(entry))
    os.chmod(file.path, 0o600)
    with pytest.raises(ConfigError, match="line 1"):
        file.read()


def test_rotate(file: TokensFile) -> None:
    """A rotated token has another secret and the same rights; the old one is good as long as it was kept, and then no more."""
    old = file.create("billing", ["AUTH_a"], now=NOW, expires=NOW + 1000)
    now = float(NOW)
    rule = TokensRule(file.path, clock=lambda: now)
    new = file.rotate("billing", now=NOW, keep=60)
    assert judged(rule, old) is judged(rule, new) is Verdict.YES
    assert judged(rule, old, b"AUTH_b") is judged(rule, new, b"AUTH_b") is Verdict.NO
    now = NOW + 60
    assert judged(rule, old) is Verdict.UNKNOWN and judged(rule, new) is Verdict.YES
    newest = file.rotate("billing", now=now)
    assert judged(rule, new) is Verdict.UNKNOWN and judged(rule, newest) is Verdict.YES
    now = NOW + 1000
    assert judged(rule, newest) is Verdict.UNKNOWN
    with pytest.raises(ConfigError, match="--expires"):
        file.rotate("billing", now=now, keep=60)
    again = file.rotate("billing", now=now, keep=60, expires=NOW + 2000)
    assert judged(rule, again) is Verdict.YES and judged(rule, newest) is Verdict.UNKNOWN
    with pytest.raises(ConfigError, match="no token named"):
        file.rotate("other", now=now)


def as_written(path: str) -> tuple[int, int, int]:
    """Return what tells a file that was written from one that was only read."""
    found = os.stat(path)
    return found.st_ino, found.st_mtime_ns, found.st_size


def test_last_use(file: TokensFile) -> None:
    """What was last used is noted in a file of its own, to the minute; the tokens file stays as it is."""
    now = float(NOW)
    token = file.create("billing", None, now=NOW)
    before = as_written(file.path)
    path = file.path + ".used"
    rule = TokensRule(file.path, uses=uses.Uses(path, clock=lambda: now), clock=lambda: now)
    judged(rule, "garbage")
    assert uses.read(path) == {}
    key = key_of("billing", hashed(token))
    for moment, noted in ((NOW, NOW), (NOW + 59, NOW), (NOW + 60, NOW + 60)):
        now = moment
        judged(rule, token)
        assert uses.read(path) == {key: noted}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and as_written(file.path) == before
    assert hashed(token) not in Path(path).read_text()
    Path(path).write_text("nonsense")
    now += 60
    judged(rule, token)
    assert uses.read(path) == {key: NOW + 120}


def test_last_use_that_cannot_be_noted(file: TokensFile, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be noted tokens work all the same, and it is said once."""
    first, second = file.create("first", None, now=NOW), file.create("second", None, now=NOW)
    rule = TokensRule(file.path, uses=uses.Uses(file.path + "/nowhere"))
    assert judged(rule, first) is judged(rule, second) is Verdict.YES
    assert caplog.text.count("cannot be noted") == 1
