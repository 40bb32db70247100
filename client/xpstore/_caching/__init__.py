"""One computation for many callers: leases, waiting, and what this client knows meanwhile."""
