"""FOCUS 1.2: what is exported passes the FinOps Foundation's validator, but for what needs a price or an invoice.

The validator wants packages in versions that are not ours: it is installed in an environment of its own, once, beside tox's.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import read
from tests.support.levels import add, report
from tests.support.service import HOUR, Client, T, close, count, fresh, make, sqlite

VALIDATOR = "focus-validator==2.2.1"
#: What it imports, as it asks for them. It asks for more, which it never imports.
WITH = ("duckdb>=1.4.1,<2", "graphviz", "pandas>=2,<3", "polars>=1.34,<2", "pyarrow", "pydantic>=2.12,<3", "pytz", "pyyaml>=6",
        "requests", "sqlglot>=27.28.1,<28")
HERE = Path(__file__).resolve().parents[2] / ".tox" / "focus-validator-{}.{}".format(*sys.version_info)
#: It asks for Python 3.12 on account of one line, and of that for the backslashes; this says the same to an older one.
NEWER, OLDER = r"""k.replace('\"', '\"\"')""", "k.replace(chr(34), chr(34) * 2)"


@pytest.fixture(scope="module")
def validator() -> Path:
    """The validator's environment; made where it is not there."""
    if not (HERE / "bin" / "focus-validator").exists():
        pip = [HERE / "bin" / "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", HERE], check=True)
        subprocess.run([*pip, *WITH], check=True)
        subprocess.run([*pip, "--no-deps", "--ignore-requires-python", VALIDATOR], check=True)  # last: it says that all is there
    (source,) = HERE.glob("lib/python3.*/site-packages/focus_validator/config_objects/focus_to_duckdb_converter.py")
    source.write_text(source.read_text().replace(NEWER, OLDER))
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
