"""Parameters of a request: URL, form and headers."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftstats.api.params import FORM_BYTES, BodyTooLarge, Given, NotAForm, read_form, split

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("separator", ["&", ";", "&;", ";;"])
def test_both_separators(separator: str) -> None:
    """Parameters are separated by & or by ;, as the 2012 documentation writes them."""
    query = separator.join(("account_id=7f6a", "begin_time=2012-10-22+08%3A00:00", "format=xml"))
    assert Given({"QUERY_STRING": query}).values == {
        "account_id": "7f6a", "begin_time": "2012-10-22 08:00:00", "format": "xml"}


def test_encoding() -> None:
    """Percent-encoding and + are decoded once, after the parameters are split."""
    assert split(b"a=x%26y%3Bz%3D1&b=1%2B1+2&c&=d") == [("a", b"x&y;z=1"), ("b", b"1+1 2"), ("c", b""), ("", b"d")]


def test_url_wins() -> None:
    """A parameter in the URL wins over the same one in a header, and the two may be mixed."""
    given = Given({"QUERY_STRING": "account_id=a", "HTTP_X_ACCOUNT_ID": "b", "HTTP_X_FORMAT": "csv"})
    assert given.values == {"account_id": "a", "format": "csv"}


def test_header_bytes() -> None:
    """A name in a header is the UTF-8 that was sent, which WSGI shows as latin-1."""
    assert Given({"HTTP_X_ACCOUNT_ID": "ü€".encode().decode("latin-1")}).values == {"account_id": "ü€"}


@pytest.mark.parametrize("environ", [
    {"QUERY_STRING": "account_id=%ff"}, {"HTTP_X_ACCOUNT_ID": "\xff"}, {"QUERY_STRING": "account_id=\xff"}])
def test_not_utf8(environ: dict[str, str]) -> None:
    """A value that is no UTF-8 is one fault, not a crash and not another account."""
    given = Given(environ)
    assert given.values == {} and [(fault.parameter, fault.value) for fault in given.faults] == [("account_id", "\\xff")]


def test_twice() -> None:
    """The same parameter twice is a fault, in the URL or between URL and form: either could have been meant."""
    for query, body in (("account_id=a&account_id=a", b""), ("account_id=a", b"account_id=b")):
        given = Given({"QUERY_STRING": query}, body)
        assert given.values == {} and [fault.parameter for fault in given.faults] == ["account_id"]


def test_unknown_parameters_are_ignored() -> None:
    """Parameters that the service does not know are no fault: scripts of 2012 add their own."""
    given = Given({"QUERY_STRING": "nonsense=1&nonsense=2&%ff=3&account_id=a"})
    assert given.values == {"account_id": "a"} and not given.faults


def test_empty() -> None:
    """An empty header is none; an empty parameter in the URL is a value, and wins."""
    assert Given({"HTTP_X_FORMAT": " "}).values == {}
    assert Given({"QUERY_STRING": "account_id=", "HTTP_X_ACCOUNT_ID": "b"}).values == {"account_id": ""}


@pytest.mark.parametrize(("environ", "name"), [
    ({}, "json"), ({"HTTP_ACCEPT": "*/*"}, "json"), ({"HTTP_ACCEPT": "application/xml"}, "xml"),
    ({"HTTP_ACCEPT": "text/csv", "HTTP_X_FORMAT": "xml"}, "xml"), ({"QUERY_STRING": "format=CSV", "HTTP_X_FORMAT": "xml"}, "csv"),
    ({"QUERY_STRING": "format=json", "HTTP_ACCEPT": "image/png"}, "json"),
])
def test_format(environ: dict[str, str], name: str) -> None:
    """The format is the URL's, else the header's, else what Accept prefers, else JSON."""
    given = Given(environ)
    assert given.format.name == name and given.acceptable and not given.faults


def test_unknown_format() -> None:
    """A format that there is not is a fault, answered in JSON."""
    given = Given({"QUERY_STRING": "format=yaml", "HTTP_ACCEPT": "application/xml"})
    assert given.format.name == "json" and [fault.expected for fault in given.faults] == ["one of json, xml, csv"]


def form(body: bytes, content_type: str = FORM, length: str | None = None) -> dict[str, object]:
    length = str(len(body)) if length is None else length
    return {"CONTENT_LENGTH": length, "CONTENT_TYPE": content_type, "wsgi.input": io.BytesIO(body)}


def test_form() -> None:
    """A form of up to 64 KiB is read, with any charset parameter; no body is an empty form of any type."""
    assert read_form(form(b"a=1", FORM + "; charset=utf-8")) == b"a=1"
    assert read_form(form(b"a" * FORM_BYTES)) == b"a" * FORM_BYTES
    assert read_form(form(b"", "application/json")) == b"" == read_form({})


@pytest.mark.parametrize("environ", [form(b"a" * (FORM_BYTES + 1)), form(b"", length="many"), form(b"", length="-1")])
def test_large_form(environ: dict[str, object]) -> None:
    """A longer form, or one of a length that is none, is refused without being read."""
    with pytest.raises(BodyTooLarge):
        read_form(environ)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data; boundary=x"])
def test_not_a_form(content_type: str) -> None:
    """Any other body is refused."""
    with pytest.raises(NotAForm):
        read_form(form(b"{}", content_type))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes(query: bytes, body: bytes) -> None:
    """No query string, form or header makes reading them fail."""
    text = query.decode("latin-1")
    Given({"QUERY_STRING": text, "HTTP_X_ACCOUNT_ID": text, "HTTP_ACCEPT": text, "HTTP_X_FORMAT": text}, body)
