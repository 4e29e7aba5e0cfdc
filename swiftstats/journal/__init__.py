"""The journal: what a host has counted and not yet closed, in files that outlive any process. Standard library only."""
