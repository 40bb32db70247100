"""What stands before every method: the key, bounds, the reading of requests, typed errors, a log line."""
