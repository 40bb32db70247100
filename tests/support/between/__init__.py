"""What stands between a program and what it talks to: lines that fall silent, stores that lie, poolers."""
