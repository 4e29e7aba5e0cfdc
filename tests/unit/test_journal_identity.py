"""Which writer a host is: one incarnation for a boot, a spool, a server and a period length, and a new one for any other."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swiftstats.errors import JournalError
from swiftstats.journal import identity as identities
from swiftstats.journal.identity import PREDECESSORS, Identity
from swiftstats.journal.spool import Spool
from tests.support.spools import HOUR, ONE, Clock, T, counters, in_child, snapshots


def prepare(path: Path, server: str = "proxy-1", seconds: int = HOUR) -> Identity:
    identity, control = Spool(str(path)).prepare(server=server, period_seconds=seconds, now=T)
    control.close()
    return identity


@pytest.fixture
def reboot(monkeypatch: pytest.MonkeyPatch) -> object:
    """Call it to have another boot id."""
    boots: List[str] = []

    def again() -> None:
        boots.append("x")
        monkeypatch.setattr(identities, "boot_id", lambda: f"boot-{len(boots)}")

    return again


def test_same_for_the_same(tmp_path: Path) -> None:
    """The same boot, spool, server and period length is the same writer, in every process."""
    first = prepare(tmp_path)
    assert first.predecessors == () and first.created == T
    assert len(first.incarnation) == 32 and int(first.incarnation, 16)
    assert prepare(tmp_path) == first

    def another() -> None:
        assert prepare(tmp_path) == first

    assert in_child(another) == 0


def test_reboot_is_a_new_writer(tmp_path: Path, reboot: object) -> None:
    """Another boot mints another incarnation, which names those before it, latest first."""
    chain = [prepare(tmp_path)]
    for _ in range(3):
        reboot()  # type: ignore[operator]
        chain.append(prepare(tmp_path))
    assert chain[3].predecessors == (chain[2].incarnation, chain[1].incarnation, chain[0].incarnation)
    assert len({identity.incarnation for identity in chain}) == 4


def test_predecessors_are_bounded(tmp_path: Path, reboot: object) -> None:
    """However often a host boots, its identity names no more than a bounded number of writers before it."""
    before = [prepare(tmp_path).incarnation]
    for _ in range(PREDECESSORS + 3):
        reboot()  # type: ignore[operator]
        before.insert(0, prepare(tmp_path).incarnation)
    assert prepare(tmp_path).predecessors == tuple(before[1:PREDECESSORS + 1])


def test_server_and_period_length(tmp_path: Path) -> None:
    """Another server name or period length is another writer."""
    first = prepare(tmp_path)
    second = prepare(tmp_path, server="proxy-2")
    third = prepare(tmp_path, server="proxy-2", seconds=900)
    assert second.predecessors == (first.incarnation,)
    assert third.predecessors == (second.incarnation, first.incarnation)


def test_copied_spool_is_a_new_writer(tmp_path: Path) -> None:
    """A spool that was copied or restored, with all its times kept, is another writer; the one it came from is not disturbed."""
    first = prepare(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    second = prepare(tmp_path / "b")
    assert second.incarnation != first.incarnation and second.predecessors == (first.incarnation,)
    assert prepare(tmp_path / "a") == first


def test_moved_spool_is_the_same_writer(tmp_path: Path) -> None:
    """A spool that was renamed is the same files, and the same writer."""
    first = prepare(tmp_path / "a")
    os.rename(tmp_path / "a", tmp_path / "b")
    assert prepare(tmp_path / "b") == first


def test_workers_stand_under_it(tmp_path: Path, reboot: object) -> None:
    """A segment carries the incarnation that its worker found; a worker after a reboot counts under the new one."""
    first = prepare(tmp_path)
    one = counters(tmp_path)
    one.add("AUTH_a", ONE, True)
    one.close()
    reboot()  # type: ignore[operator]
    two = counters(tmp_path, Clock(T + 90))
    two.add("AUTH_a", ONE, True)
    assert {read.incarnation for read in snapshots(tmp_path)} == {first.incarnation, prepare(tmp_path).incarnation}


def test_minted_once(tmp_path: Path) -> None:
    """Processes and threads that come upon a new spool at once all find one incarnation, and nobody a half-made one."""
    reading, writing = os.pipe()
    for turn in range(5):
        path = tmp_path / str(turn)
        pids = []
        for _ in range(4):
            pid = os.fork()
            if not pid:
                found: List[str] = []
                threads = [threading.Thread(target=lambda to=found, where=path: to.append(prepare(where).incarnation))
                           for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(30)
                os.write(writing, "".join(found).encode())
                os._exit(0)
            pids.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
        found_by_all = os.read(reading, 32 * 16 + 1).decode()
        assert found_by_all == prepare(path).incarnation * 16


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version": 1}', b'{"version": "1"}', b"0" * 5000])
def test_torn_identity_is_replaced(tmp_path: Path, content: bytes) -> None:
    """An identity file that says nothing (a power cut) is replaced by a new one."""
    first = prepare(tmp_path)
    (tmp_path / "identity").write_bytes(content)
    second = prepare(tmp_path)
    assert second.incarnation != first.incarnation and second.predecessors == ()
    assert prepare(tmp_path) == second


@pytest.mark.parametrize("changes", [
    {"incarnation": "x" * 32}, {"incarnation": 5}, {"incarnation": "0" * 31}, {"predecessors": "x"}, {"predecessors": [5]},
    {"predecessors": ["'; --"]}, {"created": "now"}])
def test_identity_that_cannot_be(tmp_path: Path, changes: dict) -> None:
    """An identity whose words cannot be right is not taken for one: a worker could not count under it."""
    first = prepare(tmp_path)
    path = tmp_path / "identity"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    second = prepare(tmp_path)
    assert second.incarnation != first.incarnation and second.predecessors == ()
    assert counters(tmp_path).add("AUTH_a", ONE, True)


def test_newer_identity_is_left_alone(tmp_path: Path) -> None:
    """An identity of a newer version is refused in words, and stays."""
    prepare(tmp_path)
    path = tmp_path / "identity"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    before = path.read_bytes()
    with pytest.raises(JournalError, match="version 2.*upgrade"):
        prepare(tmp_path)
    assert path.read_bytes() == before


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=40),
                    lambda inner: st.lists(inner, max_size=3), max_leaves=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["version", "incarnation", "predecessors", "created", "boot_id", "inode"]), JSON))
def test_any_words(tmp_path: Path, changes: dict) -> None:
    """Whatever stands in the file, a writer comes of it, or a refusal in our words."""
    prepare(tmp_path)
    path = tmp_path / "identity"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **changes}))
    try:
        identity = prepare(tmp_path)
    except JournalError:
        os.unlink(path)
    else:
        assert int(identity.incarnation, 16) >= 0 and all(int(one, 16) >= 0 for one in identity.predecessors)
