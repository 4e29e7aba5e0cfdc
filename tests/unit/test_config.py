"""The configuration: read once, frozen, and refused with file and line where anything in it will not do."""

from __future__ import annotations

import pytest

from swiftstats import config, options
from swiftstats.errors import ConfigError


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a configuration file and returns its path."""

    def write(content: str) -> str:
        path = tmp_path / "swiftstats.conf"
        path.write_text(content, encoding="utf-8")
        return str(path)

    return write


def refused(path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert str(caught.value).startswith(path)
    return str(caught.value)


def test_an_empty_file_gives_every_default(written):
    """Every option that can have a default works without being written down."""
    read = config.load(written(""))
    for option in options.OPTIONS:
        if option.name not in (*options.OF_THE_PERIOD, "flush_jitter"):
            assert getattr(read, option.name) == options.default_of(option), option.name


def test_each_section_takes_its_options(written):
    """Values arrive in the type that their option has, spaces around them gone."""
    read = config.load(written(
        "[DEFAULT]\nspool = /srv/spool \nreseller_prefix: AUTH, SERVICE\n[flusher]\nflush = external\n[api]\nbind_port = 0\n"))
    assert (read.spool, read.reseller_prefix, read.flush, read.bind_port) == ("/srv/spool", ("AUTH_", "SERVICE_"), "external", 0)


def test_a_configuration_is_frozen(written):
    """No part of the program can change what another part reads."""
    with pytest.raises(AttributeError):
        config.load(written("")).spool = "/elsewhere"


def test_a_password_may_hold_a_percent_sign(written):
    """Nothing is interpolated: a URL with percent-encoded characters arrives as it was written."""
    url = "mysql+pymysql://u:p%40ss%%@db/swiftstats"
    assert config.load(written(f"[DEFAULT]\ndatabase = {url}\n")).database == url


def test_paste_sections_are_left_alone(written):
    """PasteDeploy's sections may stand in the same file, with whatever options they like."""
    paste = "".join(f"[{name}]\nuse = egg:x\nanything = 1\n" for name in
                    ("app:main", "filter:x", "pipeline:main", "composite:x", "server:main", "filter-app:x", "composit:y"))
    assert config.load(written("[api]\nbind_port = 1\n" + paste)).bind_port == 1


@pytest.mark.parametrize(("content", "line", "shown"), [
    ("[DEFAULT]\nspol = /x\n", 2, "unknown option spol in [DEFAULT]"),
    ("[DEFAULT]\n\nbind_port = 1\n", 3, "it belongs in [api]"),
    ("[api]\nspool = /x\n", 2, "it belongs in [DEFAULT]"),
    ("# a comment\n[fluhser]\n", 2, "unknown section [fluhser]; known are [DEFAULT], [flusher], [space], [api]"),
    ("[DEFAULT]\nspool = /x\nperiod_seconds = 1000\n", 3,
     "'1000' will not do; expected a whole number of seconds that divides an hour"),
    ("[flusher]\n[api]\nauth = kerberos\n", 3, "tokens, keystone, swift, none"),
])
def test_what_is_unknown_or_bad_is_refused_with_its_line(written, content, line, shown):
    """A typing error stops the start and says where it stands, rather than leave an option at its default unnoticed."""
    message = refused(written(content))
    assert f", line {line}: " in message
    assert shown in message


@pytest.mark.parametrize("content", [
    "spool = /x\n", "[DEFAULT]\nspool\n", "[api]\nauth = none\nauth = tokens\n", "[api]\n[api]\n",
])
def test_a_file_that_is_no_ini_file_is_refused(written, content):
    """Broken or doubled lines are one readable message."""
    assert "\n" not in refused(written(content))


def test_a_missing_file_says_how_to_name_another(tmp_path):
    """Without a configuration the message names the file and the option that names another."""
    message = refused(str(tmp_path / "none.conf"))
    assert "--config" in message


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    """Bytes that are no text are a message, not a traceback."""
    path = tmp_path / "latin1.conf"
    path.write_bytes(b"[DEFAULT]\nserver = \xfcber\n")
    assert "UTF-8" in refused(str(path))


def test_the_database_url_is_never_shown(written, monkeypatch):
    """A message about the database's URL does not show it, since it holds a password."""

    def refuse(value: str) -> str:
        raise ValueError("another URL")

    option = options.BY_NAME["database"]
    monkeypatch.setitem(options.BY_NAME, "database", option._replace(read=refuse))
    assert "hunter2" not in refused(written("[DEFAULT]\ndatabase = mysql://u:hunter2@h/d\n"))


def test_an_option_that_a_command_needs_is_asked_for_by_name(written):
    """A command that cannot do without an option says which one, in which section and file, and what it is for."""
    path = written("")
    with pytest.raises(ConfigError) as caught:
        config.load(path).require("database")
    assert path in str(caught.value)
    assert "database" in str(caught.value)
    assert "[DEFAULT]" in str(caught.value)


def test_flushes_follow_the_period_unless_said_otherwise(written):
    """Without flush_interval usage is sent once a period, whatever its length."""
    assert config.load(written("[DEFAULT]\nperiod_seconds = 900\n")).flush_interval == 900
    assert config.load(written("[DEFAULT]\nperiod_seconds = 900\n[flusher]\nflush_interval = 20\n")).flush_interval == 20


def test_jitter_takes_a_tenth_of_the_period_at_most(written):
    """A short period is not spent waiting at random."""
    assert config.load(written("[DEFAULT]\nperiod_seconds = 60\n")).flush_jitter == 6
    assert config.load(written("")).flush_jitter == 60


def test_inline_options_go_over_the_file(written):
    """A paste filter may name a file and set single options itself; its own win."""
    path = written("[DEFAULT]\nspool = /a\nserver = one\n")
    read = config.from_options({"config": path, "spool": "/b", "bind_port": "9"})
    assert (read.spool, read.server, read.bind_port, read.path) == ("/b", "one", 9, path)


def test_inline_period_moves_the_flush_interval_along(written):
    """A period given inline changes the interval that follows it, and leaves one that was given alone."""
    assert config.from_options({"config": written(""), "period_seconds": "600"}).flush_interval == 600
    path = written("[flusher]\nflush_interval = 30\n")
    assert config.from_options({"config": path, "period_seconds": "600"}).flush_interval == 30


@pytest.mark.parametrize("given", [{"spol": "/x"}, {"period_seconds": "1000"}])
def test_bad_inline_options_are_refused(given):
    """A typing error in the paste section stops the proxy's start rather than be ignored."""
    with pytest.raises(ConfigError):
        config.from_options(given)
