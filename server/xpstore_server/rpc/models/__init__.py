"""Models and their modules on the wire, one by one or many with all that they have."""
