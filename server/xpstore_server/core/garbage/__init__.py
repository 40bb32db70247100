"""What becomes of bytes that no version needs, and of an index that has lost some."""
