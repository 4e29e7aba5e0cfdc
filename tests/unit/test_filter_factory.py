"""How the filter is made and loaded: its options, its place in the pipeline, and what it must not load or open."""

from __future__ import annotations

import logging
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from swiftstats.collect import placement
from swiftstats.collect.filter import Filter, filter_factory
from swiftstats.collect.meter import Meter
from swiftstats.errors import ConfigError
from tests.support import spools
from tests.support.recorder import Recorder
from tests.support.wsgi import environ, serve

ROOT = Path(__file__).parents[2]


def app(env: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "3")])
    return [b"abc"]


def test_options_inline(tmp_path: Path) -> None:
    """Everything may stand in the filter's own section; what is counted is in its spool."""
    spool = tmp_path / "spool"
    made = filter_factory({"__file__": "/etc/swift/proxy-server.conf", "bind_port": "8080"}, spool=str(spool), server="proxy-1",
                          flush="external", period_seconds="1800", log_name="metering")(app)
    assert list(tmp_path.iterdir()) == []
    serve(made, environ())
    (snapshot,) = spools.snapshots(spool)
    assert (snapshot.seconds, [row.name for row in snapshot.rows() if any(row.cells)]) == (1800, [b"AUTH_a"])


def test_options_of_a_file_and_inline(tmp_path: Path) -> None:
    """`config` names the file of all commands; what stands in the section goes before it, and the flusher gets both."""
    conf = tmp_path / "swiftstats.conf"
    conf.write_text(f"[DEFAULT]\ndatabase = sqlite:///{tmp_path}/x.db\nspool = /nowhere\nreseller_prefix = KEY\n")
    made = filter_factory({}, config=str(conf), spool=str(tmp_path / "spool"))(app)
    assert made._meter.prefixes == ("KEY_",)
    assert made._meter._spawner._options == {"config": str(conf), "spool": str(tmp_path / "spool")}
    assert made._meter._spawner._spool.path == str(tmp_path / "spool")


@pytest.mark.parametrize(("options", "message"), [
    ({"flush": "external", "period": "3600"}, "unknown option period"),
    ({"flush": "external", "period_seconds": "7"}, "period_seconds: '7' will not do"),
    ({"flush": "never"}, "flush: 'never' will not do"),
    ({}, "option database is needed"),
    ({"config": "/nonexistent.conf"}, "/nonexistent.conf: cannot be read"),
])
def test_a_proxy_refuses_to_start_on_bad_options(options: dict[str, str], message: str) -> None:
    """An operator's mistake is said at start, with the file it stands in, and not found in next month's bill."""
    with pytest.raises(ConfigError) as caught:
        filter_factory({"__file__": "/etc/swift/proxy-server.conf"}, **options)
    assert message in str(caught.value)
    assert "/etc/swift/proxy-server.conf" in str(caught.value)


def test_the_snippet_of_etc_loads(tmp_path: Path) -> None:
    """What operators paste into proxy-server.conf is what PasteDeploy and the filter understand, every option of it."""
    from paste.deploy import loadfilter
    text = (ROOT / "etc" / "proxy-server.conf-snippet").read_text()
    section = text[text.index("[filter:swiftstats]"):].replace("config = /etc", "# config = /etc")
    conf = tmp_path / "proxy-server.conf"
    commented_in = re.sub(r"^# (?=(set )?\w+ = )(?!config)", "", section, flags=re.MULTILINE)
    conf.write_text(commented_in)
    assert "\nset log_level" in commented_in
    assert isinstance(loadfilter(f"config:{conf}", name="swiftstats")(app), Filter)


# Where it stands


def stands_in(module: str) -> Any:
    """Return an application whose class lives in `module`."""
    return type("Middleware", (), {"__module__": module})()


@pytest.fixture
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_said", [])


@pytest.mark.parametrize(("module", "name"), [
    ("swift.common.middleware.bulk", "bulk"),
    ("swift.common.middleware.formpost", "formpost"),
    ("swift.common.middleware.s3api.s3api", "s3api"),
    ("swift.common.middleware.staticweb", "staticweb"),
    ("swift.common.middleware.copy", "copy"),
    ("swift.common.middleware.slo", "slo"),
    ("swift.common.middleware.dlo", "dlo"),
    ("swift.common.middleware.versioned_writes.legacy", "versioned_writes"),
    ("swift.common.middleware.symlink", "symlink"),
])
def test_a_filter_right_of_what_rewrites_says_so_once(module: str, name: str, unsaid: None,
                                                      caplog: pytest.LogCaptureFixture) -> None:
    """Swift shows a filter its whole pipeline when it stands: what is counted in a wrong place would be a wrong bill."""
    for _ in range(2):  # the manager's, and the worker's after the fork
        ours = Filter(app, Meter(spool="unused", counters=Recorder()))
        ours._pipeline = [stands_in("swift.common.middleware.catch_errors"), stands_in(module), ours,
                          stands_in("swift.proxy.server")]
    assert [record.getMessage() for record in caplog.records] == [
        f"swiftstats: this filter must stand left of the first proxy-logging: right of {name} {placement.MISLEADING[name]}"]


def test_a_filter_in_its_place_says_nothing(unsaid: None, caplog: pytest.LogCaptureFixture) -> None:
    """catch_errors, gatekeeper and healthcheck stand left of it, everything else right."""
    ours = Filter(app, Meter(spool="unused", counters=Recorder()))
    ours._pipeline = [stands_in("swift.common.middleware.gatekeeper"), ours, stands_in("swift.common.middleware.bulk")]
    assert caplog.records == []


def test_requests_of_swifts_own_that_arrive_say_so_too(unsaid: None, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody shows the pipeline, the first request with swift.source gives the place away."""
    ours = Filter(app, Meter(spool="unused", counters=Recorder()))
    for source in ("SSC", "SLO"):
        serve(ours, environ(**{"swift.source": source}))
    assert len(caplog.records) == 1
    assert "right of copy" in caplog.text


def test_the_names_are_where_swift_has_them() -> None:
    """The modules of real Swift's filters are found by the names that the warning knows."""
    from importlib import import_module
    for name in placement.MISLEADING:
        module = import_module(f"swift.common.middleware.{name}" + (".s3api" if name == "s3api" else ""))
        made = [value for value in vars(module).values() if isinstance(value, type)
                and value.__module__.startswith("swift.common.middleware") and name in value.__module__.split(".")]
        assert made, name


# What it must not load


def run_python(code: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_filter_loads_no_foreign_package() -> None:
    """Inside the proxy, filter and journal bring in nothing: no database library, no WebOb, and Swift only if it is there."""
    done = run_python("""
import sys
before = set(sys.modules)
import swiftstats.collect.filter, swiftstats.journal.counters
made = swiftstats.collect.filter.filter_factory({}, flush="external", spool="/nonexistent")(None)
loaded = {name for name in set(sys.modules) - before if "site-packages" in str(getattr(sys.modules[name], "__file__", ""))}
print(sorted(name for name in loaded if name.partition(".")[0] != "swiftstats"))
""")
    assert (done.stdout, done.stderr) == ("[]\n", "")


SMOKE = """
import sys, tempfile
from swiftstats import fields
from swiftstats.collect.filter import filter_factory
from swiftstats.journal.snapshot import Snapshot
from swiftstats.journal.spool import Spool
import io

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("201 Created", [("Content-Length", "2")])
    yield b"ok"

with tempfile.TemporaryDirectory() as spool:
    made = filter_factory({}, flush="external", spool=spool + "/s", server="proxy-1")(app)
    for _ in range(3):
        answer = made({"REQUEST_METHOD": "PUT", "PATH_INFO": "/v1/AUTH_a/c", "CONTENT_LENGTH": "5",
                       "wsgi.input": io.BytesIO(b"hello")}, lambda *_: None)
        assert b"".join(answer) == b"ok"
        answer.close()
    (segment,) = Spool(spool + "/s").list_segments()
    (row,) = [row for row in Snapshot.read(segment.path).rows() if row.name == b"AUTH_a"]
    print(sys.version_info[:2], {f.name: v for f, v in zip(fields.FIELDS, fields.values(row.cells)) if v})
"""


def python39() -> str:
    """Return a Python 3.9; say how to get one where there is none."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # whatever HOME says
    for candidate in (*sorted(home.glob(".pyenv/versions/3.9.*/bin/python3.9")), shutil.which("python3.9")):
        if candidate and run_python("", str(candidate)).returncode == 0:
            return str(candidate)
    raise AssertionError("no Python 3.9: `pyenv install 3.9`, or a python3.9 on the PATH")


@pytest.mark.parametrize("python", [lambda: sys.executable, python39], ids=["this", "3.9"])
def test_a_request_is_counted_on_the_oldest_python(python: Any) -> None:
    """Proxies run on Python 3.9 too: filter and journal import there and count."""
    done = run_python(SMOKE, python())
    assert done.stderr == ""
    assert "{'bytes_in': 15, 'bytes_out': 6, 'PUT': 3}" in done.stdout


# In real Swift's hands


def test_swift_shows_it_in_info_and_logs_for_it() -> None:
    """Where Swift runs, its /info names the filter and its logger is used; both are asked of Swift only where it is loaded."""
    done = run_python("""
from swift.common.registry import get_swift_info
from swift.common.utils.logs import SwiftLogAdapter
from swiftstats.collect.filter import filter_factory
made = filter_factory({"log_name": "proxy-server"}, flush="external", spool="/nonexistent", log_level="DEBUG")(None)
info = get_swift_info()["swiftstats"]
print(sorted(info), info["period_seconds"], isinstance(made._meter.logger, SwiftLogAdapter))
""")
    assert done.stdout == "['period_seconds', 'version'] 3600 True\n", done.stderr


FORM = b'--b\r\nContent-Disposition: form-data; name="redirect"\r\n\r\nhttp://x/\r\n--b--\r\n'


def refusing(env: dict[str, Any], start_response: Any) -> Any:
    """What an auth filter and the proxy do with somebody who has no right."""
    start_response("401 Unauthorized", [("Content-Length", "0")])
    return [b""]


@pytest.mark.parametrize(("module", "request_", "status"), [
    ("bulk", environ("POST", "/v1/garbage", b"c/o\n", QUERY_STRING="bulk-delete", HTTP_ACCEPT="text/plain"), "200 OK"),
    ("bulk", environ("PUT", "/v1/garbage", b"", QUERY_STRING="extract%2Darchive=tar", HTTP_ACCEPT="text/plain"), "200 OK"),
    ("slo", environ("PUT", "/v1/garbage/c/o", b'[{"data": "eHg="}, {"path": "/c/s"}]', HTTP_ACCEPT="application/json",
                    QUERY_STRING="multipart-manifest=put&heartbeat=on"), "202 Accepted"),
    ("formpost", environ("POST", "/v1/garbage/c", FORM, CONTENT_TYPE="multipart/form-data; boundary=b",
                         **{"swift.infocache": {}}), "303 See Other"),
])
def test_real_swift_answers_anybody_like_this_and_it_proves_nothing(module: str, request_: dict[str, Any], status: str,
                                                                   caplog: pytest.LogCaptureFixture) -> None:
    """Garbage of people without any right, through Swift's own filters: the status would admit the name, the rule does not."""
    from importlib import import_module
    caplog.set_level(logging.CRITICAL)
    journal = Recorder()
    factory = import_module(f"swift.common.middleware.{module}").filter_factory
    seen = serve(Filter(factory({})(refusing), Meter(spool="unused", counters=journal)), dict(request_))
    assert [line for line, _, _ in seen.starts] == [status], seen
    assert journal.accounts() == {"garbage"}
    assert not journal.evidence("garbage")
