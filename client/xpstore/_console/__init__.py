"""What a run prints: heard where it is printed, gathered, recorded and read again."""
