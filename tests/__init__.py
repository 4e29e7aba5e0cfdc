"""Tests: unit, contract (the store on SQLite and MariaDB), functional (a real Swift), crash, docs."""
