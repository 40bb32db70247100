"""What training processes record: cut into pieces of bounded work, each stored exactly once."""
