"""The table of options: each default can be read, each bad value is refused with what was expected."""

from __future__ import annotations

import socket

import pytest

from swiftstats import options

BAD = [
    ("period_seconds", "1000"), ("period_seconds", "7200"), ("period_seconds", "an hour"), ("period_seconds", "-3600"),
    ("period_seconds", "²"), ("period_seconds", "0"),
    ("spool_max_bytes", "4G"), ("spool_max_bytes", "1"), ("max_unproven_names", "0"), ("flush", "never"),
    ("flush_interval", "0"), ("flush_interval", "nan"), ("flush_interval", "1e3"), ("flush_interval", "-1"),
    ("msync_interval", "0"), ("msync_interval", "inf"), ("batch_rows", "0"), ("bind_port", "65536"), ("bind_port", "http"),
    ("allow_anonymous", "maybe"), ("auth", "kerberos"), ("auth", "tokens none"), ("server", ""),
    ("server", "two words"), ("server", "a,b"), ("server", "ü" * 128), ("max_periods", "8784.0"),
]


def test_names_are_unique():
    """An option's name says which one it is, whatever section it stands in, so it can be given inline."""
    assert len(options.BY_NAME) == len(options.OPTIONS)


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.name)
def test_the_default_is_a_value_that_the_option_takes(option):
    """What the sample shows as default is accepted when it is written out."""
    if option.default is not None:
        option.read(option.default)


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.name)
def test_every_option_says_what_it_does(option):
    """No option is without a sentence, and each stands in a section that the file may have."""
    assert option.help.endswith(".")
    assert option.section in ("DEFAULT", *options.SECTIONS)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_with_what_was_expected(name, value):
    """A value that will not do is an error that says what would, never a default used silently."""
    with pytest.raises(ValueError) as caught:
        options.BY_NAME[name].read(value)
    assert str(caught.value).startswith(("a ", "one of ", "yes or no"))


@pytest.mark.parametrize(("text", "expected"), [
    ("AUTH", ("AUTH_",)), ("AUTH_", ("AUTH_",)), ("AUTH, SERVICE", ("AUTH_", "SERVICE_")), ("AUTH,AUTH_", ("AUTH_",)),
    ("AUTH, ''", ("AUTH_", "")), ("''", ("",)),
])
def test_reseller_prefixes_are_read_as_swift_reads_them(text, expected):
    """A prefix may be written with or without its underscore, and '' is the empty one, as in Swift's own configuration."""
    assert options.BY_NAME["reseller_prefix"].read(text) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("yes", True), ("On", True), ("1", True), ("no", False), ("FALSE", False), ("0", False),
])
def test_yes_and_no(text, expected):
    """Yes and no may be spelled as ini files do."""
    assert options.boolean(text) is expected


def test_authenticators_are_a_list_in_order():
    """Several authenticators may be combined, and keep the order in which they are asked."""
    assert options.BY_NAME["auth"].read("tokens, swift") == ("tokens", "swift")


def test_the_server_is_named_after_its_host():
    """A host that gives no name is known by its host name."""
    assert options.default_of(options.BY_NAME["server"]) == socket.gethostname()
