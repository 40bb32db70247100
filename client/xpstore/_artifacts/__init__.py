"""What an artifact is said to be when it is saved, staged and read."""
