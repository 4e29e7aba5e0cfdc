"""Faults, injected into a real site under load; each ends with: clients' ledger = store = the service's answer."""
