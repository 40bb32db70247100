"""One server: where it is, how it is called, and what happens while it is away."""
