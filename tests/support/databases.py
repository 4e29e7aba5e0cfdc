"""Marks for a test of the store that is about one database alone: its `store_url` is of that one, instead of each in turn."""

from __future__ import annotations

import pytest

on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
on_mariadb = pytest.mark.parametrize("store_url", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True)
