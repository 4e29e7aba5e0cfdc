"""FOCUS 1.2: what is exported passes the FinOps Foundation's validator, but for what needs a price or an invoice.

The validator wants packages other than ours, and Python 3.12: it is installed in an environment of its own, once.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.documents import read
from tests.support.levels import add, report
from tests.support.service import HOUR, Client, T, close, count, fresh, make, sqlite

VALIDATOR = "focus-validator==2.2.1"
#: It asks for any pyarrow, and for a numpy that newer ones refuse.
WITH = "pyarrow<22"
HERE = Path(__file__).resolve().parents[2] / ".tox" / "focus-validator"
INSTALL = "install Python 3.12 or newer: focus-validator, which checks FOCUS 1.2, runs on no older one"


def python() -> str:
    """Return a Python for the validator, or fail with what installs one."""
    # pyenv's own first: what it puts on the PATH in the name of a version that is not chosen only says so.
    for place in [*map(str, Path("~/.pyenv/versions").expanduser().glob("3.12.*/bin/python")), shutil.which("python3.12")]:
        if place is not None:
            return place
    pytest.fail(INSTALL)


@pytest.fixture(scope="module")
def validator() -> Path:
    """The validator's environment; made where it is not there."""
    if not (HERE / "bin" / "focus-validator").exists():
        subprocess.run([python(), "-m", "venv", "--clear", str(HERE)], check=True)
        subprocess.run([HERE / "bin" / "pip", "install", "-q", VALIDATOR, WITH], check=True)
    return HERE


@pytest.mark.timeout(900)
def test_focus_validator(validator: Path, tmp_path: Path) -> None:
    """The validator finds nothing but the columns that docs/billing.md names, each since it is null."""
    engine = fresh(sqlite(tmp_path))
    for number in range(3):
        writer = count(engine, account=b"AUTH_%d" % number, passed_out=2**40 + number, passed_in=3, get_count=5, put_count=number)
    add(engine, report(account=b"AUTH_0", size=2**40))
    close(engine, writer, through=T + 2 * HOUR)
    file = tmp_path / "focus.csv"
    query = "/usage?begin=2012-10-22T08:00Z&end=2012-10-22T10:00Z&format=focus"
    file.write_bytes(Client(make(sqlite(tmp_path))).get(query).body)
    # It opens a file of its own package by a path that is relative to where packages are.
    (packages,) = validator.glob("lib/python3.*/site-packages")
    done = subprocess.run(
        [validator / "bin" / "focus-validator", "--data-file", file, "--validate-version", "1.2.0.1", "--block-download",
         "--show-violations"], cwd=packages, capture_output=True, text=True, timeout=600, check=False)
    assert re.search(r"Pass: [1-9]\d+ ", done.stdout), done.stdout[-2000:] + done.stderr[-2000:]
    failed = dict(re.findall(r"^\S+ (\S+): FAIL +\(violations=\d+, msg=(.*)$", done.stdout, re.MULTILINE))
    columns = {re.split(r"-[CD]-", rule)[0] for rule in failed}
    section = read("docs/billing.md").split("## FOCUS")[1].split("\n## ")[0]
    assert columns == set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)))), failed
