"""Usage metering for OpenStack Swift that a bill can stand on."""

__version__ = "0.1.0"
