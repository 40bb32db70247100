"""The page beside those of others: what a stranger waits for, and what it costs the browser."""
