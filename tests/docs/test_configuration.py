"""Every option stands in the sample and in docs/configuration.md, at its default, with its unit; and nothing else does."""

from __future__ import annotations

import re

import pytest

from swiftstats import config, options
from tests.docs.documents import plain, read

SAMPLE = "etc/swiftstats.conf-sample"
#: What is said where the default is computed.
COMPUTED = {"server": "the host name", "flush_interval": "period_seconds", "interval": "period_seconds",
            "token_uses_file": "tokens_file + .used"}

#: What of keystonemiddleware's own the samples name.
OF_AUTHTOKEN = ("oslo_config_project", "oslo_config_file")


def sections(text: str) -> dict[str, str]:
    """Split the sample into its sections."""
    parts = re.split(r"^\[(\w+)\]$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.name)
def test_the_sample_shows_the_option(option):
    """An operator finds the option in its section, commented out, below what it does, its unit and its default."""
    section = sections(read(SAMPLE))[option.section]
    entry = re.search(rf"((?:^# .*\n)+)^#{option.name} = (.+)$", section, re.MULTILINE)
    assert entry, f"{SAMPLE}: [{option.section}] lacks #{option.name} = {option.default}"
    said = plain(entry.group(1).replace("\n# ", " ").removeprefix("# "))
    assert option.help in said
    assert not option.unit or f"Unit: {option.unit}." in said
    if option.default is None:
        assert (f"Default: {COMPUTED[option.name]}." if option.name in COMPUTED else "No default.") in said
    else:
        assert f"Default: {option.default}." in said
        assert entry.group(2) == option.default


def test_the_sample_is_a_configuration(tmp_path):
    """The sample is accepted as it stands, and with every line switched on: it holds no option that does not exist."""
    path = tmp_path / "swiftstats.conf"
    path.write_text(read(SAMPLE))
    config.load(str(path))
    switched_on, count = re.subn(r"^#(\w+ = )", r"\1", read(SAMPLE), flags=re.MULTILINE)
    path.write_text(switched_on)
    config.load(str(path))
    assert count == len(options.OPTIONS)


@pytest.mark.parametrize("sample", ["etc/proxy-server.conf-snippet", "etc/api-paste.ini-sample"])
def test_other_samples_name_options_that_there_are(sample):
    """Whoever switches a line of a paste sample on does not get an unknown option."""
    for name in re.findall(r"^#? ?(\w+) = ", read(sample), re.MULTILINE):
        assert name in options.BY_NAME or name in ("use", "config", "pipeline", *OF_AUTHTOKEN), name


def row(option: options.Option) -> str:
    """The line of docs/configuration.md for an option."""
    default = f"`{option.default}`"
    if option.default is None:
        default = {"server": "the host name", **dict.fromkeys(options.OF_THE_PERIOD, "`period_seconds`"),
                   "token_uses_file": "`tokens_file` + `.used`"}.get(option.name, "none")
    return f"| `{option.name}` | {default} | {option.unit or '–'} | {option.help} |"


def test_the_documentation_lists_the_options():
    """docs/configuration.md has exactly the options that there are, in their order, as the table of options describes them."""
    lines = read("docs/configuration.md").splitlines()
    listed = [line for line in lines if re.match(r"\| `\w+` \|", line)]
    assert listed == [row(option) for option in options.OPTIONS]
    named = [line[5:-2] for line in lines if re.match(r"## `\[\w+\]`$", line)]
    assert named == list(dict.fromkeys(option.section for option in options.OPTIONS))
