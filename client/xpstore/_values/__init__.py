"""What Python values become on the wire, and what the wire becomes in Python."""
