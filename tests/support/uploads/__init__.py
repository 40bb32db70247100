"""Clients of uploads as they should not be: too many, too slow, broken off."""
