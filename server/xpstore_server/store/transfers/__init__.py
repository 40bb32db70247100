"""What clients write past the server: announced, read back where that is due, and taken into the index."""
