"""Work without a server: what stands in for it, what waits for it, and how that gets there later."""
