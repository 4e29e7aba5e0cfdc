"""The pages: usage, accounts, servers and status as HTML, rendered by the service; every one works without scripts."""
