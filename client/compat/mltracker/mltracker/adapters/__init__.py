"""Where mltracker has its implementations."""
