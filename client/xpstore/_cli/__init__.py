"""What the command `xpstore` does in more than a few lines: the cache, and how answers are shown."""
