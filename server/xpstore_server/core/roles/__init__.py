"""What callers may do, and where."""
