"""What is logged to be looked at, as files that any program can show."""
