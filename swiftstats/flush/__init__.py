"""The flush: from a host's spool to the database, by one process a host; whatever is repeated changes nothing."""
