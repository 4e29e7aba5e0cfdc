"""A Swift behind Keystone: the filters of etc/proxy-server-keystone.conf-snippet, with the address of a real Keystone."""

from __future__ import annotations

import configparser

from swiftstats.demo.confs import PIPELINE, Instead
from tests.support.keystone import ROOT, Keystone

SNIPPET = ROOT / "etc" / "proxy-server-keystone.conf-snippet"
#: As keystoneauth has them there.
PREFIXES = "AUTH, SERVICE"


def instead(keystone: Keystone) -> Instead:
    """Return the sample's filters in the demo's pipeline: left of s3api, right of it, and instead of tempauth."""
    s3api = next(one for one in PIPELINE if one[0] == "s3api")
    return {
        "s3api": [("authtoken", options("authtoken", keystone)), s3api, ("s3token", options("s3token", keystone))],
        "tempauth": [("keystoneauth", options("keystoneauth", keystone))],
    }


def options(name: str, keystone: Keystone) -> dict[str, str]:
    """Return the options of a filter of the sample, made true."""
    return {option: _true(value, keystone) for option, value in sample()[f"filter:{name}"].items()}


def sample() -> configparser.RawConfigParser:
    """Return the sample as it stands."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # SERVICE_service_roles is not service_service_roles
    parser.read_string(SNIPPET.read_text())
    return parser


def _true(value: str, keystone: Keystone) -> str:
    """Return a value of the sample with this Keystone's address, and with who validates tokens here."""
    value = value.replace("https://keystone.example.org/v3", keystone.url)
    return {"swift": keystone.service.name, "PASSWORD": keystone.service.password}.get(value, value)
