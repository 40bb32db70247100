"""What callers may do, and where; and the sessions by which browsers call."""
