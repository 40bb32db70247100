"""The contract as data: every method with its option, its comment and its messages."""
